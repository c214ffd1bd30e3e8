"""What training minimises: a loss on soft targets, class weights, penalties."""

from __future__ import annotations

import keras
import numpy as np

from fer_bench.config.recipe import Recipe


def make_loss(recipe: Recipe) -> keras.losses.Loss:
    """The loss of a recipe, from logits and targets, both (batch, classes)."""
    common = {"from_logits": True, "label_smoothing": recipe.label_smoothing}
    if recipe.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=recipe.focal_gamma, **common)
    return keras.losses.CategoricalCrossentropy(**common)


def make_targets(recipe: Recipe, labels: np.ndarray, classes: int, soft_labels: np.ndarray | None = None) -> np.ndarray:
    """What training aims at, (samples, classes) float32: label distributions where the recipe asks, else one-hot.

    ValueError where it asks for distributions that there are not.
    """
    if not recipe.soft_labels:
        return np.eye(classes, dtype=np.float32)[labels]
    if soft_labels is None:
        raise ValueError("the recipe trains on soft_labels, but the dataset has no label distributions")
    if soft_labels.shape != (len(labels), classes):
        raise ValueError(f"soft_labels must be of shape {(len(labels), classes)}, not {soft_labels.shape}")
    return soft_labels.astype(np.float32)


def class_weights(recipe: Recipe, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """Weight of each class in the loss, (classes,) float32, or None: images / (classes × images of the class).

    A mixed or soft target weighs targets @ weights. On average an image weighs one.
    """
    if recipe.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def add_kernel_regularizers(model: keras.Model, recipe: Recipe) -> None:
    """Put the recipe's L1 and L2 penalties on all kernels, pretrained ones too.

    Keras counts a penalty only while its variable is trained: frozen kernels cost nothing.
    """
    if not (recipe.l1 or recipe.l2):
        return
    for variable in model.variables:
        if "kernel" in variable.name:
            variable.regularizer = keras.regularizers.L1L2(recipe.l1, recipe.l2)
