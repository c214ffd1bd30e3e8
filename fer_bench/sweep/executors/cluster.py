"""Trials on a Ray cluster: the same plan on as many machines as there are, with the records here.

The code travels with the sweep, the images once to each node, weights with the trials that begin from them, and
trained models back. A trial asks Ray for its cores and GPUs. One whose process crashes has failed; one whose node is
lost begins again on another.
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

from fer_bench.architecture import ARCHITECTURES
from fer_bench.datasets.dataset import Dataset
from fer_bench.errors import UserError
from fer_bench.sweep.executors.executor import POLL_SECONDS, Follow, Follower, Outcome, failed
from fer_bench.sweep.executors.handle import Limits
from fer_bench.sweep.executors.on_node import stream_trial
from fer_bench.sweep.executors.worker import Event, Job, epoch_line
from fer_bench.sweep.turns import Turn, Turns
from fer_bench.training.machine import describe_machine
from fer_bench.trial import Epoch, Record

ROOT = Path(__file__).resolve().parents[3]  # of a checkout, or site-packages
CODE = ("fer_bench", "architectures", "experiments")
MOST_LOSSES = 3  # nodes that a trial may lose: it may be what takes them down
PROBE_SECONDS = 60.0  # for a node to answer
PASSED_ON = ("KERAS_BACKEND", "FER_BENCH_CHECKPOINT_SECONDS", "JAX_PLATFORMS", "XLA_FLAGS")


@dataclass
class _Task:
    """A trial that Ray has been given, and what it has told."""

    turn: Turn
    follower: Follower
    stream: Any  # of references to events
    started: str
    node: str | None = None  # where it runs, once it does
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

    def start(self) -> int:
        """Connect to the cluster; how many trials it has room for. UserError where there is none."""
        try:
            import ray
        except ImportError:
            raise UserError("--executor ray needs Ray: pip install 'fer-bench[ray]'.") from None
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # Without an address nothing is to listen but on this machine.
        where = {"address": self._address} if self._address else {"_node_ip_address": "127.0.0.1"}
        with tempfile.TemporaryDirectory(prefix="fer-bench-") as code:
            for name in CODE:
                shutil.copytree(ROOT / name, Path(code) / name, ignore=shutil.ignore_patterns("__pycache__"))
            try:
                ray.init(
                    **where,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="warning",
                    runtime_env={"working_dir": code},
                )
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise UserError(f"No Ray cluster answers at {self._address or 'this machine'}: {error}") from None
        for number, handler in before.items():  # Ray has put its own there
            with suppress(ValueError, TypeError):  # not in a thread, where Ray has put none either
                signal.signal(number, handler)
        self._ray = ray
        self._each = _share(_alive(ray), self._cores, self._devices)
        return self._room()

    def stop(self) -> None:
        self._shared.clear()
        self._ray.shutdown()

    def __call__(self, turns: Turns, follow: Follow) -> Iterator[Outcome]:
        tasks: list[_Task] = []
        try:
            stream = self._remote()
            while turns or tasks:
                while len(tasks) < self._room() and (turn := turns.take()) is not None:
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
                        task.follower.ends(self._failed(task, str(lost)))
                        turns.again(task.turn)
                        continue
                    if ended is not None:
                        tasks.remove(task)
                        yield ended
        finally:
            for task in tasks:
                with suppress(Exception):
                    self._ray.cancel(task.stream, force=True)
            self.stop()

    def _remote(self):
        """The function that runs a trial on a node."""
        cores, devices = self._each
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables |= {"TF_CPP_MIN_LOG_LEVEL": "3"} | dict.fromkeys(THREADS, str(cores))
        environment = {"env_vars": variables}
        return self._ray.remote(num_cpus=cores, num_gpus=devices, max_retries=0, runtime_env=environment)(stream_trial)

    def _room(self) -> int:
        """How many trials there is room for on the nodes that are there now."""
        return sum(_fit(node, *self._each) for node in _alive(self._ray))

    def _begun(self, stream, turn: Turn, follow: Follow) -> _Task:
        planned = turn.planned
        job = Job(
            planned.trial,
            ARCHITECTURES.get(planned.trial.architecture).file,
            0,
            planned.fold,
            planned.weights_file,
            turn.model_file,
            None,  # other nodes do not see this one's files
            turn.accumulate,
            turn.log,
        )
        dataset = self._put(id(planned.dataset), lambda: _in_memory(planned.dataset))
        weights = None
        if planned.weights_file is not None:
            weights = self._put(planned.weights_file, planned.weights_file.read_bytes)
        now = time.monotonic()
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        turn.log.parent.mkdir(parents=True, exist_ok=True)
        _log(turn, f"{started} {planned.trial}, {planned.trial.recipe_name}")
        return _Task(
            turn, follow(turn), stream.remote(job, dataset, weights, self._each[1] > 1), started, began=now, heard=now
        )

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
                case "step":
                    task.follower.step(*event.told)
                case "epoch":
                    epoch, epochs = event.told
                    task.history.append(epoch)
                    _log(task.turn, epoch_line(epoch, epochs))
                    task.follower.epoch(epoch, epochs)
                case "end":
                    record, predictions, model = event.told
                    if model is not None and task.turn.model_file is not None:
                        task.turn.model_file.parent.mkdir(parents=True, exist_ok=True)
                        task.turn.model_file.write_bytes(model)
                    _log(task.turn, f"{record.status} {record.reason}".rstrip())
                    return Outcome(task.turn, self._marked(record, task.node), predictions, task.follower)
        now = time.monotonic()
        if task.node is None:  # it waits for its cores
            return None
        if self._limits.trial is not None and now - task.began > self._limits.trial:
            reason = f"it took longer than the {self._limits.trial:g} s of --trial-timeout"
        elif self._limits.silence is not None and now - task.heard > self._limits.silence:
            if not _answers(ray, task.node):
                raise _NodeLost("its node no longer answers; it begins again")
            reason = f"it hung: no step in the {self._limits.silence:g} s of --hang-timeout"
        else:
            return None
        ray.cancel(task.stream, force=True)
        return Outcome(task.turn, self._failed(task, reason), {}, task.follower)

    def _ended(self, task: _Task, error: Exception) -> Outcome:
        """Of a trial that ended without its record: an outcome, or _NodeLost."""
        ray = self._ray
        if isinstance(error, ray.exceptions.RayTaskError):
            reason = f"{type(error.cause).__name__}: {error.cause}" if error.cause else str(error).splitlines()[-1]
        elif isinstance(error, ray.exceptions.OutOfMemoryError):
            reason = "its process was ended by Ray, since its node ran out of memory: Out of memory"
        elif task.node is not None and _answers(ray, task.node):
            reason = "its process has crashed"
        else:
            key = task.turn.planned.key
            self._losses[key] = self._losses.get(key, 0) + 1
            if self._losses[key] <= MOST_LOSSES:
                raise _NodeLost("its node was lost; it begins again")
            reason = f"{self._losses[key]} nodes were lost while they ran it"
        _log(task.turn, reason)
        return Outcome(task.turn, self._failed(task, reason), {}, task.follower)

    def _marked(self, record: Record, node: str | None) -> Record:
        """With how many trials its node has room for, which may have run beside it."""
        known = {one["NodeID"]: one["Resources"] for one in self._ray.nodes()}
        beside = _fit(known[node], *self._each) if known.get(node, {}).get("CPU") else 1
        if record.costs is None or beside == 1:
            return record
        return record.model_copy(update={"costs": record.costs.model_copy(update={"beside": beside})})

    def _failed(self, task: _Task, reason: str) -> Record:
        machine = task.machine or describe_machine("none")
        return failed(task.turn, reason, task.started, machine, task.history)


class _NodeLost(Exception):
    """The machine that ran a trial is gone, which says nothing of the trial."""


# How TensorFlow, BLAS and OpenMP are told how many threads to take.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def _in_memory(dataset: Dataset) -> Dataset:
    """With images as a plain array, which the object store shares between the processes of a node."""
    return replace(dataset, images=np.asarray(dataset.images))


def _alive(ray) -> list[dict[str, float]]:
    """The resources of each node that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _share(nodes: list[dict[str, float]], cores: int | None, devices: int) -> tuple[int, int]:
    """Cores and GPUs of a trial; nodes with GPUs decide where there are any."""
    with_devices = [node for node in nodes if node.get("GPU", 0) >= devices]
    if cores is None and with_devices:
        cores = min(int(node["CPU"] * devices / node["GPU"]) for node in with_devices)
    elif cores is None:
        cores = min(int(node["CPU"]) for node in nodes)
    return max(1, cores), devices if with_devices else 0


def _fit(node: dict[str, float], cores: int, devices: int) -> int:
    """How many trials a node has room for."""
    by_cores = int(node["CPU"] // cores)
    return min(by_cores, int(node.get("GPU", 0) // devices)) if devices else by_cores


def _answers(ray, node: str) -> bool:
    """Whether a node still does what it is asked."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    asked = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(lambda: True).remote()
    try:
        return bool(ray.get(asked, timeout=PROBE_SECONDS))
    except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
        return False


def _log(turn: Turn, line: str) -> None:
    with turn.log.open("a") as file:
        file.write(f"{line}\n")
