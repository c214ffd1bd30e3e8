"""`--tracker tensorboard`: event files, one folder per trial; `tensorboard --logdir RESULTS/tensorboard` shows them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fer_bench.core.stderr import suppress_stderr
from fer_bench.core.text import flatten
from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.records.store import record_dir
from fer_bench.sweep.tracking.tracker import CURVES

with suppress_stderr():  # it imports TensorFlow if that is installed, which logs its start-up
    from tensorboard.compat import tf

    assert tf.io  # imports it now, not when it is first needed
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.summary import session_end_pb, session_start_pb
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

FOLDER = "tensorboard"
IDENTITY = ("architecture", "dataset", "protocol", "fold", "recipe_name", "initial_weights", "seed", "backend")


def create(results: Path, experiment: str) -> TensorBoardTracker:
    """Return the tracker of a results folder; see `create_tracker`."""
    return TensorBoardTracker(results)


class TensorBoardTracker:
    """Writes one folder of event files per trial, with the name of its record."""

    def __init__(self, results: Path) -> None:
        self._results = results

    def start_run(self, trial: Trial) -> TensorBoardRun:
        return TensorBoardRun(self._results / FOLDER / record_dir(self._results, trial).name, trial)


class TensorBoardRun:
    """The event file of one trial."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        for before in folder.glob("events.*"):  # of an earlier run of the same trial
            before.unlink()
        self._writer = EventFileWriter(str(folder))
        settings = {name: getattr(trial, name) for name in IDENTITY} | flatten(trial.recipe)
        scalars = (bool, int, float, str)
        simple = {key: value if isinstance(value, scalars) else str(value) for key, value in settings.items()}
        self._add(session_start_pb(simple))

    def log_epoch(self, epoch: Epoch) -> None:
        values = [Summary.Value(tag=name, simple_value=getattr(epoch, name)) for name in CURVES]
        self._add(Summary(value=values), epoch.epoch)

    def end(self, record: Record | None) -> None:
        if record is not None:
            text = "    " + record.model_dump_json(indent=1, exclude={"history"}).replace("\n", "\n    ")
            shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
            tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=shape)
            metadata = create_summary_metadata(display_name="record", description="")
            self._add(Summary(value=[Summary.Value(tag="record", tensor=tensor, metadata=metadata)]))
        finished = record is not None and record.status == "finished"
        self._add(session_end_pb(STATUS_SUCCESS if finished else STATUS_FAILURE))
        self._writer.close()

    def _add(self, summary: Any, step: int = 0) -> None:
        # With TensorFlow installed, a plugin's summaries are of TensorFlow's class.
        ours = Summary.FromString(summary.SerializeToString())
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=ours))
        self._writer.flush()
