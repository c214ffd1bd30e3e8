"""Records are whole or not there, whoever is killed when; what cannot be read is named."""

import gc
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_bench.records import load, store, write, writing
from fer_bench.records.schema import Predictions, Record, Trial


def make_trial(seed: int = 0) -> Trial:
    return Trial(
        architecture="cnn",
        source_digest="a" * 64,
        dataset="made",
        fingerprint="b" * 64,
        protocol="official",
        fold=0,
        recipe_name="default",
        recipe={"epochs": 1, "precision": "float32"},
        initial_weights="random",
        seed=seed,
        backend="tensorflow",
        procedure_version=2,
    )


def make_record(seed: int = 0, **changes) -> Record:
    known = {"trial": make_trial(seed), "status": "finished", "started": "2025-01-01T00:00:00+00:00"}
    known |= {"machine": {"cores": 2}, "classes": ["no", "yes"], "samples": {"training": 2}}
    return Record(**{**known, **changes})


def make_predictions(count: int = 5, seed: int = 0) -> dict[str, Predictions]:
    rng = np.random.default_rng(seed)
    share = rng.random((count, 1), np.float32)
    one = Predictions(
        ids=np.array([f"made-{i}" for i in range(count)]),
        labels=rng.integers(0, 2, count),
        probabilities=np.concatenate([share, 1 - share], axis=1),
    )
    return {"validation": one, "test": Predictions(one.ids[::-1], one.labels[::-1], one.probabilities[::-1])}


def test_a_record_and_its_predictions_come_back_as_they_were(tmp_path):
    record, predictions = make_record(), make_predictions()
    path = write(tmp_path, record, predictions)
    assert path.parent == tmp_path / "records"
    assert path.name == f"cnn-made-s0-{record.trial.key[:16]}"
    (stored,) = load(tmp_path)
    assert stored.record == record and stored.path == path
    for part, expected in predictions.items():
        read = stored.predictions(part)
        for column in ("ids", "labels", "probabilities"):
            np.testing.assert_array_equal(getattr(read, column), getattr(expected, column))
            assert getattr(read, column).dtype == getattr(expected, column).dtype


def test_which_test_samples_are_clean_and_what_is_remarkable_come_back(tmp_path):
    predictions = make_predictions()
    clean = np.array([True, False, True, True, False])
    write(tmp_path, make_record(remarks=["leaky"]), predictions | {"test": replace(predictions["test"], clean=clean)})
    (stored,) = load(tmp_path)
    np.testing.assert_array_equal(stored.predictions("test").no_duplicate, clean)
    assert stored.predictions("validation").no_duplicate is None
    assert stored.record.split_notes == ["leaky"]


def test_whose_images_they_are_comes_back_where_it_is_known(tmp_path):
    predictions = make_predictions()
    persons = np.array(["S1", "S1", "S22", "S3", "S3"])
    write(tmp_path, make_record(), predictions | {"test": replace(predictions["test"], groups=persons)})
    (stored,) = load(tmp_path)
    np.testing.assert_array_equal(stored.predictions("test").groups, persons)
    assert stored.predictions("validation").groups is None
    assert stored.arrays("test_groups", "validation_groups", "other").keys() == {"test_groups"}


def test_a_folder_has_no_sign_that_a_file_system_refuses(tmp_path):
    trial = make_trial().model_copy(update={"dataset": "fer2013->jaffe"})
    path = write(tmp_path, make_record(trial=trial), make_predictions())
    assert path.name.startswith("cnn-fer2013-to-jaffe-s0-")
    assert load(tmp_path).stored[trial.key].record.trial == trial


def test_a_failed_trial_needs_no_predictions(tmp_path):
    path = write(tmp_path, make_record(status="failed", reason="no memory"), {})
    (stored,) = load(tmp_path)
    assert stored.record.reason == "no memory"
    assert [file.name for file in path.iterdir()] == ["record.json"]


def test_a_part_that_was_not_predicted_is_a_key_error(tmp_path):
    write(tmp_path, make_record(), {"test": make_predictions()["test"]})
    (stored,) = load(tmp_path)
    with pytest.raises(KeyError):
        stored.predictions("validation")


