"""Labels of a model's outputs: how they are written, and the classes of a dataset that they name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.emotions import LABEL_ORDERS
from fer_bench.inference.preprocessing.labels import match_labels, parse_labels

FERPLUS = ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"]


@pytest.fixture
def fer2013(dataset):
    return replace(dataset, name="fer2013", classes=FER2013_CLASSES)


@pytest.mark.parametrize(
    "value",
    [
        ["angry", "happy", None],
        ["Anger", " HAPPINESS", "Valence"],
        ["0_anger", "1 - joy", None],
        "angry, joyful, arousal",
        {0: "angry", 1: "Happy", 2: None},
        {"2": None, "1": "happy", "0": "angry"},
        {"happy": 1, "angry": 0, "null": 2},
        "['Angry', \"happy\", ignore]",
    ],
    ids=str,
)
def test_all_usual_forms_are_read(value):
    assert parse_labels(value) == ["angry", "happy", None]


@pytest.mark.parametrize("name", ["ferplus", "FER+", "Fer-Plus"])
def test_an_order_has_a_name(name):
    assert parse_labels(name) == FERPLUS


def test_the_orders_are_permutations_of_the_expressions():
    for labels in LABEL_ORDERS.values():
        assert len(set(labels)) == len(labels) and {"angry", "happy", "sad"} < set(labels)
        assert set(labels) <= {*FER2013_CLASSES, "contempt"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("emojis", "fer2013, alphabetical"),
        (["angry", 1], "must be words"),
        ([["angry"], ["happy"]], "must be words"),
        (7, "must be words"),
        (["angry", "happy", "Anger"], "'angry' twice: angry, Anger"),
        ({1: "angry", 2: "happy"}, "from 0"),
        ({"angry": 1, "happy": 2}, "from 0"),
        ({"angry": 0, "happy": 0}, "from 0"),
    ],
    ids=str,
)
def test_other_forms_fail(value, message):
    with pytest.raises(ValueError, match=message):
        parse_labels(value)


def test_every_class_has_its_output(fer2013):
    match = match_labels(LABEL_ORDERS["alphabetical"], fer2013, "p.yaml")
    assert (match.classes, match.outputs, match.notes) == (list(range(7)), [0, 1, 2, 3, 5, 6, 4], ())


def test_outputs_without_a_class_are_ignored_and_noted(fer2013):
    labels = parse_labels([*FERPLUS, "unknown", "Non-Face", "valence"])
    match = match_labels(labels, fer2013, "p.yaml")
    assert len(match.classes) == 7 and match.outputs == [4, 5, 6, 1, 3, 2, 0]
    assert match.notes == ("contempt, unknown, non-face ignored: not in fer2013", "1 of 11 outputs ignored")


def test_classes_without_an_output_are_left_out(fer2013):
    match = match_labels(["sad", "happy", None], fer2013, "p.yaml")
    assert (match.classes, match.outputs) == ([3, 4], [1, 0])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["positive", "negative", "neutral"], "no class 'positive'. The classes of 'fer2013' are angry, disgust, fear"),
        (["happy", "not happy"], "no class 'not happy'"),
        (["calm", "happy", "sad"], "no class 'calm'"),
        (["happy", "sat", "fear"], "Did you mean 'sad'"),
        (["happy", "contempt"], "only the class 'happy'"),
        ([None, "unknown"], "no class of 'fer2013'"),
    ],
    ids=str,
)
def test_labels_of_other_sets_fail_with_the_classes(fer2013, labels, message):
    with pytest.raises(UserError, match=f"p.yaml: .*{message}"):
        match_labels(labels, fer2013, "p.yaml")


def test_two_classes_of_one_expression_fail(fer2013):
    twice = replace(fer2013, classes=("happy", "Joy", "sad"))
    with pytest.raises(UserError, match="happy, Joy, sad"):
        match_labels(["happy", "sad"], twice, "p.yaml")
