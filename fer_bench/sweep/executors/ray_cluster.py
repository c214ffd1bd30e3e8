"""Trials on a Ray cluster: the same plan on as many machines as there are, with the records here.

The code travels with the sweep, the images once to each node, weights with the trials that begin from them, and
trained models and checkpoints back. A trial asks Ray for its cores and GPUs. One whose process crashes has failed; one
whose node is lost goes on from its checkpoint on another.
"""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.executors import ray_nodes
from fer_bench.sweep.executors.executor import POLL_SECONDS, Follow, Follower, Outcome, failed
from fer_bench.sweep.executors.ray_worker import environment, stream_trial
from fer_bench.sweep.executors.worker import Event, Job, epoch_line
from fer_bench.sweep.executors.worker_handle import STALLED, Limits
from fer_bench.sweep.queue import Turn, Turns
from fer_bench.training.checkpoint import packed, unpack
from fer_bench.training.machine import describe_machine

ROOT = Path(__file__).resolve().parents[3]  # of a checkout, or site-packages
CODE = ("fer_bench", "architectures", "experiments")
MOST_LOSSES = 3  # nodes that a trial may lose: it may be what takes them down
HEAD_SECONDS = 30.0  # for the head node to accept a connection
ADVICE = "What is recorded stays; once the cluster is there, the same command goes on."


@dataclass
class _Task:
    """A trial that Ray has been given, and what it has told."""

    turn: Turn
    follower: Follower
    stream: Any  # of references to events
    started: str
    node: str | None = None  # where it runs, once it does
    ready: bool = False  # once Keras has started there
    began: float = 0.0
    heard: float = 0.0
    machine: dict[str, Any] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)


