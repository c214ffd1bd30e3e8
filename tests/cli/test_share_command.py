"""share and verify: records travel in one file, and what was changed in it is found."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.records.store import record_dir
from fer_bench.sharing import verification
from fer_bench.sharing.pack import CONTENTS_FILE
from fer_bench.sharing.verification import digest_of_split


@pytest.fixture(scope="module")
def results_dir(run, architectures_file, data_dir, tmp_path_factory):
    """Two seeds of a small network."""
    folder = tmp_path_factory.mktemp("results")
    flags = {"--models": "cli_tiny", "--datasets": "fer2013", "--seeds": 2, "--epochs": 2, "--keep-models": "all"}
    flags |= {"--extra-architectures": architectures_file, "--data-dir": data_dir, "--results-dir": folder}
    run(*(part for flag in flags.items() for part in flag), "--executor", "in-process")
    return folder


@pytest.fixture
def pack(run, results_dir, working_dir):
    run("share", "--results-dir", results_dir, "--output", "mine.zip")
    return working_dir / "mine.zip"


def read(file):
    with zipfile.ZipFile(file) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def write(file, members, sealed=True):
    """Write a pack. A forger also writes new digests, as `sealed` does."""
    if sealed:
        contents = json.loads(members[CONTENTS_FILE])
        contents["sha256"] = {
            name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != CONTENTS_FILE
        }
        members = members | {CONTENTS_FILE: json.dumps(contents).encode()}
    with zipfile.ZipFile(file, "w") as pack:
        for name, content in members.items():
            pack.writestr(name, content)


def change_arrays(members, **changes):
    """Change arrays of the first record's predictions."""
    name = sorted(name for name in members if name.endswith(".npz"))[0]
    with np.load(io.BytesIO(members[name])) as loaded:
        arrays = {key: loaded[key].copy() for key in loaded}
    for key, change in changes.items():
        arrays[key] = change(arrays[key])
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    members[name] = buffer.getvalue()


def change_record(members, change, tmp_path, rename=True):
    """Change record.json of the first record and give its folder the name that belongs to it."""
    name = sorted(name for name in members if name.endswith("record.json"))[0]
    record = json.loads(members.pop(name))
    change(record)
    content = json.dumps(record).encode()
    trial = records.store.Record.model_validate_json(content).trial
    old = name.split("/")[1]
    new = record_dir(tmp_path, trial).name if rename else old
    members[f"records/{new}/record.json"] = content
    members[f"records/{new}/predictions.npz"] = members.pop(f"records/{old}/predictions.npz")


def at(position, value):
    def change(array):
        array[position] = value
        return array

    return change


def test_shared_records_hold_and_can_be_imported(run, pack, data_dir, results_dir):
    output = run("verify", pack, "--data-dir", data_dir, "--import-to", "new")
    assert "Everything that was checked holds." in output
    assert "New in new: 2 records." in output
    original, imported = records.load(results_dir), records.load("new")
    assert imported.stored.keys() == original.stored.keys()
    for key, stored in imported.stored.items():
        found, expected = (one.predictions("test").probabilities for one in (stored, original.stored[key]))
        np.testing.assert_array_equal(found, expected)
    assert "New in new: 0 records." in run("verify", pack, "--data-dir", data_dir, "--import-to", "new")


def test_a_pack_has_neither_models_nor_paths(pack, results_dir, data_dir):
    members = read(pack)
    assert {name.rpartition("/")[2] for name in members} == {CONTENTS_FILE, "record.json", "predictions.npz"}
    text = b"".join(content for name, content in members.items() if name.endswith(".json"))
    assert str(results_dir).encode() not in text
    assert str(data_dir).encode() not in text


def test_the_same_records_give_the_same_file(run, pack, results_dir):
    run("share", "--results-dir", results_dir, "--output", "again.zip")
    assert pack.with_name("again.zip").read_bytes() == pack.read_bytes()


def test_without_the_dataset_splits_are_compared_with_published_digests(run, pack, monkeypatch, working_dir):
    members = read(pack)
    name = next(name for name in members if name.endswith(".npz"))
    with np.load(io.BytesIO(members[name])) as arrays:
        known = {
            split: digest_of_split(arrays[f"{split}_ids"], arrays[f"{split}_labels"]) for split in verification.SPLITS
        }
    monkeypatch.setattr(verification, "_published_digests", lambda: {"fer2013": {"official": [known]}})
    output = run("verify", pack, "--data-dir", working_dir)
    assert output.count("–") == 3  # the dataset of both records, and what – means
    known["test"] = "0" * 64
    assert "The images or labels of test are not those of official." in run(
        "verify", pack, "--data-dir", working_dir, status=1
    )


