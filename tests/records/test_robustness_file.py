"""robustness.json of a saved model."""

import pytest

from fer_bench.core.errors import UserError
from fer_bench.records.robustness import ROBUSTNESS_FILE, Robustness, read, write

MEASURED = Robustness(
    model="cnn, default, seed 0",
    dataset="made",
    protocol="official",
    key="a" * 64,
    uncorrupted=2 / 3,
    accuracy={"fog": {1: 0.5, 5: 1 / 3}},
    num_samples=30,
    num_test_images=100,
    seed=0,
    tta="1",
    versions={"imagecorruptions-imaug": "1.1.5"},
)


def test_it_is_read_back_unchanged(tmp_path):
    write(tmp_path / ROBUSTNESS_FILE, MEASURED)
    assert read(tmp_path) == MEASURED
    assert [path.name for path in tmp_path.iterdir()] == ["robustness.json"]


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="written"):
        write(tmp_path / "file" / ROBUSTNESS_FILE, MEASURED)


def test_a_missing_file_is_none(tmp_path):
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", r"robustness\.json: Invalid JSON"),
        ('{"unc', r"robustness\.json: Invalid JSON"),
        ('{"model": "cnn"}', r"robustness\.json: dataset Field required"),
        (MEASURED.model_dump_json().replace('{"1":0.5', '{"1":50'), r"accuracy\.fog\.1 .* less than or equal to 1"),
        (MEASURED.model_copy(update={"accuracy": {}}).model_dump_json(), r"accuracy Dictionary should have at least 1"),
    ],
)
def test_an_invalid_file_has_a_reason(tmp_path, text, reason):
    (tmp_path / ROBUSTNESS_FILE).write_text(text)
    with pytest.raises(ValueError, match=reason):
        read(tmp_path)


def test_a_file_that_cannot_be_opened_has_a_reason(tmp_path):
    (tmp_path / ROBUSTNESS_FILE).mkdir()
    with pytest.raises(ValueError, match=r"robustness\.json cannot be read \(IsADirectoryError\)"):
        read(tmp_path)