class Cluster:
    """An executor; see `Executor`.

    address: of the cluster, as `ray.init` takes it; None: one is started, on this machine alone. cores, devices: what
    each trial gets; None: of a node without GPUs all cores of the smallest, of one with GPUs its share.
    """

    def __init__(self, address: str | None, cores: int | None, devices: int, limits: Limits) -> None:
        self._address, self._cores, self._devices, self._limits = address, cores, devices, limits
        self._losses: dict[str, int] = {}  # by key
        self._shared: dict[Any, Any] = {}  # references to what was put into the object store

    def start(self) -> None:
        """Connect to the cluster. UserError where there is none."""
        if self._address and self._address.startswith("ray://"):
            raise UserError("--ray-address is that of a cluster; run the sweep on one of its nodes, with 'auto'.")
        if self._address and ":" in self._address and not ray_nodes.accepts(self._address):
            raise UserError(f"No Ray cluster answers at {self._address}.")  # Ray would try for minutes
        if self._address is None:
            # Ray takes a loopback address for itself only so, and listens on no other then.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        try:
            import ray
        except ImportError:
            raise UserError("--executor ray needs Ray: pip install 'fer-bench[ray]'.") from None
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        where = {"address": self._address} if self._address else {"address": "local", "_node_ip_address": "127.0.0.1"}
        with tempfile.TemporaryDirectory(prefix="fer-bench-") as code:
            for name in CODE:
                shutil.copytree(ROOT / name, Path(code) / name, ignore=shutil.ignore_patterns("__pycache__"))
            try:
                ray.init(
                    **where,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="error",
                    runtime_env={"working_dir": code},
                )
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise UserError(f"No Ray cluster answers at {self._address or 'this machine'}: {error}") from None
        for number, handler in before.items():  # Ray has put its own there
            with suppress(ValueError, TypeError):  # not in a thread, where Ray has put none either
                signal.signal(number, handler)
        self._ray = ray
        self._head = ray.get_runtime_context().gcs_address
        self._each = ray_nodes.share(ray_nodes.alive(ray), self._cores, self._devices)
        if self._devices > 1 and not self._each[1]:
            raise UserError(f"--devices-per-trial {self._devices}: no node of the cluster has so many GPUs.")
        if not self.room:
            raise UserError(f"No node of the cluster has the {self._each[0]} cores that --cpus-per-trial asks for.")

    def stop(self) -> None:
        self._shared.clear()
        self._ray.shutdown()

    def __call__(self, turns: Turns, follow: Follow) -> Iterator[Outcome]:
        tasks: list[_Task] = []
        try:
            stream = self._remote()
            while turns or tasks:
                self._wait_for_head(turns)
                while len(tasks) < self.room and (turn := turns.take()) is not None:
                    tasks.append(self._begun(stream, turn, follow))
                if tasks:
                    self._ray.wait([task.stream for task in tasks], num_returns=1, timeout=POLL_SECONDS)
                else:
                    time.sleep(POLL_SECONDS)
                turns.check()
                for task in list(tasks):
                    try:
                        ended = self._hear(task)
                    except _NodeLost as lost:
                        tasks.remove(task)
                        task.follower.on_trial_end(self._failed(task, str(lost)))
                        turns.again(task.turn)
                        continue
                    if ended is not None:
                        tasks.remove(task)
                        yield ended
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            told = str(error).partition("\n")[0]
            raise UserError(f"The Ray cluster no longer answers: {told}. {ADVICE}") from None
        finally:
            for task in tasks:
                with suppress(Exception):
                    self._ray.cancel(task.stream, force=True)
            self.stop()

    def _remote(self):
        """The function that runs a trial on a node."""
        cores, devices = self._each
        variables = {"env_vars": environment(cores)}
        return self._ray.remote(num_cpus=cores, num_gpus=devices, max_retries=0, runtime_env=variables)(stream_trial)

    def _wait_for_head(self, turns: Turns) -> None:
        """UserError where the head node accepts nothing any more: a minute later Ray would end this program."""
        deadline = time.monotonic() + HEAD_SECONDS
        while not ray_nodes.accepts(self._head):
            if time.monotonic() > deadline:
                raise UserError(f"The head node of the Ray cluster, {self._head}, no longer answers. {ADVICE}")
            turns.check()
            time.sleep(POLL_SECONDS)

    @property
    def room(self) -> int:
        """How many trials there is room for on the nodes that are there now."""
        return sum(ray_nodes.fit(node, *self._each) for node in ray_nodes.alive(self._ray))

    @property
    def beside(self) -> int:
        """How many trials share the cores of one node; those on GPUs of their own share none."""
        _, devices = self._each
        return (
            1 if devices else max((ray_nodes.fit(node, *self._each) for node in ray_nodes.alive(self._ray)), default=1)
        )

    def _begun(self, stream, turn: Turn, follow: Follow) -> _Task:
        planned, job = turn.planned, Job.of(turn)
        # Other nodes do not see the files of this one: what is in them is sent.
        dataset = self._put(id(planned.dataset), lambda: _in_memory(planned.dataset))
        weights = None
        if planned.weights_file is not None:
            weights = self._put(planned.weights_file, planned.weights_file.read_bytes)
        source = None if job.source.is_relative_to(ROOT) else job.source.read_bytes()
        saved = packed(turn.checkpoint)
        now = time.monotonic()
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        _log(turn, f"{started} {planned.trial}, {planned.trial.recipe_name}")
        running = stream.remote(job, dataset, source, weights, saved and self._ray.put(saved), self._each[1] > 1)
        return _Task(turn, follow(turn), running, started, began=now, heard=now)

    def _put(self, key: Any, made) -> Any:
        """A reference to what lies in the object store once, whoever asks for it."""
        if key not in self._shared:
            self._shared[key] = self._ray.put(made())
        return self._shared[key]

    def _hear(self, task: _Task) -> Outcome | None:
        """Passes on what a trial tells; its outcome, if it has ended. Raises _NodeLost."""
        ray = self._ray
        while ray.wait([task.stream], timeout=0)[0]:
            try:
                event: Event = ray.get(next(task.stream))
            except (ray.exceptions.RayError, StopIteration) as error:
                return self._ended(task, error)
            task.heard = time.monotonic()
            match event.kind:
                case "node":
                    task.node, task.began = event.told[0], task.heard
                case "machine":
                    task.machine = event.told[0]
                    task.ready, task.began = True, task.heard
                case "log":
                    _log(task.turn, event.told[0])
                case "checkpoint":
                    unpack(event.told[0], task.turn.checkpoint)
                case "step":
                    task.follower.on_step_end(*event.told)
                case "epoch":
                    epoch, epochs = event.told
                    task.history.append(epoch)
                    _log(task.turn, epoch_line(epoch, epochs))
                    task.follower.on_epoch_end(epoch, epochs)
                case "end":
                    record, predictions, model = event.told
                    if model is not None and task.turn.model_file is not None:
                        task.turn.model_file.parent.mkdir(parents=True, exist_ok=True)
                        task.turn.model_file.write_bytes(model)
                    _log(task.turn, f"{record.status} {record.reason}".rstrip())
                    return Outcome(task.turn, self._marked(record, task.node), predictions, task.follower)
        if task.node is None:  # it waits for its cores
            return None
        reason = self._limits.passed(task.ready, task.began, task.heard)
        if reason is None:
            return None
        lost = reason.startswith(STALLED) and not ray_nodes.answers(ray, task.node)
        ray.cancel(task.stream, force=True)
        return self._lost(task) if lost else self._over(task, reason)

    def _ended(self, task: _Task, error: Exception) -> Outcome:
        """Of a trial that ended without its record: an outcome, or _NodeLost."""
        ray = self._ray
        if isinstance(error, ray.exceptions.RayTaskError):
            reason = f"{type(error.cause).__name__}: {error.cause}" if error.cause else str(error).splitlines()[-1]
        elif isinstance(error, ray.exceptions.OutOfMemoryError):
            reason = "its process was ended by Ray, since its node ran out of memory: Out of memory"
        elif task.node is not None and ray_nodes.answers(ray, task.node):
            reason = "its process has crashed"
        else:
            return self._lost(task)
        return self._over(task, reason)

    def _lost(self, task: _Task) -> Outcome:
        """Of a trial whose node is gone: raises _NodeLost, unless that was one node too many."""
        key = task.turn.planned.key
        self._losses[key] = self._losses.get(key, 0) + 1
        if self._losses[key] <= MOST_LOSSES:
            raise _NodeLost("its node was lost; it goes on elsewhere")
        return self._over(task, f"{self._losses[key]} nodes were lost while they ran it")

    def _over(self, task: _Task, reason: str) -> Outcome:
        _log(task.turn, reason)
        return Outcome(task.turn, self._failed(task, reason), {}, task.follower)

    def _marked(self, record: Record, node: str | None) -> Record:
        """With how many trials its node has room for, which may have run beside it."""
        known = {one["NodeID"]: one["Resources"] for one in self._ray.nodes()}
        beside = ray_nodes.fit(known[node], *self._each) if known.get(node, {}).get("CPU") else 1
        if record.costs is None or beside == 1:
            return record
        return record.model_copy(update={"costs": record.costs.model_copy(update={"concurrent_trials": beside})})

    def _failed(self, task: _Task, reason: str) -> Record:
        machine = task.machine or describe_machine("none")
        return failed(task.turn, reason, task.started, machine, task.history)


class _NodeLost(Exception):
    """The machine that ran a trial is gone, which says nothing of the trial."""


def _in_memory(dataset: Dataset) -> Dataset:
    """With images as a plain array, which the object store shares between the processes of a node."""
    return replace(dataset, images=np.asarray(dataset.images))


def _log(turn: Turn, line: str) -> None:
    with suppress(OSError):  # a full disk ends the sweep where a record cannot be written, not here
        turn.log.parent.mkdir(parents=True, exist_ok=True)
        with turn.log.open("a") as file:
            file.write(f"{line}\n")
