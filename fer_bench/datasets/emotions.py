"""The names of expressions: one per class, for all spellings in folders and files."""

from __future__ import annotations

import re

# FER2013's classes in FER2013's order, then contempt.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

SYNONYMS = {
    "angry": ("anger",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "scared", "afraid"),
    "happy": ("happiness", "joy"),
    "sad": ("sadness",),
    "surprise": ("surprised",),
    "neutral": ("neutrality",),
    "contempt": ("contemptuous",),
}

_CANONICAL = {synonym: name for name in EMOTIONS for synonym in (name, *SYNONYMS[name])}
_NUMBER = re.compile(r"^\d+\s*[-_.:)]*\s*")  # as in "0_angry" and "1 - Anger"


def canonical_emotion(name: str) -> str | None:
    """Return the name in EMOTIONS for a spelling in any case, with or without a number before it; else None."""
    return _CANONICAL.get(_NUMBER.sub("", name.strip().lower()))


def canonical_label(name: str) -> str:
    """Return the standard name of an expression, or another class's own name in lower case."""
    return canonical_emotion(name) or name.strip().lower()
