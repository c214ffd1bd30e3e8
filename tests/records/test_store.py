"""Records are complete or absent, even if a writer is killed; what cannot be read is skipped and named."""

import gc
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sample_records import make_predictions, make_record, make_trial

from fer_bench.records import load, store, write, writing


def test_a_record_and_its_predictions_are_read_back_unchanged(tmp_path):
    record, predictions = make_record(), make_predictions()
    path = write(tmp_path, record, predictions)
    assert path.parent == tmp_path / "records"
    assert path.name == f"cnn-made-s0-{record.trial.key[:16]}"
    (stored,) = load(tmp_path)
    assert stored.record == record and stored.path == path
    for split, expected in predictions.items():
        read = stored.predictions(split)
        for column in ("ids", "labels", "probabilities"):
            np.testing.assert_array_equal(getattr(read, column), getattr(expected, column))
            assert getattr(read, column).dtype == getattr(expected, column).dtype


def test_a_record_without_a_benchmark_version_is_of_the_first(tmp_path):
    folder = write(tmp_path, make_record(benchmark_version=2), make_predictions())
    assert [stored.record.benchmark_version for stored in load(tmp_path)] == [2]
    content = json.loads((folder / "record.json").read_text())
    del content["benchmark_version"]
    (folder / "record.json").write_text(json.dumps(content))
    assert [stored.record.benchmark_version for stored in load(tmp_path)] == [1]


def test_duplicates_and_groups_are_read_back_if_they_are_known(tmp_path):
    predictions = make_predictions()
    no_duplicate, subjects = np.array([True, False, True, True, False]), np.array(["S1", "S1", "S22", "S3", "S3"])
    test = replace(predictions["test"], no_duplicate=no_duplicate, groups=subjects)
    write(tmp_path, make_record(), predictions | {"test": test})
    (stored,) = load(tmp_path)
    np.testing.assert_array_equal(stored.predictions("test").no_duplicate, no_duplicate)
    np.testing.assert_array_equal(stored.predictions("test").groups, subjects)
    assert stored.predictions("validation").no_duplicate is stored.predictions("validation").groups is None
    assert stored.arrays("test_groups", "validation_groups", "other").keys() == {"test_groups"}


def test_a_folder_name_has_no_character_that_a_file_system_rejects(tmp_path):
    trial = make_trial().model_copy(update={"dataset": "fer2013->jaffe"})
    path = write(tmp_path, make_record(trial=trial), make_predictions())
    assert path.name.startswith("cnn-fer2013-to-jaffe-s0-")
    assert load(tmp_path).stored[trial.key].record.trial == trial


def test_a_failed_trial_has_no_predictions(tmp_path):
    path = write(tmp_path, make_record(status="failed", reason="no memory"), {})
    (stored,) = load(tmp_path)
    assert stored.record.reason == "no memory"
    assert [file.name for file in path.iterdir()] == ["record.json"]


def test_a_missing_split_is_a_key_error(tmp_path):
    write(tmp_path, make_record(), {"test": make_predictions()["test"]})
    (stored,) = load(tmp_path)
    with pytest.raises(KeyError):
        stored.predictions("validation")


def test_a_second_write_replaces_the_whole_earlier_record(tmp_path):
    write(tmp_path, make_record(), make_predictions(seed=1))
    write(tmp_path, make_record(num_parameters=7), {"test": make_predictions(seed=2)["test"]})
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 7
    expected = make_predictions(seed=2)["test"].probabilities
    np.testing.assert_array_equal(stored.predictions("test").probabilities, expected)
    names = {path.name for path in (tmp_path / "records").rglob("*")}
    assert names == {stored.path.name, "record.json", "predictions.npz"}
    write(tmp_path, make_record(status="failed", reason="no memory"), {})
    assert not (stored.path / "predictions.npz").exists()


def test_a_saved_model_is_removed_when_its_record_is_replaced(tmp_path):
    file = tmp_path / "trained"
    file.write_bytes(b"weights")
    write(tmp_path, make_record(), make_predictions(), file)
    (stored,) = load(tmp_path)
    assert stored.model_file == stored.path / "model.keras" and stored.model_file.read_bytes() == b"weights"
    assert not file.exists()
    write(tmp_path, make_record(), make_predictions())  # a model that does not match the record is worse than none
    (stored,) = load(tmp_path)
    assert stored.model_file is None


def test_a_failed_write_keeps_the_earlier_record(tmp_path, monkeypatch):
    write(tmp_path, make_record(num_parameters=1), make_predictions())

    def disk_full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, make_record(num_parameters=2), make_predictions())
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 1
    assert [path.name for path in (tmp_path / "records").iterdir()] == [stored.path.name]


