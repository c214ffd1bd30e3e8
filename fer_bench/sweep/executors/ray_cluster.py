"""An executor that runs trials on a Ray cluster; the records stay on this machine.

The code is sent with the sweep, images once to each node, initial weights with the trials that need them; trained
models and checkpoints come back. Each trial asks Ray for its cores and GPUs. A trial whose process crashes has failed;
a trial whose node is lost resumes from its checkpoint on another node.
"""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.bundled import PACKAGE_DIR, bundled_dir
from fer_bench.core.errors import UserError
from fer_bench.core.files import write_atomically
from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.executors import ray_nodes
from fer_bench.sweep.executors.executor import (
    POLL_SECONDS,
    STALLED,
    TimeLimits,
    TrialResult,
    failed_record,
    with_concurrency,
)
from fer_bench.sweep.executors.ray_worker import FileContents, environment, stream_trial
from fer_bench.sweep.executors.worker import Event, format_epoch
from fer_bench.sweep.queue import TrialQueue
from fer_bench.training.callback import Callback
from fer_bench.training.checkpoint import from_bytes, to_bytes
from fer_bench.training.machine import describe_machine
from fer_bench.training.planned_trial import PlannedTrial

CODE = (PACKAGE_DIR, bundled_dir("architectures"), bundled_dir("experiments"))
MAX_NODE_LOSSES = 3  # per trial: it may be what ends them
HEAD_SECONDS = 30.0  # for the head node to accept a connection
ADVICE = "Records are kept. Once the cluster is back, the same command resumes."


@dataclass
class _Task:
    """A trial that was submitted to Ray, and what is known of it."""

    planned: PlannedTrial
    stream: Any  # yields references to events
    started_at: str
    node: str | None = None  # None until it starts there
    ready: bool = False  # whether Keras has started there
    started: float = 0.0
    last_event: float = 0.0
    machine: dict[str, Any] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)


