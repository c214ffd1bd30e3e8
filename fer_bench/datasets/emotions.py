"""The names of expressions: one per class, for all spellings in folders and files."""

from __future__ import annotations

import re
import unicodedata

# FER2013's classes in FER2013's order, then contempt.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

# Including misspellings that are common in public datasets and code.
SYNONYMS = {
    "angry": ("anger", "angriness", "mad"),
    "disgust": ("disgusted", "disgusting", "digust"),
    "fear": ("fearful", "scared", "afraid", "frightened"),
    "happy": ("happiness", "happyness", "hapiness", "joy", "joyful"),
    "sad": ("sadness", "sorrow"),
    "surprise": ("surprised", "surprising", "suprise", "suprised", "astonished"),
    "neutral": ("neutrality",),
    "contempt": ("contemptuous", "comtempt", "scorn"),
}

# The usual orders of a model's outputs, and of the codes of datasets.
LABEL_ORDERS: dict[str, tuple[str, ...]] = {
    # The codes 0 to 6 in fer2013.csv.
    "fer2013": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    # Folders of image-classification datasets, as Keras' flow_from_directory numbers them.
    "alphabetical": ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "alphabetical8": ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    # The columns of fer2013new.csv, without unknown and NF; Barsoum et al. 2016 and its ONNX model.
    "ferplus": ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"),
    # The codes 1 to 7 of list_patition_label.txt.
    "rafdb": ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"),
    # The codes 0 to 7 of Mollahosseini et al. 2017, and without contempt.
    "affectnet": ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"),
    "affectnet7": ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"),
    # The codes 1 to 7 of CK+, and 0 to 7 with the neutral first frames.
    "ckplus": ("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"),
    "ckplus8": ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"),
}

_CANONICAL = {synonym: name for name in EMOTIONS for synonym in (name, *SYNONYMS[name])}
_NUMBER = re.compile(r"^\d+\s*[-_.:)]*\s*")  # as in "0_angry" and "1 - Anger"


def canonical_emotion(name: str) -> str | None:
    """Return the name in EMOTIONS for a spelling in any case, with or without a number before it; else None."""
    return _CANONICAL.get(_NUMBER.sub("", name.strip().lower()))


def canonical_label(name: str) -> str:
    """Return the standard name of an expression, or another class's own name in lower case."""
    return canonical_emotion(name) or unicodedata.normalize("NFC", name).strip().lower()