def test_an_interrupt_during_a_replacement_loses_no_record(tmp_path, monkeypatch):
    write(tmp_path, make_record(num_parameters=1), make_predictions())
    rename, calls = Path.rename, []

    def interrupted(path, target):
        calls.append(path)
        if len(calls) == 2:  # the earlier record has been moved away
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, make_record(num_parameters=2), make_predictions())
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 2 and stored.predictions("test")
    assert [path.name for path in (tmp_path / "records").iterdir()] == [stored.path.name]


def test_a_replacement_by_a_killed_writer_is_recovered(tmp_path):
    final = write(tmp_path, make_record(num_parameters=1), make_predictions())
    new = write(tmp_path / "new", make_record(num_parameters=2), make_predictions())
    temporary = new.rename(final.parent / f"{store.TEMPORARY_PREFIX}1")
    final.rename(temporary / writing.REPLACED_DIR)
    assert len(load(tmp_path)) == 0
    without_record = final.parent / f"{store.TEMPORARY_PREFIX}2"  # nothing to recover
    (without_record / writing.REPLACED_DIR).mkdir(parents=True)
    writing.recover_interrupted_writes(tmp_path)
    (stored,) = load(tmp_path)
    assert stored.record.num_parameters == 2 and stored.predictions("test")
    assert {path.name for path in stored.path.iterdir()} == {"record.json", "predictions.npz"}


def test_a_missing_folder_has_no_records(tmp_path):
    assert len(load(tmp_path / "nowhere")) == 0
    assert load(str(tmp_path)).skipped == []


def replace_text(path, old, new):
    text = (path / "record.json").read_text()
    assert old in text
    (path / "record.json").write_text(text.replace(old, new))


def truncate_predictions(path):
    file = path / "predictions.npz"
    file.write_bytes(file.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: (path / "record.json").write_text('{"trial": '), "record.json"),
        (lambda path: (path / "record.json").write_bytes(b"\xff\xfe\0"), "record.json"),
        (lambda path: replace_text(path, '"status"', '"state"'), "status"),
        (lambda path: replace_text(path, '"seed": 0', '"seed": 1'), "does not contain the key"),
        (lambda path: path.rename(path.with_name("cnn-made-s0-0000000000000000")), "does not contain the key"),
        (lambda path: (path / "predictions.npz").unlink(), "predictions.npz is missing"),
        (lambda path: (path / "record.json").unlink(), "it is missing"),
    ],
)
def test_a_damaged_record_is_skipped_with_a_reason_and_others_are_loaded(tmp_path, damage, reason):
    intact = write(tmp_path, make_record(seed=5), make_predictions())
    damage(write(tmp_path, make_record(), make_predictions()))
    records = load(tmp_path)
    assert [stored.path for stored in records] == [intact]
    ((path, skip_reason),) = records.skipped
    assert path.parent == intact.parent and path != intact
    assert reason in skip_reason


