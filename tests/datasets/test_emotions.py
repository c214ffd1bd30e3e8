"""Names of expressions: spellings and their canonical names."""

import pytest

from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.emotions import EMOTIONS, canonical_emotion


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("anger", "angry"),
        ("Happiness", "happy"),
        ("SADNESS", "sad"),
        ("surprised", "surprise"),
        ("disgusted", "disgust"),
        ("Fearful", "fear"),
        ("scared", "fear"),
        ("neutrality", "neutral"),
        ("contempt", "contempt"),
        ("Suprised", "surprise"),
        ("joyful", "happy"),
        ("0_angry", "angry"),
        ("1 - Anger", "angry"),
        ("03. fear", "fear"),
        (" 6neutral ", "neutral"),
    ],
)
def test_spellings(spelling, canonical):
    assert canonical_emotion(spelling) == canonical


@pytest.mark.parametrize("name", ["", "7", "cats", "train", "angry faces", "un-happy", "sadly", "calm", "not happy"])
def test_other_names(name):
    assert canonical_emotion(name) is None


def test_order_is_that_of_fer2013_then_contempt():
    assert (*FER2013_CLASSES, "contempt") == EMOTIONS and all(canonical_emotion(name) == name for name in EMOTIONS)
