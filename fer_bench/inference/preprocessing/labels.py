"""The labels of an external model's outputs, and which class of a dataset each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean, split_names
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import LABEL_ORDERS, canonical_emotion, canonical_label
from fer_bench.protocols.registry import ARROW

# Outputs that are no expression, as in FER+ and AffectNet; only the letters.
NO_EXPRESSION = ("unknown", "nf", "none", "uncertain", "nonface", "notaface", "noface", "other", "others", "background")
NO_CLASS = ("valence", "arousal", "null", "ignore", "ignored")  # words for an output that is no class
HOW_TO = f"Write the labels as a list in the order of the outputs, or the name of an order: {', '.join(LABEL_ORDERS)}."


@dataclass(frozen=True)
class LabelMatch:
    """Which classes of a dataset a model has.

    Attributes:
        classes: Indices into the dataset's classes, ascending.
        outputs: The index of the output of each of these classes.
        notes: Short notes on the outputs that are ignored.
    """

    classes: list[int]
    outputs: list[int]
    notes: tuple[str, ...]


def parse_labels(value: Any) -> list[str | None]:
    """Return one label per output in the standard words for expressions; None for valence, arousal and null.

    value: A list, a text with commas, a mapping between words and the numbers of all outputs, or a name in
        LABEL_ORDERS.

    Raises:
        ValueError: It is something else, or two outputs have the same label.
    """
    names = _as_list(value)
    if not isinstance(names, Sequence) or any(not isinstance(name, str) for name in names if name is not None):
        raise ValueError(f"labels must be words, not {value!r}. {HOW_TO}")
    labels = [None if name is None or name.strip().lower() in NO_CLASS else canonical_label(name) for name in names]
    for i, label in enumerate(labels):
        if label is not None and label in labels[:i]:
            first = names[labels.index(label)]
            raise ValueError(f"labels contains '{label}' twice" + (f": {first}, {names[i]}" * (first != names[i])))
    return labels


def _as_list(value: Any) -> Any:
    """Return the labels in the order of the outputs, from any of the forms that a file may have."""
    if isinstance(value, str) and "," not in value:
        return _order(value)
    if isinstance(value, str):
        return [name.strip("'\" ") for name in split_names(value.strip("[](){} "))]
    if not isinstance(value, Mapping):
        return value
    # Keras' class_indices map words to numbers, most code maps numbers to words.
    words_first = all(isinstance(number, int) for number in value.values())
    pairs = [(number, word) if words_first else (word, number) for word, number in value.items()]
    numbered = {int(number) if str(number).isdecimal() else -1: word for number, word in pairs}
    if sorted(numbered) != list(range(len(value))):
        raise ValueError("labels must number the outputs from 0")
    return [numbered[i] for i in range(len(value))]


def _is_ignorable(label: str) -> bool:
    """Return whether a label is an expression, or says that there is none."""
    return canonical_emotion(label) is not None or _only(str.isalpha, label) in NO_EXPRESSION


def _only(kind: Callable[[str], bool], text: str) -> str:
    return "".join(letter for letter in text if kind(letter))


def _order(name: str) -> Sequence[str]:
    """Return an order of outputs by its name, in any spelling. Raises ValueError for another word."""
    spelled = _only(str.isalnum, name.lower().replace("+", "plus"))
    if spelled not in LABEL_ORDERS:
        raise ValueError(f"labels cannot be '{name}'. {HOW_TO}")
    return LABEL_ORDERS[spelled]


def match_labels(labels: Sequence[str | None], dataset: Dataset, source: object) -> LabelMatch:
    """Match the labels of a model to the classes of a dataset by name.

    An expression that the dataset does not have is ignored with a note, and so are, across two datasets, the classes
    that only one of them has.

    Args:
        labels: One label per output, as `parse_labels` returns them.
        dataset: The dataset.
        source: The file with the labels, for messages.

    Raises:
        UserError: A label is neither a class of the dataset nor an expression, or fewer than two classes have an
            output.
    """
    classes = [canonical_label(name) for name in dataset.classes]
    its_classes = f"The classes of '{dataset.name}' are {', '.join(dataset.classes)}."
    if len(set(classes)) < len(classes):
        raise UserError(
            f"{source}: labels do not tell some classes apart. {its_classes} Merge those of one expression."
        )
    foreign = [name for name in labels if name is not None and name not in classes]
    for name in foreign:
        if ARROW not in dataset.name and not _is_ignorable(name):
            hint = guess if (guess := did_you_mean(name, classes)).startswith("Did") else its_classes
            raise UserError(f"{source}: '{dataset.name}' has no class '{name}'. {hint} null ignores an output.")
    known = [i for i, name in enumerate(classes) if name in labels]
    if len(known) < 2:
        found = f"only the class '{classes[known[0]]}'" if known else "no class"
        raise UserError(f"{source}: labels has {found} of '{dataset.name}'. At least two are necessary. {its_classes}")
    notes = [f"{', '.join(foreign)} ignored: not in {dataset.name}"] if foreign else []
    if num_null := sum(name is None for name in labels):
        notes.append(f"{num_null} of {len(labels)} outputs ignored")
    return LabelMatch(known, [list(labels).index(classes[i]) for i in known], tuple(notes))