def test_writing_again_replaces_all_of_the_earlier_record(tmp_path):
    write(tmp_path, make_record(), make_predictions(seed=1))
    write(tmp_path, make_record(num_parameters=7), {"test": make_predictions(seed=2)["test"]})
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 7
    expected = make_predictions(seed=2)["test"].probabilities
    np.testing.assert_array_equal(stored.predictions("test").probabilities, expected)
    assert {path.name for path in (tmp_path / "records").rglob("*")} == {
        stored.path.name,
        "record.json",
        "predictions.npz",
    }
    write(tmp_path, make_record(status="failed", reason="no memory"), {})
    assert not (stored.path / "predictions.npz").exists()


def test_a_kept_model_lies_beside_its_record_until_that_is_replaced(tmp_path):
    file = tmp_path / "trained"
    file.write_bytes(b"weights")
    write(tmp_path, make_record(), make_predictions(), file)
    (stored,) = load(tmp_path)
    assert stored.model_file == stored.path / "model.keras" and stored.model_file.read_bytes() == b"weights"
    assert not file.exists()
    write(tmp_path, make_record(), make_predictions())  # a model of other weights than the record's would be worse
    (stored,) = load(tmp_path)
    assert stored.model_file is None


def test_a_write_that_fails_leaves_the_earlier_record(tmp_path, monkeypatch):
    write(tmp_path, make_record(num_parameters=1), make_predictions())

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, make_record(num_parameters=2), make_predictions())
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 1
    assert [path.name for path in (tmp_path / "records").iterdir()] == [stored.path.name]


def test_an_interrupt_while_a_record_is_replaced_loses_none(tmp_path, monkeypatch):
    write(tmp_path, make_record(num_parameters=1), make_predictions())
    usual, calls = Path.rename, []

    def interrupted(path, target):
        calls.append(path)
        if len(calls) == 2:  # the earlier record has been taken away
            raise KeyboardInterrupt
        return usual(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, make_record(num_parameters=2), make_predictions())
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 2 and stored.predictions("test")
    assert [path.name for path in (tmp_path / "records").iterdir()] == [stored.path.name]


def test_a_writer_that_was_killed_while_it_replaced_a_record_has_lost_none(tmp_path):
    final = write(tmp_path, make_record(num_parameters=1), make_predictions())
    new = write(tmp_path / "new", make_record(num_parameters=2), make_predictions())
    part = new.rename(final.parent / f"{store.TEMPORARY}1")
    final.rename(part / writing.REPLACED)
    assert len(load(tmp_path)) == 0
    (final.parent / f"{store.TEMPORARY}2" / writing.REPLACED).mkdir(parents=True)  # without a record: nothing to mend
    writing.recover_interrupted_writes(tmp_path)
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 2 and stored.predictions("test")
    assert {path.name for path in stored.path.iterdir()} == {"record.json", "predictions.npz"}


def test_no_folder_is_no_records(tmp_path):
    assert len(load(tmp_path / "nowhere")) == 0
    assert load(str(tmp_path)).skipped == []


def _break(path, tmp_path):
    (path / "record.json").write_text('{"trial": ')
    return "record.json"


def _misspell(path, tmp_path):
    text = (path / "record.json").read_text()
    (path / "record.json").write_text(text.replace('"status"', '"state"'))
    return "status"


def _garble(path, tmp_path):
    (path / "record.json").write_bytes(b"\xff\xfe\0")
    return "record.json"


def _rename(path, tmp_path):
    path.rename(path.with_name("cnn-made-s0-0000000000000000"))
    return "does not hold the key"


def _edit(path, tmp_path):
    text = (path / "record.json").read_text()
    (path / "record.json").write_text(text.replace('"seed": 0', '"seed": 1'))
    return "does not hold the key"


def _lose_predictions(path, tmp_path):
    (path / "predictions.npz").unlink()
    return "predictions.npz is missing"


def _empty(path, tmp_path):
    (path / "record.json").unlink()
    return "record.json cannot be read (there is none)"


@pytest.mark.parametrize("damage", [_break, _misspell, _garble, _rename, _edit, _lose_predictions, _empty])
def test_what_cannot_be_read_is_named_and_harms_no_other(tmp_path, damage):
    whole = write(tmp_path, make_record(seed=5), make_predictions())
    reason = damage(write(tmp_path, make_record(), make_predictions()), tmp_path)
    records = load(tmp_path)
    assert [stored.path for stored in records] == [whole]
    ((path, said),) = records.skipped
    assert path.parent == whole.parent and path != whole
    assert reason in said