class RayExecutor:
    """Runs trials on a Ray cluster; see `Executor`.

    Args:
        address: Address of the cluster, as `ray.init` takes it; None starts a cluster on this machine.
        cores: Cores per trial; see `ray_nodes.resources_per_trial`.
        devices: GPUs per trial.
        limits: Time limits per trial.
    """

    def __init__(self, address: str | None, cores: int | None, devices: int, limits: TimeLimits) -> None:
        self._address, self._cores, self._devices, self._limits = address, cores, devices, limits
        self._node_losses: Counter[str] = Counter()  # by key
        self._stored: dict[Any, Any] = {}  # references to objects in Ray's object store

    def start(self) -> None:
        """Connect to the cluster. Raises UserError if that fails."""
        if self._address and self._address.startswith("ray://"):
            raise UserError("--ray-address does not take ray:// addresses. Run the sweep on a node, with 'auto'.")
        if self._address and ":" in self._address and not ray_nodes.is_listening(self._address):
            raise UserError(f"No Ray cluster answers at {self._address}.")  # Ray would try for minutes
        if self._address is None:
            # Without this, Ray replaces the loopback address and listens on all addresses of the machine.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        try:
            import ray
        except ImportError:
            raise UserError("--executor ray needs Ray: pip install 'fer-bench[ray]'.") from None
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        where = {"address": self._address} if self._address else {"address": "local", "_node_ip_address": "127.0.0.1"}
        with tempfile.TemporaryDirectory(prefix="fer-bench-") as code:
            for folder in (folder for folder in CODE if folder.parent == PACKAGE_DIR.parent):  # others are inside it
                shutil.copytree(folder, Path(code) / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
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
        for number, handler in handlers.items():  # Ray has replaced them
            with suppress(ValueError, TypeError):  # not in the main thread, where Ray replaces none either
                signal.signal(number, handler)
        self._ray = ray
        self._head = ray.get_runtime_context().gcs_address
        self._per_trial = ray_nodes.resources_per_trial(ray_nodes.alive_nodes(ray), self._cores, self._devices)
        if self._devices > 1 and not self._per_trial[1]:
            raise UserError(f"--devices-per-trial {self._devices}: no node of the cluster has that many GPUs.")
        if not self.capacity:
            raise UserError(f"--cpus-per-trial {self._per_trial[0]}: no node of the cluster has that many cores.")

    def stop(self) -> None:
        """Disconnect from the cluster."""
        self._stored.clear()
        self._ray.shutdown()

    def __call__(self, queue: TrialQueue, callback: Callback) -> Generator[TrialResult, None, None]:
        tasks: list[_Task] = []
        try:
            remote = self._remote_function()
            while queue.has_pending() or tasks:
                self._wait_for_head(callback)
                while len(tasks) < self.capacity and (planned := queue.pop_ready()) is not None:
                    tasks.append(self._submit(remote, planned))
                    callback.on_trial_begin(planned)
                if tasks:
                    self._ray.wait([task.stream for task in tasks], num_returns=1, timeout=POLL_SECONDS)
                else:
                    time.sleep(POLL_SECONDS)
                callback.on_poll()
                for task in list(tasks):
                    try:
                        result = self._poll(task, callback)
                    except _NodeLost as lost:
                        tasks.remove(task)
                        callback.on_trial_end(task.planned, self._failed_record(task, str(lost)))
                        queue.requeue(task.planned)
                        continue
                    if result is not None:
                        tasks.remove(task)
                        yield result
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            message = str(error).partition("\n")[0]
            raise UserError(f"The Ray cluster no longer answers: {message}. {ADVICE}") from None
        finally:
            for task in tasks:
                with suppress(Exception):
                    self._ray.cancel(task.stream, force=True)
            self.stop()

    @property
    def capacity(self) -> int:
        """Number of concurrent trials on the nodes that are alive now."""
        return sum(ray_nodes.trials_per_node(node, *self._per_trial) for node in ray_nodes.alive_nodes(self._ray))

    @property
    def trials_per_node(self) -> int:
        """Number of concurrent trials that share the cores of one node; 1 if each trial has GPUs of its own."""
        if self._per_trial[1]:
            return 1
        nodes = ray_nodes.alive_nodes(self._ray)
        return max((ray_nodes.trials_per_node(node, *self._per_trial) for node in nodes), default=1)

    def _remote_function(self) -> Any:
        cores, devices = self._per_trial
        variables = {"env_vars": environment(cores)}
        return self._ray.remote(num_cpus=cores, num_gpus=devices, max_retries=0, runtime_env=variables)(stream_trial)

    def _wait_for_head(self, callback: Callback) -> None:
        """Raise UserError if the head node accepts no connection; a minute later Ray would end this program."""
        deadline = time.monotonic() + HEAD_SECONDS
        while not ray_nodes.is_listening(self._head):
            if time.monotonic() > deadline:
                raise UserError(f"The head node of the Ray cluster, {self._head}, no longer answers. {ADVICE}")
            callback.on_poll()
            time.sleep(POLL_SECONDS)

    def _submit(self, remote: Any, planned: PlannedTrial) -> _Task:
        # Other nodes cannot read the files of this machine, so their contents are sent.
        dataset, weights_file = planned.dataset, planned.weights_file
        images = self._store(id(dataset), lambda: np.asarray(dataset.images))  # shared by the processes of a node
        weights = self._store(weights_file, weights_file.read_bytes) if weights_file else None
        start = planned.pretrained_file if planned.pretrained_file and planned.pretrained_file.is_file() else None
        pretrained = self._store((planned.required_key, start), start.read_bytes) if start else None
        files = FileContents(
            source=None if any(map(planned.source_file.is_relative_to, CODE)) else planned.source_file.read_bytes(),
            checkpoint=to_bytes(planned.checkpoint_dir) if planned.checkpoint_dir else None,
        )
        started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        _log(planned, f"{started_at} {planned.trial}, {planned.trial.recipe_name}")
        without_images = replace(planned, dataset=replace(dataset, images=dataset.images[:0]))
        stream = remote.remote(without_images, images, weights, pretrained, files, self._per_trial[1] > 1)
        now = time.monotonic()
        return _Task(planned, stream, started_at, started=now, last_event=now)

    def _store(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return a reference to an object that is put into the object store once."""
        if key not in self._stored:
            self._stored[key] = self._ray.put(make())
        return self._stored[key]

    def _poll(self, task: _Task, callback: Callback) -> TrialResult | None:
        """Pass the events of a trial on. Return its result if it has ended. Raises _NodeLost."""
        ray = self._ray
        while ray.wait([task.stream], timeout=0)[0]:
            try:
                event: Event = ray.get(next(task.stream))
            except (ray.exceptions.RayError, StopIteration) as error:
                return self._on_stream_error(task, error)
            task.last_event = time.monotonic()
            match event.kind:
                case "node":
                    (task.node,), task.started = event.payload, task.last_event
                case "machine":
                    (task.machine,) = event.payload
                    task.ready, task.started = True, task.last_event
                case "log":
                    _log(task.planned, event.payload[0])
                case "checkpoint":
                    if task.planned.checkpoint_dir:
                        from_bytes(event.payload[0], task.planned.checkpoint_dir)
                case "step":
                    callback.on_step_end(task.planned, *event.payload)
                case "epoch":
                    (epoch,) = event.payload
                    task.history.append(epoch)
                    _log(task.planned, format_epoch(epoch, task.planned))
                    callback.on_epoch_end(task.planned, epoch)
                case "end":
                    return self._finish(task, *event.payload)
        if task.node is None:  # it waits for its cores
            return None
        reason = self._limits.exceeded(task.ready, task.started, task.last_event)
        if reason is None:
            return None
        node_lost = reason.startswith(STALLED) and not ray_nodes.is_responsive(ray, task.node)
        ray.cancel(task.stream, force=True)
        return self._on_node_lost(task) if node_lost else self._fail(task, reason)

    def _finish(self, task: _Task, record: Record, predictions: dict, model: bytes | None) -> TrialResult:
        planned = task.planned
        if model is not None and planned.model_file is not None:
            try:
                write_atomically(planned.model_file, model)
            except OSError as error:  # a full disk costs the model, not the record
                _log(planned, f"the model is not kept: {error}")
        _log(planned, f"{record.status} {record.reason}".rstrip())
        nodes = {node["NodeID"]: node["Resources"] for node in self._ray.nodes()}
        resources = nodes.get(task.node, {})
        concurrency = ray_nodes.trials_per_node(resources, *self._per_trial) if resources.get("CPU") else 1
        return TrialResult(planned, with_concurrency(record, concurrency), predictions)

    def _on_stream_error(self, task: _Task, error: Exception) -> TrialResult:
        """Handle a trial that ended without a record. Raises _NodeLost."""
        ray = self._ray
        if isinstance(error, ray.exceptions.RayTaskError):
            reason = f"{type(error.cause).__name__}: {error.cause}" if error.cause else str(error).splitlines()[-1]
        elif isinstance(error, ray.exceptions.OutOfMemoryError):
            reason = "its process was ended by Ray because its node ran out of memory: Out of memory"
        elif task.node is not None and ray_nodes.is_responsive(ray, task.node):
            reason = "its process has crashed"
        else:
            return self._on_node_lost(task)
        return self._fail(task, reason)

    def _on_node_lost(self, task: _Task) -> TrialResult:
        """Raise _NodeLost, unless the trial has lost too many nodes."""
        self._node_losses[task.planned.key] += 1
        losses = self._node_losses[task.planned.key]
        if losses <= MAX_NODE_LOSSES:
            raise _NodeLost("its node was lost; it resumes on another")
        return self._fail(task, f"{losses} nodes were lost while they ran it")

    def _fail(self, task: _Task, reason: str) -> TrialResult:
        _log(task.planned, reason)
        return TrialResult(task.planned, self._failed_record(task, reason), {})

    def _failed_record(self, task: _Task, reason: str) -> Record:
        machine = task.machine or describe_machine("none")
        return failed_record(task.planned, reason, task.started_at, machine, task.history)


class _NodeLost(Exception):
    """The node of a trial is lost, which is no fault of the trial."""


def _log(planned: PlannedTrial, line: str) -> None:
    if planned.log_file is None:
        return
    with suppress(OSError):  # a full disk ends the sweep when a record cannot be written, not here
        planned.log_file.parent.mkdir(parents=True, exist_ok=True)
        with planned.log_file.open("a") as file:
            file.write(f"{line}\n")
