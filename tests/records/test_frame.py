"""Records as a pandas frame."""

from pathlib import Path

import numpy as np
import pandas as pd
from sample_records import COSTS, make_epoch, make_predictions, make_record, make_trial

import fer_bench.records


def test_each_record_is_one_row_of_flat_columns(tmp_path):
    history = [make_epoch(1, 0.5), make_epoch(2, 0.75), make_epoch(3, 0.6)]
    trained = make_record(0, costs=COSTS, history=history, best_epoch=2, num_parameters=7)
    fer_bench.records.write(tmp_path, trained, make_predictions())
    fer_bench.records.write(tmp_path, make_record(1, status="failed", reason="no memory"), {})
    frame = fer_bench.records.load(tmp_path).to_frame().set_index("seed")
    finished, failed = frame.loc[0], frame.loc[1]
    expected = {"architecture": "cnn", "dataset": "made", "protocol": "official", "fold": 0, "status": "finished"}
    expected |= {"epochs": 3, "best_epoch": 2, "best_validation_accuracy": 0.75, "num_parameters": 7}
    expected |= {"train_seconds": 30, "wall_clock_seconds": 35, "images_per_second": 123.5, "key": make_trial(0).key}
    assert finished[list(expected)].to_dict() == expected
    assert Path(finished["path"]).parent == tmp_path / "records"
    assert np.isnan(finished["predict_images_per_second"])
    assert (failed["status"], failed["reason"], failed["epochs"]) == ("failed", "no memory", 0)
    assert np.isnan(failed["train_seconds"]) and failed["best_epoch"] is pd.NA


def test_targets_add_the_time_to_each(tmp_path):
    record = make_record(costs=COSTS, history=[make_epoch(1, 0.5), make_epoch(2, 0.75)])
    fer_bench.records.write(tmp_path, record, make_predictions())
    frame = fer_bench.records.load(tmp_path).to_frame(targets=[0.8, 0.7])
    assert list(frame)[-2:] == ["seconds_to_70", "seconds_to_80"]
    assert 0 < frame["seconds_to_70"][0] < frame["seconds_to_80"][0] == np.inf


def test_an_empty_frame_has_the_same_columns_and_types(tmp_path):
    empty = fer_bench.records.load(tmp_path).to_frame()
    fer_bench.records.write(tmp_path, make_record(costs=COSTS), make_predictions())
    full = fer_bench.records.load(tmp_path).to_frame()
    assert len(empty) == 0 and list(empty) == list(full)
    assert (empty[["train_seconds", "num_parameters"]].dtypes == full[["train_seconds", "num_parameters"]].dtypes).all()
    assert len(pd.concat([full, empty])) == 1