def test_foreign_files_and_folders_are_named(tmp_path):
    write(tmp_path, make_record(), make_predictions())
    (tmp_path / "records" / "notes.txt").write_text("mine")
    (tmp_path / "records" / "holiday").mkdir()
    records = load(tmp_path)
    assert len(records) == 1
    assert {path.name for path, _ in records.skipped} == {"notes.txt", "holiday"}


def test_what_is_foreign_is_named_for_what_it_is(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    (path.parent / "notes.txt").write_text("mine")
    shutil.copytree(path.parent, tmp_path / "other")
    shutil.copytree(tmp_path / "other", path.parent / "records")  # copied one folder too deep
    records = load(tmp_path)
    assert len(records) == 1
    assert {path.name: reason for path, reason in records.skipped} == {
        "notes.txt": "a file, and records are folders",
        "records": "record.json cannot be read (there is none)",
    }


def _copy(path, number=1):
    return shutil.copytree(path, path.with_name(f"{path.name} ({number})"))


def test_equal_copies_under_other_names_are_one_record(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    shutil.copytree(path, path.with_name(f"a-{path.name}"))
    _copy(path)
    records = load(tmp_path)
    assert len(records) == 1 and records.skipped == []


def test_of_equal_copies_the_one_with_the_model_is_taken(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    copy = _copy(path)
    (copy / "model.keras").write_bytes(b"weights")
    (stored,) = load(tmp_path)
    assert stored.path == copy


@pytest.mark.parametrize("changed", [{"parameters": 7}, {"machine": {"cores": 4}, "best_epoch": 2}], ids=",".join)
def test_records_that_disagree_under_one_key_are_left_out_with_what_differs(tmp_path, changed):
    other = write(tmp_path / "other", make_record(), make_predictions())
    mine = write(tmp_path, make_record(**changed), make_predictions())
    whole = write(tmp_path, make_record(seed=5), make_predictions())
    copied = shutil.copytree(other, mine.with_name(f"{mine.name}-copy"))
    records = load(tmp_path)
    assert [stored.path for stored in records] == [whole]
    assert dict(records.skipped) == {
        one: f"under one key it disagrees with {another.name} ({', '.join(changed)})"
        for one, another in ((mine, copied), (copied, mine))
    }


def test_predictions_that_disagree_under_one_key_are_named(tmp_path):
    other = write(tmp_path / "other", make_record(), make_predictions(seed=1))
    mine = write(tmp_path, make_record(), make_predictions(seed=2))
    copied = shutil.copytree(other, mine.with_name(f"{mine.name}-copy"))
    again = _copy(mine, 2)
    records = load(tmp_path)
    assert len(records) == 0
    said = dict(records.skipped)
    assert said[mine] == f"under one key it disagrees with {copied.name} (predictions)"
    assert mine.name in said[copied] and again.name in said[copied]


def test_a_damaged_copy_harms_the_whole_one_no_more_than_another_folder(tmp_path):
    whole = write(tmp_path, make_record(), make_predictions())
    for number, damage in enumerate((_cut_short, _break, _lose_predictions)):
        damage(_copy(whole, number), tmp_path)
    records = load(tmp_path)
    assert [stored.path for stored in records] == [whole]
    assert len(records.skipped) == 3
    assert any("cannot be read (BadZipFile)" in reason for _, reason in records.skipped)


def test_arrays_of_any_layout_come_back_as_numpy_reads_them(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    arrays = {
        "test_labels": np.arange(6)[::2],
        "test_probabilities": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "test_ids": np.array(["a", "βγ"]),
        "test_clean": np.zeros((0, 3), bool),
        "test_groups": np.array(2.5),
    }
    np.savez_compressed(path / "predictions.npz", **arrays)
    with zipfile.ZipFile(path / "predictions.npz", "a") as file, file.open("later.npy", "w") as member:
        np.lib.format.write_array(member, np.arange(3), version=(2, 0))
    (stored,) = load(tmp_path)
    for name, expected in (arrays | {"later": np.arange(3)}).items():
        found = stored.all_arrays()[name]
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_objects_are_never_unpickled(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    np.savez(path / "predictions.npz", test_ids=np.array([{}], dtype=object))
    (stored,) = load(tmp_path)
    with pytest.raises(ValueError, match="allow_pickle"):
        stored.arrays("test_ids")


def test_predictions_with_a_turned_bit_raise_what_readers_expect(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    whole = (path / "predictions.npz").read_bytes()
    (stored,) = load(tmp_path)
    raised = set()
    for place in range(200):  # the head of the first array, and the list of all at the end
        for at in (place, len(whole) - 1 - 3 * place):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << place % 8
            (path / "predictions.npz").write_bytes(damaged)
            try:
                stored.predictions("test")
            except store.READ_ERRORS as error:
                raised.add(type(error))
    assert raised


def _cut_short(path, tmp_path):
    file = path / "predictions.npz"
    file.write_bytes(file.read_bytes()[:-40])


def test_a_record_cut_short_anywhere_is_named(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    whole = (path / "record.json").read_bytes()
    for length in range(0, len(whole.rstrip()), 7):
        (path / "record.json").write_bytes(whole[:length])
        records = load(tmp_path)
        assert len(records) == 0
        assert [reason.startswith("record.json: Invalid JSON") for _, reason in records.skipped] == [True]


def test_the_remains_of_a_killed_writer_are_passed_over(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    shutil.copytree(path, path.with_name(".part-0123"))
    records = load(tmp_path)
    assert len(records) == 1 and records.skipped == []


def test_folders_of_two_machines_merge_by_copying(tmp_path):
    for machine, seeds in (("one", (0, 1)), ("two", (1, 2))):
        for seed in seeds:
            write(tmp_path / machine, make_record(seed), make_predictions(seed=seed))
    shutil.copytree(tmp_path / "two", tmp_path / "one", dirs_exist_ok=True)
    records = load(tmp_path / "one")
    assert sorted(stored.record.trial.seed for stored in records) == [0, 1, 2]
    assert records.skipped == []
    assert set(records.stored) == {make_trial(seed).key for seed in range(3)}


def test_500_records_load_quickly(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_sync", lambda file: file.flush())
    monkeypatch.setattr(writing, "_sync_folder", lambda folder: None)
    for seed in range(500):
        write(tmp_path, make_record(seed), {"test": make_predictions()["test"]})
    began = time.process_time()
    assert len(load(tmp_path)) == 500
    assert time.process_time() - began < 2.5  # a quarter of a second on a free core


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_after_loading_if_it_was_before(tmp_path, enabled):
    write(tmp_path, make_record(), make_predictions())
    (tmp_path / "records" / "notes.txt").write_text("mine")
    try:
        (gc.enable if enabled else gc.disable)()
        load(tmp_path)
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


# Forks writers, each replacing one record and adding another in turn, and kills each at a random moment.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from test_store import make_predictions, make_record
from fer_bench.records import write

random.seed(4)
for number in range(int(sys.argv[3])):
    results = Path(sys.argv[1]) / str(number)
    write(results, make_record(0, num_parameters=0), make_predictions(seed=0))
    child = os.fork()
    if child == 0:
        for version in range(1, 100_000):
            write(results, make_record(version % 2, num_parameters=version), make_predictions(300, seed=version))
        os._exit(1)
    time.sleep(random.uniform(0.005, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
KILLS = 15


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_writer_killed_at_any_moment_leaves_whole_records_alone(tmp_path, request):
    command = [sys.executable, "-c", KILLER, str(tmp_path), str(request.path.parent), str(KILLS)]
    subprocess.run(command, check=True, timeout=120)
    written = 0
    for number in range(KILLS):
        records = load(tmp_path / str(number))
        assert records.skipped == []
        for stored in records:  # the record and its predictions are of one and the same write
            version = stored.record.num_parameters
            written = max(written, version)
            expected = make_predictions(300 if version else 5, seed=version)
            for part in ("validation", "test"):
                np.testing.assert_array_equal(stored.predictions(part).probabilities, expected[part].probabilities)
        write(tmp_path / str(number), make_record(1, num_parameters=1), make_predictions(300, seed=1))  # and it goes on
    assert written > 2