TAMPERED_ARRAYS = {
    "a label": ({"test_labels": at(0, 3)}, "images or labels of test are not those of official"),
    "a label of validation": ({"validation_labels": at(0, 3)}, "images or labels of validation are not those of"),
    "a probability": ({"test_probabilities": at((0, 0), 0.99)}, "the probabilities of 1 images are no distribution"),
    "a probability that is no number": ({"test_probabilities": at((0, 0), np.nan)}, "are no distribution"),
    "better validation": ({"validation_probabilities": lambda p: p[:, ::-1]}, "The best epoch has"),
    "fewer images": (
        {f"test_{name}": lambda array: array[1:] for name in ("ids", "labels", "probabilities", "no_duplicate")},
        "13 images, but the record says 14",
    ),
    "an image twice": ({"test_ids": lambda ids: np.r_[ids[1:], ids[-1:]]}, "an image is there twice"),
    "a validation image as test": ({"test_ids": at(0, "fer2013-00070")}, "An image is in validation and test."),
    "a foreign split": (
        {"test_ids": lambda ids: np.array([f"other-{i}" for i in range(len(ids))])},
        "are not those of",
    ),
}


@pytest.mark.parametrize("kind", TAMPERED_ARRAYS)
def test_changed_predictions_are_found(run, pack, data_dir, kind):
    changes, message = TAMPERED_ARRAYS[kind]
    members = read(pack)
    change_arrays(members, **changes)
    write(pack, members)
    assert message in " ".join(run("verify", pack, "--data-dir", data_dir, status=1).split())


def test_a_change_without_new_digests_is_found(run, pack, data_dir):
    members = read(pack)
    change_arrays(members, test_probabilities=lambda p: p[::-1])
    write(pack, members, sealed=False)
    assert "predictions.npz was changed" in run("verify", pack, "--data-dir", data_dir, status=1)


def test_a_repeated_record_is_found(run, pack, data_dir, working_dir):
    members = read(pack)
    change_record(members, lambda record: record["trial"].update(seed=7), working_dir)
    write(pack.with_name("other.zip"), members)
    output = run("verify", pack, pack.with_name("other.zip"), "--data-dir", data_dir, status=1)
    assert output.count("It has the key or the probabilities of") == 2


def test_a_changed_specification_is_found(run, pack, data_dir, working_dir):
    members = read(pack)
    change_record(members, lambda record: record["trial"].update(seed=7), working_dir, rename=False)
    write(pack, members)
    assert "does not contain the key" in run("verify", pack, "--data-dir", data_dir, status=1)


def test_another_benchmark_version_is_found(run, pack, data_dir, working_dir):
    members = read(pack)
    change_record(members, lambda record: record.update(benchmark_version=2), working_dir)
    write(pack, members)
    assert "It was made for benchmark version 2, not 1." in run("verify", pack, "--data-dir", data_dir, status=1)


def test_a_changed_history_is_found(run, pack, data_dir, working_dir):
    def improve(record):
        for epoch in record["history"]:
            epoch["validation_accuracy"] = 0.99

    members = read(pack)
    change_record(members, improve, working_dir)
    write(pack, members)
    assert "The best epoch has 99.00 %" in run("verify", pack, "--data-dir", data_dir, status=1)


def test_other_images_are_found(run, pack, data_dir, working_dir):
    members = read(pack)
    change_record(members, lambda record: record["trial"].update(fingerprint="0" * 64), working_dir)
    write(pack, members)
    assert "differ from those of your copy" in run("verify", pack, "--data-dir", data_dir, status=1)


@pytest.mark.parametrize("name", ["records/../../outside/record.json", "/etc/x", "records/a/model.keras"])
def test_files_that_do_not_belong_there_are_not_unpacked(run, pack, data_dir, name):
    write(pack, read(pack) | {name: b"{}"})
    assert "does not belong into such a file" in run("verify", pack, "--data-dir", data_dir, status=1)


def test_added_and_missing_files_are_found(run, pack, data_dir):
    members = read(pack)
    removed = next(name for name in members if name.endswith(".npz"))
    content = members.pop(removed)
    write(pack, members | {"records/added-0123456789abcdef/predictions.npz": content}, sealed=False)
    output = run("verify", pack, "--data-dir", data_dir, status=1)
    assert f"{removed} is missing." in output
    assert "it was added later" in output


def test_a_record_that_names_a_path_is_not_shared(run, results_dir, working_dir):
    copy = working_dir / "copy"
    (stored, *_) = records.load(results_dir)
    recipe = stored.record.trial.recipe | {"pretraining": {"model_file": "/home/someone/model.keras"}}
    trial = stored.record.trial.model_copy(update={"recipe": recipe})
    predictions = {split: stored.predictions(split) for split in ("validation", "test")}
    records.write(copy, stored.record.model_copy(update={"trial": trial}), predictions)
    with pytest.raises(UserError, match="field trial"):
        run("share", "--results-dir", copy)


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04"])
def test_a_file_that_is_no_pack_is_refused(run, working_dir, content):
    (working_dir / "other.zip").write_bytes(content)
    with pytest.raises(UserError, match="is no file of `share`"):
        run("verify", "other.zip")


def test_nothing_to_share_is_said(run, working_dir):
    with pytest.raises(UserError, match="no finished trials"):
        run("share", "--results-dir", "empty")
