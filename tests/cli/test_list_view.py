"""What `list` prints about all architectures and about single ones."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fer_bench.cli.list_view import print_details, print_listing
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.registry.architectures import ARCHITECTURES

NETS = '''
from fer_bench import register_architecture


@register_architecture(
    "listed",
    family="made up",
    input_kind="sequences",
    weights="imagenet",
    backbone="resnet50",
    paper="Doe, Faces [in time], 2020",
    input_sizes=(32, 48),
    num_parameters=1_171_527,
    recipe={"epochs": 9, "optimizer": {"learning_rate": 0.01}},
)
def listed(inputs, recipe):
    """Listed in one line.

    More about [it].
    It has another line.

    It has two parts:
    - one
    - two
    """


@register_architecture("bare", family="made up")
def bare(inputs, recipe):
    pass
'''


@pytest.fixture(autouse=True)
def nets(tmp_path):
    file = tmp_path / "listed.py"
    file.write_text(NETS)
    with ARCHITECTURES.temporary():
        ARCHITECTURES.scan(file)
        yield


def printed(function, *arguments, terminal=False, width=80) -> list[str]:
    console = Console(width=width, force_terminal=terminal, record=True, file=io.StringIO())
    function(*arguments, console)
    return console.export_text().splitlines()


def test_a_log_has_one_line_per_architecture():
    lines = printed(print_listing, DataConfig(Path("nowhere")))
    (line,) = [line for line in lines if line.startswith("listed ")]
    assert " ".join(line.split()) == "listed made up sequences 1.17 M imagenet Listed in one line."
    (line,) = [line for line in lines if line.startswith("bare ")]
    assert " ".join(line.split()) == "bare made up images – random"
    for title in ("Datasets", "Protocols", "Recipes", "Experiments"):
        assert title in lines


def test_a_narrow_terminal_shows_whole_names():
    lines = printed(print_listing, DataConfig(Path("nowhere")), terminal=True)
    assert any(line.startswith("resnet50_lstm_attention ") for line in lines)
    assert any("Listed in one line." in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_details_contain_the_whole_description():
    text = "\n".join(printed(print_details, ["listed"], width=200))
    for part in (
        "Listed in one line.\n\nMore about [it]. It has another line.\n\nIt has two parts:\n- one\n- two\n",
        "made up",
        "Doe, Faces [in time], 2020",
        "sequences",
        "32, 48",
        "1,171,527 for 7 classes",
        "imagenet (of resnet50)",
        "epochs=9, optimizer.learning_rate=0.01",
        "listed.py, line 16",
    ):
        assert part in text, part


def test_details_contain_published_results():
    lines = printed(print_details, ["vgg_fer"], width=200)
    (line,) = [line for line in lines if line.strip().startswith("published")]
    assert "73.28 % accuracy on fer2013 (PublicTest as test): selected on PrivateTest, measured on PublicTest" in line
    assert "Khaireddin & Chen" in line
    assert not [line for line in printed(print_details, ["bare"]) if line.strip().startswith("published")]


def test_details_by_pattern_and_without_description():
    text = "\n".join(printed(print_details, ["vgg1*", "bare", "vgg16"]))
    assert text.count("VGG16 without") == 1 and "VGG19 without" in text
    assert "No description." in text and "the base recipe" in text
    with pytest.raises(UserError, match="listed"):
        printed(print_details, ["lised"])
