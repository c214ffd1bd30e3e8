"""An architecture under check: its models, and what they are shown."""

from __future__ import annotations

from functools import cached_property

import keras
import numpy as np

from fer_bench.config.recipe import Recipe, resolve
from fer_bench.contract.steps import Steps, two_steps
from fer_bench.registry.architectures import Architecture, describe
from fer_bench.training.train import build_model

IMAGE_SIZE = 48  # pixels of the images, whatever size the model works at inside
NUM_FRAMES = 4  # frames of a sequence
BATCH_SIZE = 4
CLASSES = 7
OTHER_CLASSES = 5  # a number of classes is the recipe's to say
# No check downloads weights, and none depends on luck: neither freezing nor dropout.
PLAIN = {
    "initial_weights": "random",
    "backbone": {"trainable_blocks": "all"},
    "crop": None,
    "dropout": 0.0,
    "precision": "float32",
    "tta": "1",
}


class ModelUnderTest:
    """An architecture under check. Its models have random weights and are built when they are first asked for."""

    def __init__(self, name: str, quick: bool = False) -> None:
        self.name = name
        self.quick = quick

    @cached_property
    def architecture(self) -> Architecture:
        return describe(self.name)

    @cached_property
    def recipe(self) -> Recipe:
        return resolve(self.architecture.recipe, PLAIN, source=f"the recipe of {self.name}")

    @property
    def sizes(self) -> list[int]:
        """Input sizes to build it at: its default one, and all that it names, or only the smallest if quick."""
        named = self.architecture.input_sizes
        return sorted({*(named[:1] if self.quick else named), self.recipe.input_size})

    def build(
        self, size: int | None = None, classes: int = CLASSES, seed: int = 0, precision: str = "float32"
    ) -> keras.Model:
        """A new model, at the default recipe's input size where none is given."""
        frames = (NUM_FRAMES,) if self.architecture.input_kind == "sequences" else ()
        recipe = self.recipe.model_copy(update={"input_size": size or self.recipe.input_size, "precision": precision})
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision)
        keras.utils.set_random_seed(seed)
        try:
            return build_model(self.name, recipe, (*frames, IMAGE_SIZE, IMAGE_SIZE), classes)
        finally:
            keras.config.set_dtype_policy(before)

    @cached_property
    def model(self) -> keras.Model:
        """The model that no check trains."""
        return self.build()

    @cached_property
    def same_seed_model(self) -> keras.Model:
        """Built once more with the same seed; the one to train, after its weights have been compared."""
        return self.build()

    @cached_property
    def steps(self) -> Steps:
        """What two steps of training do. Below 48 pixels, deep networks have nothing left to attend to."""
        model = self.same_seed_model if self.recipe.input_size >= IMAGE_SIZE else self.build(IMAGE_SIZE)
        return two_steps(model, self.pixels, np.arange(BATCH_SIZE) % CLASSES)

    @cached_property
    def other_seed_model(self) -> keras.Model:
        """At its smallest size, with another seed, other classes, and layers that compute in bfloat16."""
        return self.build(self.sizes[0], OTHER_CLASSES, seed=1, precision="mixed_bfloat16")

    @cached_property
    def pixels(self) -> np.ndarray:
        """Coarse patterns, each image its own: (batch, [time,] height, width, 1) uint8."""
        frames = (NUM_FRAMES,) if self.architecture.input_kind == "sequences" else ()
        coarse = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, *frames, 6, 6, 1), dtype=np.uint8)
        return coarse.repeat(IMAGE_SIZE // 6, axis=-3).repeat(IMAGE_SIZE // 6, axis=-2)

    @cached_property
    def logits(self) -> np.ndarray:
        """What the untrained model makes of the pixels."""
        return predict(self.model, self.pixels)


def predict(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """The logits of a batch, by the way that costs a single batch the least on each backend."""
    if keras.backend.backend() == "jax":
        return np.asarray(model.predict_on_batch(pixels))  # each operation alone would be compiled alone
    return keras.ops.convert_to_numpy(model(pixels, training=False))  # tracing a graph takes longer than four images
