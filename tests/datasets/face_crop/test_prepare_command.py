"""`prepare` with faces: what it says, what it writes, and which words it refuses."""

import pytest
from click.testing import CliRunner
from portraits import write_jaffe

from fer_bench.cli import cli
from fer_bench.core.errors import UserError

ASKED = ("--face", "haar", "--align", "--margin", "0.2", "--equalise", "clahe")


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    return write_jaffe(tmp_path / "data" / "jaffe", without_face=("KL.HA1.158",))


def prepare(data_dir, *args) -> str:
    result = CliRunner().invoke(cli, ["prepare", *args, "--data-dir", str(data_dir)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_dataset_is_prepared_and_its_name_told(data_dir, tmp_path):
    said = prepare(data_dir, "jaffe", *ASKED, "--sheet", str(tmp_path / "sheet.png"))
    assert "jaffe~haar+align+margin20+clahe: 6 images of 48×48" in said
    assert "haar found a face in 5 of 6 images; the others are kept whole: happy 1 of 3." in said
    assert "--datasets jaffe~haar+align+margin20+clahe" in said
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_the_told_name_prepares_the_same(data_dir):
    prepare(data_dir, "jaffe", *ASKED, "--without-face", "drop", "--side", "64")
    said = prepare(data_dir, "jaffe~haar+align+margin20+clahe+side64+drop")
    assert "5 images of 64×64" in said


def test_without_options_the_dataset_is_read_as_it_is(data_dir):
    assert "jaffe: 6 images of 48×48" in prepare(data_dir, "jaffe")
    assert "~" not in prepare(data_dir)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (ASKED, "Name the datasets to prepare"),
        (("jaffe", "--align"), "aligning needs a face detector"),
        (("jaffe", "--face", "haar", "--margin", "2"), "margin: input should be less than or equal to 1"),
        (("jaffe", "--face", "haar", "--without-face", "fail"), r"no face in 1 of 6 images: KL\.HA1\.158"),
        (("jaffe", "--face", "yunet"), "name it with --yunet-model"),
        (("jaffe~clahe", "--face", "haar"), "says already how it is prepared"),
        (("jaffe", "--sheet", "s.png"), "add --face, --equalise or --side"),
        (("jaffe", "synthetic", "--equalise", "clahe", "--sheet", "s.png"), "A contact sheet is of one dataset"),
        (("synthetic", "--face", "haar"), "are cropped to the face already and are left alone"),
    ],
)
def test_what_cannot_be_prepared_is_said_in_a_sentence(data_dir, args, sentence):
    with pytest.raises(UserError, match=sentence):
        prepare(data_dir, *args)
