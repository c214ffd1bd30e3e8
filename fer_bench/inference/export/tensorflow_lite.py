"""Write a Keras model as a LiteRT file (.tflite), with the converter that TensorFlow contains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def write(model: keras.Model, file: Path, calibration: np.ndarray | None) -> None:
    """Write a model with the operations of LiteRT only.

    Args:
        model: The model.
        file: The new file.
        calibration: Pixels (images, …) uint8 whose activations set the ranges of an 8-bit model, whose input and output
            remain float32; None for a float32 model.
    """
    options: dict[str, Any] = {}
    if calibration is not None:

        def images() -> Iterator[list[np.ndarray]]:
            for image in calibration:
                yield [image[None].astype(np.float32)]

        options = {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": images}
    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    model.export(file, format="litert", verbose=False, target_spec=builtins, **options)
