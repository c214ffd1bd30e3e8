"""The card command."""

import pytest

from fer_bench.core.errors import UserError
from fer_bench.records import load
from fer_bench.records.kept_models import describe_model, write_info
from fer_bench.records.store import MODEL_FILE


@pytest.fixture
def results(tmp_path):
    """A folder with one record, in whose model file there is no layer."""
    import zipfile

    from made_up_records import RecordMaker

    folder = RecordMaker(tmp_path / "results")("cnn")
    with zipfile.ZipFile(folder / MODEL_FILE, "w") as file:
        file.writestr("config.json", '{"config": {}}')
    (stored,) = load(tmp_path / "results")
    write_info(folder, describe_model(stored.record, {}, (48, 48), "best"))
    return tmp_path / "results"


def test_card(run, results, tmp_path):
    output = run("card", "--model", "CNN", "--results-dir", results, "--output", tmp_path / "card")
    assert "README.md" in output and f"hf upload USER/NAME {tmp_path / 'card'}" in output
    with pytest.raises(UserError, match="exists already"):
        run("card", "--results-dir", results, "--output", tmp_path / "card")


def test_contradicting_options_fail(run, results, tmp_path):
    for options, message in (
        (["--model-file", "m.onnx", "--protocol", "official"], "either"),
        (["--output", tmp_path / "card.md"], "looks like a file"),
    ):
        with pytest.raises(UserError, match=message):
            run("card", "--results-dir", results, *options)


def test_no_model(run, tmp_path):
    with pytest.raises(UserError, match="no trained model"):
        run("card", "--results-dir", tmp_path)
