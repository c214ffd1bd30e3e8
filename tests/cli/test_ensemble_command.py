"""`ensemble`: from recorded trials to a row of the leaderboard, without Keras."""

import pytest
from made_up_records import RecordMaker

from fer_bench.core.errors import UserError


@pytest.fixture
def results(tmp_path):
    make = RecordMaker(tmp_path / "results")
    for seed in range(2):
        for model in ("cnn", "vgg16"):
            make(model, seed, samples=60)
    return make.results


def test_members_are_printed_with_their_weights(run, results):
    output = run("ensemble", "--members", "cnn,vgg16", "--results-dir", results)
    assert "Seed 1: cnn (default) 50.0 %, vgg16 (default) 50.0 %" in output
    assert "Written: 2 records of 'vote of cnn + vgg16'" in output
    assert "the best member alone" in output


def test_incomplete_seeds_and_unreadable_records_are_named(run, results):
    RecordMaker(results)("cnn", 2, samples=60)
    (results / "records" / "notes.txt").write_text("mine")
    output = run("ensemble", "--greedy-size", "2", "--results-dir", results)
    assert "seed 2 fold 0" in output and "notes.txt:" in output


def test_members_or_a_greedy_size_are_required(run, results):
    with pytest.raises(UserError, match="--greedy-size"):
        run("ensemble", "--results-dir", results)


def test_it_does_not_import_keras(imported_backends, results):
    assert not imported_backends("ensemble", "--greedy-size", 2, "--weighted", "--results-dir", results)
