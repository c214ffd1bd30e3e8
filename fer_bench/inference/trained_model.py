"""A trained model for users of the Python API: `fer_bench.load_model`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fer_bench.inference import loaded_model
from fer_bench.inference.explain.heat_maps import Explanation, explain
from fer_bench.inference.loaded_model import LoadedModel
from fer_bench.inference.predict.images import predict_frame

if TYPE_CHECKING:
    import pandas as pd


class TrainedModel(LoadedModel):
    """A trained model that predicts the expressions in images; see `LoadedModel` for its attributes."""

    def predict(
        self, images: Any, detector: Literal["haar", "yunet", "none"] | None = None, **options: Any
    ) -> pd.DataFrame:
        """Predict the expressions in images.

        Args:
            images: Paths of images and folders, or arrays of pixels (height, width[, 1 or 3]) uint8, or one of these.
            detector: How faces are found: "haar", "yunet", or "none" for images that are cropped to a face. Default:
                for paths as in the model's dataset, else "haar"; for arrays "none".
            **options: `align`, `margin` as a fraction of the face's width, and `yunet_model`, as in the command
                `predict`.

        Returns:
            One row per face, and one without values for an image without a face: `file` or `image` (its position),
            `face` from 1, its box `x`, `y`, `width` and `height` in pixels, `label`, `probability`, and one column per
            class.

        Raises:
            UserError: A path does not exist, or an image cannot be read.

        Examples:
            >>> model = fer_bench.load_model("results", "cnn")
            >>> model.predict("photographs")[["file", "label", "probability"]]
        """
        return predict_frame(self, images, detector, **options)

    def explain(
        self, face: np.ndarray, label: str | None = None, method: Literal["auto", "grad-cam", "occlusion"] = "auto"
    ) -> Explanation:
        """Return where the model looks in a cropped face, as the command `explain` shows it.

        Args:
            face: (height, width) uint8, or (height, width, 3) in the order of `color_mode` if the model takes color.
            label: The class to explain. Default: the class that the model predicts.
            method: "grad-cam", "occlusion", or "auto": the first if the model is a Keras network with convolutions.

        Returns:
            `label`, `probability`, and `heat`, (height, width) in 0 to 1: 1 is the place that supports the class most.

        Raises:
            UserError: The model has no such class, or the method does not apply to it.
        """
        return explain(self, face, label, method)


def load_model(
    source: str | Path,
    name: str | None = None,
    *,
    dataset: str | None = None,
    protocol: str | None = None,
    preprocessing: str | Path | None = None,
    trust: bool = False,
) -> TrainedModel:
    """Load a trained model.

    Args:
        source: A results folder, or a model file: Keras, TensorFlow.js, ONNX, LiteRT or SavedModel.
        name: In a results folder, an architecture, "ensemble", or the id of a row in leaderboard.csv. Default: the
            best model for photographs: trained on the dataset with the most images, with the best validation accuracy.
        dataset: In a results folder, only models that were trained on this dataset.
        protocol: In a results folder, only models that were trained under this protocol.
        preprocessing: For a file, the YAML file that says how it takes its images. Default: what lies beside it,
            FILE.yaml, preprocessing.yaml or model_info.json.
        trust: Whether a SavedModel, which can run any operation, may be loaded.

    Returns:
        The model. `classes` are its class names, and `predict` takes images or paths and returns a pandas frame.

    Raises:
        UserError: There is no such model, or it cannot be loaded.

    Examples:
        >>> model = fer_bench.load_model("results", "cnn")
        >>> model.classes
        ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
    """
    loaded = loaded_model.load_model(
        source, name, dataset=dataset, protocol=protocol, preprocessing=preprocessing, trust=trust
    )
    return TrainedModel(**{field.name: getattr(loaded, field.name) for field in fields(loaded)})
