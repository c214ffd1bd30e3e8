"""What runs on a node of a Ray cluster: one trial, as a stream of its events."""

from __future__ import annotations

import logging
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer_bench.core.backend import ONEDNN_VARIABLE
from fer_bench.sweep.executors.worker import Event, run_in_worker
from fer_bench.training import checkpoint
from fer_bench.training.planned_trial import PlannedTrial

CHECKPOINT_SECONDS = "120"  # of training between two checkpoints, which are sent over the network
# Variables that a node takes over from the sweep, and those that set the number of threads.
PASSED_ON = ("KERAS_BACKEND", ONEDNN_VARIABLE, checkpoint.INTERVAL_VARIABLE, "JAX_PLATFORMS", "XLA_FLAGS")
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class FileContents:
    """The content of a trial's files, which other nodes cannot read; None for files that they have or do not need."""

    source: bytes | None = None
    checkpoint: bytes | None = None


def environment(cores: int) -> dict[str, str]:
    """Return the environment variables of a process that runs trials on so many cores of a node."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    threads = {"TF_CPP_MIN_LOG_LEVEL": "3"} | dict.fromkeys(THREADS, str(cores))
    return {checkpoint.INTERVAL_VARIABLE: CHECKPOINT_SECONDS} | passed_on | threads


def stream_trial(
    planned: PlannedTrial,
    images: np.ndarray,
    weights: bytes | None,
    pretrained: bytes | None,
    files: FileContents,
    share_devices: bool,
) -> Iterator[Event]:
    """Run a trial in a thread and yield its events.

    Args:
        planned: The trial, without its images.
        images: The images of its dataset, from the object store.
        weights: Content of the initial weights, from the object store.
        pretrained: Content of the model that it starts from, from the object store.
        files: Content of its other files.
        share_devices: Whether all GPUs of the task share the batches.
    """
    import ray

    yield Event("node", (ray.get_runtime_context().get_node_id(),))
    events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()

    def work(folder: Path) -> None:
        handler = _LogSender(events.put)
        logging.getLogger("fer_bench").addHandler(handler)
        try:
            local = replace(
                planned,
                dataset=replace(planned.dataset, images=images),
                source_file=_write(files.source, planned.source_file, folder) or planned.source_file,
                weights_file=_write(weights, planned.weights_file, folder),
                pretrained_file=_write(pretrained, planned.pretrained_file, folder / "pretrained"),
                model_file=folder / "model.keras" if planned.model_file else None,
                checkpoint_dir=folder,
            )
            if share_devices:
                from fer_bench.training import devices

                devices.enable_data_parallel()
            record, predictions = run_in_worker(local, events.put)
            model = local.model_file
            events.put(Event("end", (record, predictions, model.read_bytes() if model and model.is_file() else None)))
        except BaseException as error:
            events.put(error)
        finally:
            logging.getLogger("fer_bench").removeHandler(handler)

    with tempfile.TemporaryDirectory(prefix="fer-bench-") as name:
        folder = Path(name)
        if files.checkpoint is not None:
            checkpoint.from_bytes(files.checkpoint, folder)
        sent = checkpoint.modified_at(folder)
        threading.Thread(target=work, args=(folder,), daemon=True).start()
        while True:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if event.kind == "epoch" and (modified := checkpoint.modified_at(folder)) != sent:
                sent = modified
                yield Event("checkpoint", (checkpoint.to_bytes(folder),))
            if event.kind == "end":
                return


class _LogSender(logging.Handler):
    """Sends log messages to the node that keeps the trial's log."""

    def __init__(self, send: Callable[[Event], object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send(Event("log", (self.format(record),)))


def _write(content: bytes | None, original: Path | None, folder: Path) -> Path | None:
    """Write a file that was sent into a folder of the node; without content, return the original path."""
    if content is None or original is None:
        return original
    folder.mkdir(exist_ok=True)
    file = folder / original.name
    file.write_bytes(content)
    return file
