"""What a node of a Ray cluster does: a trial, telling of it as it goes."""

from __future__ import annotations

import logging
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fer_bench.datasets.dataset import Dataset
from fer_bench.sweep.executors.worker import Event, Job, run
from fer_bench.training import checkpoint

SENT_SECONDS = "120"  # of training between two checkpoints, which travel
# Variables that a node takes over from the sweep, and those that say how many threads there are to be.
PASSED_ON = ("KERAS_BACKEND", checkpoint.SECONDS, "JAX_PLATFORMS", "XLA_FLAGS")
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def environment(cores: int) -> dict[str, str]:
    """Variables of a process that runs trials on a node, which gives it so many cores."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    given = {"TF_CPP_MIN_LOG_LEVEL": "3"} | dict.fromkeys(THREADS, str(cores))
    return {checkpoint.SECONDS: SENT_SECONDS} | passed_on | given


def stream_trial(
    job: Job, dataset: Dataset, source: bytes | None, weights: bytes | None, saved: bytes | None, share: bool
) -> Iterator[Event]:
    """On a node: the events of a trial, which runs in a thread beside; with `share` on all GPUs that it was given.

    source, weights, saved: what the node may not have of the job's files, which are the architecture's, initial
    weights, and the checkpoint that it goes on from.
    """
    import ray

    yield Event("node", (ray.get_runtime_context().get_node_id(),))
    events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()

    def work(folder: Path) -> None:
        handler = _Sending(events.put)
        logging.getLogger("fer_bench").addHandler(handler)
        try:
            file = folder / "model.keras" if job.model_file else None
            taken = replace(
                job,
                source=_put(source, job.source, folder),
                weights_file=_put(weights, job.weights_file, folder),
                model_file=file,
                checkpoint=folder,
            )
            if share:
                from fer_bench.training import devices

                devices.share_batches()
            record, predictions = run(taken, dataset, events.put)
            model = file.read_bytes() if file is not None and file.is_file() else None
            events.put(Event("end", (record, predictions, model)))
        except BaseException as error:
            events.put(error)
        finally:
            logging.getLogger("fer_bench").removeHandler(handler)

    with tempfile.TemporaryDirectory(prefix="fer-bench-") as name:
        folder = Path(name)
        if saved is not None:
            checkpoint.unpack(saved, folder)
        sent = checkpoint.written(folder)
        threading.Thread(target=work, args=(folder,), daemon=True).start()
        while True:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if event.kind == "epoch" and (now := checkpoint.written(folder)) != sent:
                sent = now
                yield Event("checkpoint", (checkpoint.packed(folder),))
            if event.kind == "end":
                return


class _Sending(logging.Handler):
    """Sends what is logged to where the log of the trial is kept."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send(Event("log", (self.format(record),)))


def _put(content: bytes | None, known_as: Path | None, folder: Path) -> Path | None:
    """A file under its own name in a folder of the node; where nothing was sent, the file as it is known."""
    if content is None or known_as is None:
        return known_as
    file = folder / known_as.name
    file.write_bytes(content)
    return file
