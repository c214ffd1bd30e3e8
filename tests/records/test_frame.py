"""Records as a pandas frame."""

from pathlib import Path

import numpy as np
import pandas as pd
from test_store import make_predictions, make_record, make_trial

import fer_bench.records
from fer_bench.records.schema import Costs, Epoch

COSTS = Costs(
    build_seconds=1,
    compile_seconds=2,
    train_seconds=30,
    validation_seconds=5,
    images_per_second=123.5,
    predict_images_per_second=None,
    peak_memory_bytes=2**30,
)


def epoch(number: int, validation_accuracy: float) -> Epoch:
    return Epoch(
        epoch=number,
        learning_rate=0.1,
        loss=1,
        accuracy=0.9,
        validation_loss=1,
        validation_accuracy=validation_accuracy,
        train_seconds=15,
        validation_seconds=2.5,
    )


def test_each_record_is_one_row_of_flat_columns(tmp_path):
    trained = make_record(
        0, costs=COSTS, history=[epoch(1, 0.5), epoch(2, 0.75), epoch(3, 0.6)], best_epoch=2, num_parameters=7
    )
    fer_bench.records.write(tmp_path, trained, make_predictions())
    fer_bench.records.write(tmp_path, make_record(1, status="failed", reason="no memory"), {})
    frame = fer_bench.records.load(tmp_path).to_frame().set_index("seed")
    finished, failed = frame.loc[0], frame.loc[1]
    assert (finished["architecture"], finished["dataset"], finished["protocol"], finished["fold"]) == (
        "cnn",
        "made",
        "official",
        0,
    )
    assert (finished["status"], finished["epochs"], finished["best_epoch"], finished["best_validation_accuracy"]) == (
        "finished",
        3,
        2,
        0.75,
    )
    assert (finished["train_seconds"], finished["wall_clock_seconds"], finished["images_per_second"]) == (30, 35, 123.5)
    assert (finished["num_parameters"], finished["key"]) == (7, make_trial(0).key)
    assert Path(finished["path"]).parent == tmp_path / "records"
    assert np.isnan(finished["predict_images_per_second"])
    assert (failed["status"], failed["reason"], failed["epochs"]) == ("failed", "no memory", 0)
    assert np.isnan(failed["train_seconds"]) and failed["best_epoch"] is pd.NA


def test_an_empty_frame_has_the_same_columns_and_types(tmp_path):
    empty = fer_bench.records.load(tmp_path).to_frame()
    fer_bench.records.write(tmp_path, make_record(costs=COSTS), make_predictions())
    full = fer_bench.records.load(tmp_path).to_frame()
    assert len(empty) == 0 and list(empty) == list(full)
    assert (empty[["train_seconds", "num_parameters"]].dtypes == full[["train_seconds", "num_parameters"]].dtypes).all()
    assert len(pd.concat([full, empty])) == 1
