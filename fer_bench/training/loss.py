"""The loss that training minimizes: cross-entropy on soft targets, class weights, penalties."""

from __future__ import annotations

import keras
import numpy as np

from fer_bench.config.recipe import Recipe


def make_loss(recipe: Recipe) -> keras.losses.Loss:
    """Return the loss of a recipe, a function of targets and logits, both (batch, classes)."""
    common = {"from_logits": True, "label_smoothing": recipe.label_smoothing}
    if recipe.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=recipe.focal_gamma, **common)
    return keras.losses.CategoricalCrossentropy(**common)


def make_targets(recipe: Recipe, labels: np.ndarray, classes: int, soft_labels: np.ndarray | None = None) -> np.ndarray:
    """Return the targets of training: label distributions if the recipe uses them, otherwise one-hot vectors.

    Args:
        recipe: The recipe.
        labels: (samples,).
        classes: Number of classes.
        soft_labels: (samples, classes), the label distributions of the dataset.

    Returns:
        (samples, classes) float32.

    Raises:
        ValueError: The recipe uses label distributions, and there are none or they have a wrong shape.
    """
    if not recipe.soft_labels:
        return np.eye(classes, dtype=np.float32)[labels]
    if soft_labels is None:
        raise ValueError("the recipe trains on soft_labels, but the dataset has no label distributions")
    if soft_labels.shape != (len(labels), classes):
        raise ValueError(f"soft_labels must be of shape {(len(labels), classes)}, not {soft_labels.shape}")
    return soft_labels.astype(np.float32)


def class_weights(recipe: Recipe, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """Return the weight of each class in the loss, (classes,) float32, or None if the recipe has no weights.

    The weight is images / (classes × images of the class), so that the mean weight of an image is 1. The weight of a
    mixed or soft target is targets @ weights.
    """
    if recipe.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def add_kernel_regularizers(model: keras.Model, recipe: Recipe) -> None:
    """Add the recipe's L1 and L2 penalties to all kernels, including pretrained ones.

    Keras counts a penalty only while its variable is trainable, so frozen kernels have none.
    """
    if not (recipe.l1 or recipe.l2):
        return
    for variable in model.variables:
        if "kernel" in variable.name:
            variable.regularizer = keras.regularizers.L1L2(recipe.l1, recipe.l2)
