"""Commands on datasets: what `prepare` says, what `show-augmentation` draws."""

import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
from fer_bench.errors import UserError


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
        ("strng", "synthetic", "did you mean 'strong'"),
        ("strong,mixup", "synthetic", "no field with a value"),
        ("strong,mixing=1", "synthetic", "Did you mean 'augmentation.mixup'"),
        ("light", "synthetic_sequences", "name a dataset of images"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(tmp_path, policy, dataset, sentence):
    with pytest.raises(UserError, match=sentence):
        run("show-augmentation", policy, "--dataset", dataset, "--output", str(tmp_path / "no.png"))
    assert not list(tmp_path.iterdir())


def test_prepared_sequences_are_told_from_images():
    assert "840 sequences of 8 frames of 48×48" in run("prepare", "synthetic_sequences")
