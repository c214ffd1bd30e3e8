"""A fixture that builds architectures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from fer_bench.registry.architectures import ARCHITECTURES, describe

NUM_FRAMES = 4  # of a sequence


@pytest.fixture
def build():
    """Return a function that builds an architecture for images of its input size, with the same weights each time.

    `build("vgg16", 48, weights_file=path)`
    """

    def make(
        name: str, size: int, classes: int = 7, weights_file: Path | None = None, dropout: float = 0.0
    ) -> keras.Model:
        keras.utils.set_random_seed(0)
        frames = (NUM_FRAMES,) if describe(name).input_kind == "sequences" else ()
        inputs = keras.Input((*frames, size, size, 1))
        recipe = SimpleNamespace(input_size=size, classes=classes, dropout=dropout, weights_file=weights_file)
        return keras.Model(inputs, ARCHITECTURES.function(name)(inputs, recipe), name=name)

    yield make
    keras.backend.clear_session()
