"""The checks that need no model: what an entry says of itself. Imports no Keras."""

from __future__ import annotations

from collections.abc import Iterator

from fer_bench.config.recipe import resolve
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, source_digest
from fer_bench.training.weights import KERAS_FILES

LONGEST_SUMMARY = 120  # characters


def complaints(architecture: Architecture) -> Iterator[str]:
    """Everything that is wrong with a description, each in one sentence."""
    yield from _summary(architecture)
    yield from _options(architecture)
    yield from _weights(architecture)
    # The recipe alone, without the contract's overrides: UserError says what is wrong with it.
    resolve(architecture.recipe, source=f"the recipe of {architecture.name}")
    digest = source_digest(architecture.name)
    if same := [n for n in ARCHITECTURES.names() if n != architecture.name and source_digest(n) == digest]:
        yield f"its source is that of {same[0]}, letter for letter: their trials could not be told apart"


def _summary(architecture: Architecture) -> Iterator[str]:
    summary = architecture.summary
    if not summary:
        yield "its function has no docstring: write one line that says what it is"
    elif not summary.endswith("."):
        yield f"the first line of its docstring must be a sentence and end with a full stop, not with '{summary[-1]}'"
    elif len(summary) > LONGEST_SUMMARY:
        yield f"the first line of its docstring has {len(summary)} characters: {LONGEST_SUMMARY} at most"


def _options(architecture: Architecture) -> Iterator[str]:
    sizes = architecture.input_sizes
    if not architecture.family:
        yield "family= is empty: say of what building blocks it is made"
    if architecture.input_kind not in ("images", "sequences"):
        yield f"input_kind= must be 'images' or 'sequences', not {architecture.input_kind!r}"
    if not sizes or list(sizes) != sorted(set(sizes)):
        yield f"input_sizes= must name sizes in increasing order, not {sizes}"
    elif architecture.recipe.get("input_size", sizes[0]) < sizes[0]:
        yield f"its default recipe's input_size is below {sizes[0]}, the smallest of input_sizes="


def _weights(architecture: Architecture) -> Iterator[str]:
    if architecture.weights not in (None, "imagenet"):
        yield f"weights= must be 'imagenet' or left out, not {architecture.weights!r}"
    elif architecture.weights:
        if not architecture.paper:
            yield "it has pretrained weights but no paper=: name the author, title, venue and year"
        if architecture.weights_name not in KERAS_FILES:
            yield (
                f"no weights file is known for '{architecture.weights_name}': name one of {', '.join(KERAS_FILES)} "
                "as backbone="
            )
