"""`prepare` with a face crop: output, files and invalid options."""

import pytest
from click.testing import CliRunner
from portraits import write_jaffe

from fer_bench.cli import cli
from fer_bench.core.errors import UserError

OPTIONS = ("--detector", "haar", "--align", "--margin", "0.2", "--equalize", "clahe")


@pytest.fixture
def data_dir(tmp_path):
    return write_jaffe(tmp_path / "data" / "jaffe", without_face=("KL.HA1.158",))


def prepare(data_dir, *args) -> str:
    result = CliRunner().invoke(cli, ["prepare", *args, "--data-dir", str(data_dir)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_faces_are_cropped_and_the_name_printed(data_dir, tmp_path):
    output = prepare(data_dir, "jaffe", *OPTIONS, "--contact-sheet", str(tmp_path / "sheet.png"))
    assert "jaffe~haar+align+margin20+clahe: 6 images of 48×48" in output
    assert "haar found a face in 5 of 6 images; the others are kept as a whole: happy 1 of 3." in output
    assert "--datasets jaffe~haar+align+margin20+clahe" in output
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_printed_name_gives_the_same_dataset(data_dir):
    prepare(data_dir, "jaffe", *OPTIONS, "--on-missing-face", "drop", "--image-size", "64")
    output = prepare(data_dir, "jaffe~haar+align+margin20+clahe+side64+drop")
    assert "5 images of 64×64" in output


def test_without_options(data_dir, few_synthetic_samples):
    assert "jaffe: 6 images of 48×48" in prepare(data_dir, "jaffe")
    assert "~" not in prepare(data_dir)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (OPTIONS, "Name the datasets"),
        (("jaffe", "--align"), "aligning needs a face detector"),
        (("jaffe", "--detector", "haar", "--margin", "2"), "margin"),
        (("jaffe", "--detector", "haar", "--on-missing-face", "fail"), r"KL\.HA1\.158"),
        (("jaffe", "--detector", "yunet"), "--yunet-model"),
        (("jaffe~clahe", "--detector", "haar"), "already"),
        (("jaffe", "--contact-sheet", "s.png"), "Add --detector"),
        (("jaffe", "synthetic", "--equalize", "clahe", "--contact-sheet", "s.png"), "contact sheet shows one dataset"),
        (("synthetic", "--detector", "haar"), "cropped to the face already"),
    ],
)
def test_invalid_options(data_dir, args, words):
    with pytest.raises(UserError, match=words):
        prepare(data_dir, *args)
