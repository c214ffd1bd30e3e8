"""`--tracker tensorboard`: `tensorboard --logdir RESULTS/tensorboard` shows the trials beside each other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fer_bench.core.stderr import suppress_stderr
from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.records.store import folder_of
from fer_bench.sweep.tracking.tracker import CURVES, flat

with suppress_stderr():  # it imports TensorFlow where that is installed, which has much to say
    from tensorboard.compat import tf

    assert tf.io  # it is imported now, and not when it is first needed
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


def make(results: Path, experiment: str) -> Board:
    return Board(results)


class Board:
    """A folder of event files for each trial, named as its record's."""

    def __init__(self, results: Path) -> None:
        self._results = results

    def begins(self, trial: Trial) -> Run:
        return Run(self._results / FOLDER / folder_of(self._results, trial).name, trial)


class Run:
    """The event file of one trial."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        for before in folder.glob("events.*"):  # of the same trial, which begins again
            before.unlink()
        self._writer = EventFileWriter(str(folder))
        told = {name: getattr(trial, name) for name in IDENTITY} | flat(trial.recipe)
        simple = {
            key: value if isinstance(value, bool | int | float | str) else str(value) for key, value in told.items()
        }
        self._add(session_start_pb(simple))

    def on_epoch_end(self, epoch: Epoch) -> None:
        values = [Summary.Value(tag=name, simple_value=getattr(epoch, name)) for name in CURVES]
        self._add(Summary(value=values), epoch.epoch)

    def on_trial_end(self, record: Record | None) -> None:
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
        ours = Summary.FromString(summary.SerializeToString())  # where TensorFlow is, a plugin's are of its class
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=ours))
        self._writer.flush()
