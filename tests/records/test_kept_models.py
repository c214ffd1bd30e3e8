"""Of the models of a row the best stays, whoever asks first, and those that others need."""

from __future__ import annotations

import pytest
from sample_records import make_predictions, make_record, make_trial

from fer_bench.records import load, write
from fer_bench.records.kept_models import describe_model, keep_for_pretraining, read_info, remove_surpassed


@pytest.fixture
def keep(tmp_path):
    """Write a record of a seed with a model that is kept as the best, and return the model's description."""

    def write_model(seed):
        record, predictions = make_record(seed), make_predictions(seed=7)  # all are equally good
        file = tmp_path / "trained"
        file.write_bytes(b"weights")
        info = describe_model(record, predictions, (48, 48), "best")
        write(tmp_path, record, predictions, file, info)
        return info

    return write_model


@pytest.mark.parametrize("first", [0, 1])
def test_two_sweeps_that_write_equal_models_at_once_leave_one(keep, tmp_path, first):
    infos = [keep(0), keep(1)]
    remove_surpassed(tmp_path, infos[first])
    remove_surpassed(tmp_path, infos[1 - first])
    (kept,) = [stored for stored in load(tmp_path) if stored.model_file]
    assert read_info(kept.path).key == max(infos, key=lambda info: info.order).key


def test_a_model_that_others_start_from_stays(keep, tmp_path):
    infos = sorted([keep(0), keep(1)], key=lambda info: info.order)
    keep_for_pretraining(tmp_path, make_trial(infos[0].seed))
    remove_surpassed(tmp_path, infos[1])
    assert sum(stored.model_file is not None for stored in load(tmp_path)) == 2
