"""Commands on datasets: what `prepare` says, what `show-augmentation` draws."""

import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
from fer_bench.core.errors import UserError


def run(*args: str) -> str:
    result = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_an_augmentation_is_drawn(tmp_path):
    file = tmp_path / "strong.png"
    said = run("show-augmentation", "strong,mixup=0.2", "--dataset", "synthetic", "--output", str(file))
    assert said.strip() == str(file)
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("policy", "dataset", "sentence"),
    [
        ("strng", "synthetic", "Did you mean 'strong'"),
        ("strong,mixup", "synthetic", "mixup=0.2"),
        ("strong,mixing=1", "synthetic", "Did you mean 'augmentation.mixup'"),
        ("light", "synthetic_sequences", "sequences"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(tmp_path, policy, dataset, sentence):
    with pytest.raises(UserError, match=sentence):
        run("show-augmentation", policy, "--dataset", dataset, "--output", str(tmp_path / "no.png"))
    assert not list(tmp_path.iterdir())


def test_prepared_sequences_are_told_from_images():
    assert "840 sequences of 8 frames of 48×48" in run("prepare", "synthetic_sequences")


def test_data_lists_what_is_there(tmp_path):
    said = run("data", "list", "synthetic", "--data-dir", str(tmp_path))
    assert "synthetic  built in" in said and "1,960" in said
    for said in (
        run("data", "list", "jaffe", "--data-dir", str(tmp_path)),
        run("data", "--data-dir", str(tmp_path), "list", "jaffe"),
    ):
        assert f"Not found in {tmp_path}: jaffe" in said


def test_data_alone_lists_everything(tmp_path):
    said = run("data", "--data-dir", str(tmp_path))
    assert "synthetic_sequences  built in" in said and "fer2013" in said.splitlines()[-2]


def test_data_that_cannot_be_read_is_an_exit_of_1(tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1,Training\n")
    result = CliRunner().invoke(cli, ["data", "list", "fer2013", "--data-dir", str(tmp_path)])
    assert result.exit_code == 1 and "line 2: 1 pixels instead of 2304" in result.output


def test_data_download_says_where_to_ask(tmp_path):
    said = run("data", "download", "jaffe", "--data-dir", str(tmp_path))
    assert "agreement" in said and "KA.AN1.39.tiff" in said
    with pytest.raises(UserError, match="nothing to download"):
        run("data", "download", "synthetic")


def test_bad_rows_can_be_left_out_when_data_are_prepared(tmp_path):
    good = "0," + " ".join(["7"] * 2304) + ",Training"
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n{good}\n0,1,Training\n")
    with pytest.raises(UserError, match="line 3"):
        run("prepare", "fer2013", "--data-dir", str(tmp_path))
    assert "fer2013: 1 images" in run("prepare", "fer2013", "--data-dir", str(tmp_path), "--skip-invalid")