def test_other_files_and_folders_are_skipped_with_a_reason(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    (path.parent / "notes.txt").write_text("mine")
    shutil.copytree(path.parent, tmp_path / "other")
    shutil.copytree(tmp_path / "other", path.parent / "records")  # copied one folder too deep
    records = load(tmp_path)
    assert len(records) == 1
    assert {path.name: reason for path, reason in records.skipped} == {
        "notes.txt": "not a folder",
        "records": "record.json cannot be read (it is missing)",
    }


def _copy(path, number=1):
    return shutil.copytree(path, path.with_name(f"{path.name} ({number})"))


def test_equal_copies_under_other_names_are_one_record(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    shutil.copytree(path, path.with_name(f"a-{path.name}"))
    _copy(path)
    records = load(tmp_path)
    assert len(records) == 1 and records.skipped == []


def test_the_copy_with_the_model_is_preferred(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    copy = _copy(path)
    (copy / "model.keras").write_bytes(b"weights")
    (stored,) = load(tmp_path)
    assert stored.path == copy


@pytest.mark.parametrize("changed", [{"num_parameters": 7}, {"machine": {"cores": 4}, "best_epoch": 2}], ids=",".join)
def test_different_records_of_one_key_are_skipped_with_the_differing_fields(tmp_path, changed):
    other = write(tmp_path / "other", make_record(), make_predictions())
    mine = write(tmp_path, make_record(**changed), make_predictions())
    intact = write(tmp_path, make_record(seed=5), make_predictions())
    copied = shutil.copytree(other, mine.with_name(f"{mine.name}-copy"))
    records = load(tmp_path)
    assert [stored.path for stored in records] == [intact]
    assert dict(records.skipped) == {
        path: f"differs from {other.name} ({', '.join(changed)}), which has the same key"
        for path, other in ((mine, copied), (copied, mine))
    }


def test_different_predictions_of_one_key_are_skipped(tmp_path):
    other = write(tmp_path / "other", make_record(), make_predictions(seed=1))
    mine = write(tmp_path, make_record(), make_predictions(seed=2))
    copied = shutil.copytree(other, mine.with_name(f"{mine.name}-copy"))
    again = _copy(mine, 2)
    records = load(tmp_path)
    assert len(records) == 0
    reasons = dict(records.skipped)
    assert reasons[mine] == f"differs from {copied.name} (predictions), which has the same key"
    assert mine.name in reasons[copied] and again.name in reasons[copied]


def test_damaged_copies_do_not_affect_the_intact_one(tmp_path):
    intact = write(tmp_path, make_record(), make_predictions())
    truncate_predictions(_copy(intact, 1))
    (_copy(intact, 2) / "record.json").write_text('{"trial": ')
    (_copy(intact, 3) / "predictions.npz").unlink()
    records = load(tmp_path)
    assert [stored.path for stored in records] == [intact]
    assert len(records.skipped) == 3
    assert any("cannot be read (BadZipFile)" in reason for _, reason in records.skipped)


def test_arrays_of_any_layout_are_read_as_numpy_reads_them(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    arrays = {
        "test_labels": np.arange(6)[::2],
        "test_probabilities": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "test_ids": np.array(["a", "βγ"]),
        "test_no_duplicate": np.zeros((0, 3), bool),
        "test_groups": np.array(2.5),
    }
    np.savez_compressed(path / "predictions.npz", **arrays)
    with zipfile.ZipFile(path / "predictions.npz", "a") as file, file.open("later.npy", "w") as member:
        np.lib.format.write_array(member, np.arange(3), version=(2, 0))
    (stored,) = load(tmp_path)
    for name, expected in (arrays | {"later": np.arange(3)}).items():
        found = stored.arrays()[name]
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_objects_are_never_unpickled(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    np.savez(path / "predictions.npz", test_ids=np.array([{}], dtype=object))
    (stored,) = load(tmp_path)
    with pytest.raises(ValueError, match="allow_pickle"):
        stored.arrays("test_ids")


def test_predictions_with_a_flipped_bit_raise_the_expected_errors(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    whole = (path / "predictions.npz").read_bytes()
    (stored,) = load(tmp_path)
    raised = set()
    for step in range(200):  # the header of the first array, and the directory at the end
        for position in (step, len(whole) - 1 - 3 * step):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << step % 8
            (path / "predictions.npz").write_bytes(damaged)
            try:
                stored.predictions("test")
            except store.READ_ERRORS as error:
                raised.add(type(error))
    assert raised


def test_a_record_truncated_anywhere_is_skipped(tmp_path):
    path = write(tmp_path, make_record(), make_predictions())
    whole = (path / "record.json").read_bytes()
    for length in range(0, len(whole.rstrip()), 7):
        (path / "record.json").write_bytes(whole[:length])
        records = load(tmp_path)
        assert len(records) == 0
        assert [reason.startswith("record.json: Invalid JSON") for _, reason in records.skipped] == [True]


def test_temporary_folders_of_killed_writers_are_ignored(tmp_path):
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


def test_loading_opens_no_predictions(tmp_path):
    truncate_predictions(write(tmp_path, make_record(), make_predictions()))
    (stored,) = load(tmp_path)
    assert stored.corrupt


@pytest.mark.parametrize("enabled", [True, False])
def test_loading_restores_the_state_of_the_garbage_collector(tmp_path, enabled):
    write(tmp_path, make_record(), make_predictions())
    (tmp_path / "records" / "notes.txt").write_text("mine")
    try:
        (gc.enable if enabled else gc.disable)()
        load(tmp_path)
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


# Forks writers, which replace one record and add another in turn, and kills each at a random moment.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from sample_records import make_predictions, make_record
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
def test_a_writer_killed_at_any_moment_leaves_complete_records_only(tmp_path, request):
    command = [sys.executable, "-c", KILLER, str(tmp_path), str(request.path.parent.parent), str(KILLS)]
    subprocess.run(command, check=True, timeout=120)
    written = 0
    for number in range(KILLS):
        records = load(tmp_path / str(number))
        assert records.skipped == []
        for stored in records:  # the record and its predictions are of the same write
            version = stored.record.num_parameters
            written = max(written, version)
            expected = make_predictions(300 if version else 5, seed=version)
            for split in ("validation", "test"):
                np.testing.assert_array_equal(stored.predictions(split).probabilities, expected[split].probabilities)
        write(tmp_path / str(number), make_record(1, num_parameters=1), make_predictions(300, seed=1))  # still works
    assert written > 2
