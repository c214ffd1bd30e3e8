"""One model class by class."""

import io

import pytest
from made_up_records import exact
from rich.console import Console

from fer_bench.core.errors import UserError
from fer_bench.report.classes import print_classes


def printed(make, model: str = "cnn", dataset: str | None = None) -> str:
    stream = io.StringIO()
    print_classes(make.results, model, dataset, Console(file=stream, width=120, color_system=None))
    return stream.getvalue()


def line(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).split()


def test_classes_are_the_mean_over_seeds(make):
    make(seed=0, test=exact([0, 0, 1, 1, 1], [0, 0, 1, 1, 0]))
    make(seed=1, test=exact([0, 0, 1, 1, 1], [0, 1, 1, 1, 1]))
    text = printed(make)
    # Precision 2/3 and 1, recall 1 and 1/2, F1 4/5 and 2/3, AUC (1 + 2/3) / 2 and (1/2 + 1) / 2.
    assert line(text, "angry") == ["angry", "83.33", "75.00", "73.33", "79.17", "2"]


def test_a_class_without_test_images_has_dashes(make):
    make(test=exact([0, 0, 1, 1, 1], [0, 2, 1, 1, 0]))
    assert line(printed(make), "fear") == ["fear", "–", "–", "–", "–", "0"]


def test_one_dataset_can_be_selected(make):
    make(dataset="a")
    make(dataset="b")
    assert "b, protocol" not in printed(make, dataset="a")


def test_an_unknown_model_raises_with_the_known_ones(make):
    make("vgg19")
    with pytest.raises(UserError, match="vgg19"):
        printed(make, dataset="a")
