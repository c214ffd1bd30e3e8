"""The folder of a model card: complete or absent, with a model that is the described one."""

import hashlib
import zipfile

import pytest
from made_up_records import RecordMaker

from fer_bench.core.errors import UserError
from fer_bench.inference.export.model_card_folder import write_model_card
from fer_bench.records import load
from fer_bench.records.kept_models import MODEL_INFO_FILE, describe_model, read_info, write_info
from fer_bench.records.schema import ENSEMBLE, Member, Record
from fer_bench.records.store import MODEL_FILE, RECORD_FILE

LAYERS = (
    '{"module": "keras.layers", "class_name": "Dense", "registered_name": null}, '
    '{"module": "fer_bench.layers", "class_name": "Own", "registered_name": "fer_bench>Own"}'
)
CONFIG = '{"module": "keras", "class_name": "Functional", "config": {"layers": [' + LAYERS + "]}}"


@pytest.fixture
def make(tmp_path):
    return RecordMaker(tmp_path / "results")


@pytest.fixture
def keep(make):
    """Write a record with a file in place of the trained model."""

    def write(name="cnn", seed=0, **changes):
        folder = make(name, seed, **changes)
        with zipfile.ZipFile(folder / MODEL_FILE, "w") as file:
            file.writestr("config.json", CONFIG)
        (stored,) = (one for one in load(make.results) if one.path == folder)
        write_info(folder, describe_model(stored.record, {}, (48, 48), "best"))
        return folder

    return write


def test_folder_is_complete(make, keep, tmp_path):
    record = keep()
    make("cnn", 1)
    folder = write_model_card(make.results, output=tmp_path / "new" / "card")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files.keys() == {"README.md", "SHA256SUMS", "model.keras", "model_info.json"}
    sums = dict(line.split("  ")[::-1] for line in files.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert files["model.keras"] == (record / MODEL_FILE).read_bytes()
    card = files["README.md"].decode()
    assert sums["model.keras"] in card and "import fer_bench.layers  # defines Own\n" in card and "2 seeds" in card
    assert read_info(folder) == read_info(record)
    assert [path.name for path in folder.parent.iterdir()] == ["card"]


def test_default_folder_and_selection_by_row(make, keep):
    keep("vgg19", accuracy=0.9)
    record = keep("cnn", accuracy=0.4)
    row = read_info(record).row
    assert write_model_card(make.results, row) == make.results / "cards" / record.name


def test_existing_folder_is_kept(make, keep, tmp_path):
    keep()
    (tmp_path / "card").mkdir()
    with pytest.raises(UserError, match="exists already"):
        write_model_card(make.results, output=tmp_path / "card")
    assert not [*(tmp_path / "card").iterdir()]


def test_folder_cannot_be_written(make, keep, tmp_path):
    keep()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_model_card(make.results, output=tmp_path / "file" / "card")


def test_no_kept_model(make):
    with pytest.raises(UserError, match="no trained model"):
        write_model_card(make.results)
    make("cnn")
    with pytest.raises(UserError, match="--overwrite"):
        write_model_card(make.results, "cnn")


def test_ensemble(make, keep):
    folder = keep("cnn")
    (member,) = load(make.results)
    voting = make("vgg19")
    record = Record.model_validate_json((voting / RECORD_FILE).read_bytes())
    of_ensemble = record.trial.model_copy(update={"architecture": ENSEMBLE, "recipe": {ENSEMBLE: []}})
    members = [Member(key=member.record.trial.key, architecture="cnn", recipe_name="default", seed=0, weight=1)]
    record = record.model_copy(update={"trial": of_ensemble, "members": members})
    (voting / RECORD_FILE).write_text(record.model_dump_json())
    voting.rename(folder.with_name(f"ensemble-fer2013-s0-{of_ensemble.key[:16]}"))
    with pytest.raises(UserError, match="members"):
        write_model_card(make.results, ENSEMBLE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / MODEL_INFO_FILE).unlink(), "missing or damaged"),
        (lambda folder: (folder / MODEL_FILE).write_bytes(b"another"), "differs"),
        (lambda folder: _replace_model(folder, b"not a zip file"), "not a Keras model"),
    ],
)
def test_damaged_models(make, keep, damage, message):
    damage(keep())
    with pytest.raises(UserError, match=message):
        write_model_card(make.results)
    assert not (make.results / "cards").exists()


def _replace_model(folder, content):
    (folder / MODEL_FILE).write_bytes(content)
    write_info(folder, read_info(folder))


@pytest.fixture
def exported(make, keep):
    """Keep a model and write an 8-bit ONNX file of it with the record of its export, as `export` does."""
    trained = keep("cnn", accuracy=0.9)
    folder = make.results / "exports" / trained.name
    folder.mkdir(parents=True)
    (folder / "cnn-int8.onnx").write_bytes(b"weights")
    (folder / "preprocessing.yaml").write_text("input_size: 48\n")
    record = make("cnn", accuracy=0.6, recipe={"export": {"format": "onnx-int8"}}, recipe_name="default as onnx-int8")
    content = Record.model_validate_json((record / RECORD_FILE).read_bytes())
    costs = content.costs.model_copy(update={"model_bytes": len(b"weights")})
    (record / RECORD_FILE).write_text(content.model_copy(update={"costs": costs}).model_dump_json())
    return folder / "cnn-int8.onnx"


def test_exported_file_has_its_own_scores(make, exported, tmp_path):
    folder = write_model_card(make.results, model_file=exported, output=tmp_path / "card")
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "SHA256SUMS",
        "cnn-int8.onnx",
        "preprocessing.yaml",
    }
    (stored,) = (one for one in load(make.results) if "export" in one.record.trial.recipe)
    test = stored.predictions("test")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{100 * (test.probabilities.argmax(axis=1) == test.labels).mean():.2f}" in card
    assert "library_name: onnx" in card and "onnxruntime" in card


def test_other_files_are_refused(make, exported, tmp_path):
    with pytest.raises(UserError, match="either"):
        write_model_card(make.results, "cnn", exported)
    with pytest.raises(UserError, match="does not exist"):
        write_model_card(make.results, model_file=tmp_path / "missing.onnx")
    for other in (exported.with_name("cnn.onnx"), tmp_path / exported.name):
        other.write_bytes(b"weights")
        with pytest.raises(UserError, match="not a file that"):
            write_model_card(make.results, model_file=other)
    exported.write_bytes(b"other weights")
    with pytest.raises(UserError, match="size differs"):
        write_model_card(make.results, model_file=exported)
