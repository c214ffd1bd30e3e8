"""Checks of an architecture's docstring and registry options. They need no model and import no Keras."""

from __future__ import annotations

from collections.abc import Iterator

from fer_bench.config.recipe import Recipe, resolve
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, source_digest
from fer_bench.training.weights import KERAS_FILES

MAX_SUMMARY_LENGTH = 120  # characters


def find_problems(architecture: Architecture) -> Iterator[str]:
    """Yield each problem of an architecture's docstring and options as one sentence.

    Raises:
        UserError: The architecture's default recipe is invalid.
    """
    recipe = resolve(architecture.recipe, source=f"the recipe of {architecture.name}")
    yield from _summary(architecture)
    yield from _options(architecture, recipe)
    yield from _weights(architecture)
    digest = source_digest(architecture.name)
    if same := [n for n in ARCHITECTURES.names() if n != architecture.name and source_digest(n) == digest]:
        yield f"its source is identical to that of {same[0]}: change or remove one of them"


def _summary(architecture: Architecture) -> Iterator[str]:
    summary = architecture.summary
    if not summary:
        yield "its function has no docstring: write one line that describes it"
    elif not summary.endswith("."):
        yield f"the first line of its docstring must end with a period, not with '{summary[-1]}'"
    elif len(summary) > MAX_SUMMARY_LENGTH:
        yield f"the first line of its docstring has {len(summary)} characters: the maximum is {MAX_SUMMARY_LENGTH}"


def _options(architecture: Architecture, recipe: Recipe) -> Iterator[str]:
    sizes = architecture.input_sizes
    if not architecture.family:
        yield "family= is empty: name the family of networks"
    if architecture.input_kind not in ("images", "sequences"):
        yield f"input_kind= must be 'images' or 'sequences', not {architecture.input_kind!r}"
    if not sizes or list(sizes) != sorted(set(sizes)):
        yield f"input_sizes= must be increasing, not {sizes}"
    elif min(recipe.input_sizes) < sizes[0]:
        yield f"the input_size of its default recipe is below {sizes[0]}, the smallest of input_sizes="


def _weights(architecture: Architecture) -> Iterator[str]:
    if architecture.weights not in (None, "imagenet"):
        yield f"weights= must be 'imagenet' or None, not {architecture.weights!r}"
    elif architecture.weights:
        if not architecture.paper:
            yield "it has pretrained weights but no paper=: add author, title, venue and year"
        if architecture.weights_name not in KERAS_FILES:
            yield (
                f"no weights file is known for '{architecture.weights_name}': "
                f"set backbone= to one of {', '.join(KERAS_FILES)}"
            )
