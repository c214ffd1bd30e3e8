"""The models of an architecture that the checks share, and the batch that they predict."""

from __future__ import annotations

from functools import cached_property

import keras
import numpy as np

from fer_bench.config.recipe import Recipe, resolve
from fer_bench.contract.steps import StepResult, train_two_steps
from fer_bench.registry.architectures import Architecture, describe
from fer_bench.training.train import build_model

IMAGE_SIZE = 48  # height and width of the images; the model resizes them to its input size
NUM_FRAMES = 4  # of a sequence
BATCH_SIZE = 4
NUM_CLASSES = 7
OTHER_NUM_CLASSES = 5  # a second value, to find models that ignore recipe.classes
# No check downloads weights, freezes layers or depends on random masks.
RECIPE_OVERRIDES = {
    "initial_weights": "random",
    "backbone": {"trainable_blocks": "all"},
    "crop": None,
    "dropout": 0.0,
    "precision": "float32",
    "tta": "1",
}


class ModelUnderTest:
    """An architecture with its models, which have random weights and are built when first used."""

    def __init__(self, name: str, quick: bool = False) -> None:
        self.name = name
        self.quick = quick

    @cached_property
    def architecture(self) -> Architecture:
        return describe(self.name)

    @cached_property
    def recipe(self) -> Recipe:
        return resolve(self.architecture.recipe, RECIPE_OVERRIDES, source=f"the recipe of {self.name}")

    @property
    def default_size(self) -> int:
        """The input size of the model that the architecture's default recipe trains."""
        return self.recipe.final_input_size

    @property
    def frames(self) -> tuple[int, ...]:
        """The time axis of the input's shape; empty for images."""
        return (NUM_FRAMES,) if self.architecture.input_kind == "sequences" else ()

    @property
    def sizes(self) -> list[int]:
        """The default input size and the declared ones (only the smallest if `quick`), in increasing order."""
        declared = self.architecture.input_sizes
        return sorted({*(declared[:1] if self.quick else declared), self.default_size})

    def build(
        self, size: int | None = None, classes: int = NUM_CLASSES, seed: int = 0, precision: str = "float32"
    ) -> keras.Model:
        """Build a new model, by default at the input size of the architecture's default recipe."""
        recipe = self.recipe.model_copy(update={"input_size": size or self.default_size, "precision": precision})
        previous_policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision)
        keras.utils.set_random_seed(seed)
        try:
            return build_model(self.name, recipe, (*self.frames, IMAGE_SIZE, IMAGE_SIZE), classes)
        finally:
            keras.config.set_dtype_policy(previous_policy)

    @cached_property
    def model(self) -> keras.Model:
        """The model that no check trains."""
        return self.build()

    @cached_property
    def same_seed_model(self) -> keras.Model:
        """A second model with the same seed. It is trained after its initial weights have been compared."""
        return self.build()

    @cached_property
    def steps(self) -> StepResult:
        """The result of two training steps, at 48 pixels or more: below, feature maps of deep networks are 1×1."""
        model = self.same_seed_model if self.default_size >= IMAGE_SIZE else self.build(IMAGE_SIZE)
        return train_two_steps(model, self.pixels, np.arange(BATCH_SIZE) % NUM_CLASSES)

    @cached_property
    def other_seed_model(self) -> keras.Model:
        """A model with another seed, the smallest input size, another number of classes, and bfloat16 layers."""
        return self.build(self.sizes[0], OTHER_NUM_CLASSES, seed=1, precision="mixed_bfloat16")

    @cached_property
    def pixels(self) -> np.ndarray:
        """A batch of different coarse random patterns, uint8, (batch, [time,] height, width, 1)."""
        coarse = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, *self.frames, 6, 6, 1), dtype=np.uint8)
        return coarse.repeat(IMAGE_SIZE // 6, axis=-3).repeat(IMAGE_SIZE // 6, axis=-2)

    @cached_property
    def logits(self) -> np.ndarray:
        """The logits of the untrained model for `pixels`, (batch, classes)."""
        return predict(self.model, self.pixels)


def predict(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Return the logits of one batch, with the call that is fastest for a single batch on each backend."""
    if keras.backend.backend() == "jax":
        return np.asarray(model.predict_on_batch(pixels))  # a direct call compiles each operation separately
    return keras.ops.convert_to_numpy(model(pixels, training=False))  # predict() traces a graph first
