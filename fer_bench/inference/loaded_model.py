"""Trained models at work: a kept model, an ensemble of them, or a model file, behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import percent
from fer_bench.inference.formats import model_file as formats
from fer_bench.inference.formats.classifier import Classifier, predict_outputs, to_probabilities
from fer_bench.inference.preprocessing.preprocessing import Preprocessing, read_preprocessing

if TYPE_CHECKING:
    from fer_bench.records import StoredRecord
    from fer_bench.records.kept_models import ModelInfo

MAX_BATCH_SIZE = 256
NUM_EXAMPLES = 8
PREPROCESSING_FILE = "preprocessing.yaml"

Tta = Literal["1", "flip", "ten-crop"]


@dataclass(frozen=True)
class Member:
    """A model that predicts, alone or with others.

    Attributes:
        classifier: The model.
        preprocessing: How it takes its images.
        outputs: The output of each class.
        weight: Its weight in the vote.
        tta: The test-time views that are averaged.
        crop: Side of the crops in pixels; None for whole images.
    """

    classifier: Classifier
    preprocessing: Preprocessing
    outputs: tuple[int, ...]
    weight: float = 1.0
    tta: Tta = "1"
    crop: int | None = None

    @cached_property
    def example_outputs(self) -> np.ndarray:
        """Outputs for noise of several brightnesses: what they mean cannot be seen in those of a single image."""
        noise = np.random.default_rng(0).random((NUM_EXAMPLES, *self.preprocessing.read_size))
        brightness = np.linspace(0.1, 1, NUM_EXAMPLES)[:, None, None]
        images = (255 * noise * brightness).astype(np.uint8)
        if self.preprocessing.color_mode != "grayscale":
            images = np.repeat(images[..., None], 3, axis=-1)
        return predict_outputs(
            self.classifier, self.preprocessing, images, np.arange(NUM_EXAMPLES), batch_size=NUM_EXAMPLES
        )


@dataclass(frozen=True)
class LoadedModel:
    """A trained model that predicts the expression of faces.

    Attributes:
        name: Its name, such as "cnn".
        classes: Class names in the order of the probabilities.
        members: The models that vote, usually one.
        face_crop: How the faces of its training images were cropped, as in a dataset's name: "haar+align+margin20".
            Empty if they were not cropped by this program.
        dataset: Name of the dataset that it was trained on; empty if unknown.
        image_size: Height and width of the faces in pixels that it takes; None if it takes any size.
        description: What it is, in a few words.
    """

    name: str
    classes: tuple[str, ...]
    members: tuple[Member, ...] = field(repr=False)
    face_crop: str = ""
    dataset: str = ""
    image_size: tuple[int, int] | None = None
    description: str = ""

    @property
    def classifier(self) -> Classifier:
        """The model that predicts; of an ensemble, the first member."""
        return self.members[0].classifier

    @property
    def color_mode(self) -> str:
        """What the model takes: "grayscale", "rgb" or "bgr"."""
        return self.members[0].preprocessing.color_mode

    def predict_probabilities(self, faces: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Return class probabilities (faces, classes) float32.

        Args:
            faces: Cropped faces (height, width) uint8 of any size, or (height, width, 3) in the order of `color_mode`
                if the model takes color.
        """
        total = np.zeros((len(faces), len(self.classes)))
        for member in self.members:
            total += member.weight * _predict(member, faces)
        return total.astype(np.float32)


def load_model(
    source: str | Path,
    name: str | None = None,
    *,
    dataset: str | None = None,
    protocol: str | None = None,
    preprocessing: str | Path | None = None,
    trust: bool = False,
) -> LoadedModel:
    """Load a trained model.

    Args:
        source: A results folder, or a model file: Keras, TensorFlow.js, ONNX, LiteRT or SavedModel.
        name: In a results folder, an architecture, "ensemble", or the id of a row in leaderboard.csv. Default: the
            best model for photographs, see `select_model`.
        dataset: In a results folder, only models that were trained on this dataset.
        protocol: In a results folder, only models that were trained under this protocol.
        preprocessing: For a file, the YAML file that says how it takes its images. Default: what lies beside it,
            model_info.json, FILE.yaml or preprocessing.yaml.
        trust: Whether a SavedModel, which can run any operation, may be loaded.

    Raises:
        UserError: There is no such model, or it cannot be loaded.
    """
    path = Path(source)
    if not path.exists():
        raise UserError(f"{path} does not exist. Name a results folder or a model file.")
    if path.is_file() or (path / "saved_model.pb").is_file():
        return load_file(path, Path(preprocessing) if preprocessing else None, trust)
    return load_from_results(path, name, dataset, protocol)


def load_from_results(
    results_dir: Path, name: str | None = None, dataset: str | None = None, protocol: str | None = None
) -> LoadedModel:
    """Load a kept model of a results folder, or an ensemble of such, see `select_model`."""
    from fer_bench.inference.saved_models import select_model

    return load_record(*select_model(results_dir, name, dataset, protocol))


def load_record(stored: StoredRecord, members: Sequence[tuple[StoredRecord, float]]) -> LoadedModel:
    """Load the model of a record, or the models of an ensemble's members with their weights."""
    from fer_bench.datasets.class_selection import split_classes
    from fer_bench.inference.saved_models import test_accuracy
    from fer_bench.protocols.registry import ARROW

    trial, classes = stored.record.trial, stored.record.classes
    loaded = [_member_from_record(member, weight) for member, weight in members]
    dataset = trial.dataset.split(ARROW)[0]
    return LoadedModel(
        name=trial.architecture,
        classes=tuple(classes),
        members=tuple(member for member, _ in loaded),
        face_crop=split_classes(dataset)[0].partition("~")[2],
        dataset=dataset,
        image_size=loaded[0][1],
        description=f"{trial}, test accuracy {percent(test_accuracy(stored))} %",
    )


def _member_from_record(stored: StoredRecord, weight: float) -> tuple[Member, tuple[int, int]]:
    """Return the kept model of a record, and the size of the images that it was trained on."""
    from fer_bench.inference.saved_models import check_kept_file
    from fer_bench.records.kept_models import read_info

    trial, file, info = stored.record.trial, stored.model_file, read_info(stored.path)
    assert file is not None
    check_kept_file(file)
    classifier = _load_kept(file, trial.architecture)
    crop, tta = trial.recipe.get("crop"), trial.recipe.get("tta", "1")
    height, width = info.image_shape if info else _image_size(classifier)
    preprocessing = _raw_pixels(_image_size(classifier), stored.record.classes)
    outputs = tuple(range(len(stored.record.classes)))
    return Member(classifier, preprocessing, outputs, weight, tta, crop), (height, width)


def load_file(file: Path, preprocessing_file: Path | None = None, trust: bool = False) -> LoadedModel:
    """Load a model file. A file without a preprocessing is a kept model, or has one beside it.

    Raises:
        UserError: The file is no model, how it takes its images is unknown, or it cannot be loaded.
    """
    formats.check_model_file(file, trust)
    found = preprocessing_file or _beside(file)
    if found is None and (info := _read_info(file)):
        classifier = _load_kept(file, info.architecture)
        size = (info.image_shape[0], info.image_shape[1])
        preprocessing = _raw_pixels(_image_size(classifier), info.classes, size)
        member = Member(classifier, preprocessing, tuple(range(len(info.classes))))
        crop = info.dataset.partition("~classes")[0].partition("~")[2]
        return LoadedModel(info.architecture, tuple(info.classes), (member,), crop, info.dataset, size, str(file))
    if found is None:
        raise UserError(
            f"How {file} takes its images is unknown. Name a YAML file with --preprocessing; `evaluate --help` "
            "describes it."
        )
    preprocessing = read_preprocessing(found)
    if preprocessing.interpolation is None:  # as files of datasets are reduced
        preprocessing = preprocessing.model_copy(update={"interpolation": "area"})
    if formats.needs_keras(file):
        _import_keras()
    classifier = formats.load(file)
    outputs = tuple(i for i, label in enumerate(preprocessing.labels) if label is not None)
    classes = tuple(label for label in preprocessing.labels if label is not None)
    if len(classes) < 2:
        raise UserError(f"{found}: labels has {len(classes)} classes. At least two are necessary.")
    return LoadedModel(
        name=file.stem,
        classes=classes,
        members=(Member(classifier, preprocessing, outputs),),
        face_crop=preprocessing.face_crop or "",
        image_size=_face_size(preprocessing),
        description=str(file),
    )


def _face_size(preprocessing: Preprocessing) -> tuple[int, int] | None:
    """Return the size to which faces may be reduced before the preprocessing; None if that would change them."""
    is_plain = preprocessing.equalize == "none" and preprocessing.interpolation == "area"
    return preprocessing.read_size if is_plain else None


def _read_info(file: Path) -> ModelInfo | None:
    from fer_bench.records.kept_models import read_info

    return read_info(file.parent)


def _beside(file: Path) -> Path | None:
    """Return the preprocessing file that lies beside a model file."""
    candidates = (file.with_suffix(".yaml"), file.with_name(f"{file.name}.yaml"), file.with_name(PREPROCESSING_FILE))
    return next((candidate for candidate in candidates if candidate.is_file() and candidate != file), None)


def _load_kept(file: Path, architecture: str) -> Classifier:
    _import_keras()
    import fer_bench.layers  # noqa: F401
    from fer_bench.registry.architectures import ARCHITECTURES

    if architecture in ARCHITECTURES:  # a saved model refers to custom layers by name
        ARCHITECTURES.function(architecture)
    classifier = formats.load(file)
    if len(classifier.input_shape) != 4:
        raise UserError(f"{file} takes sequences of images. Name a model for images.")
    return classifier


def _import_keras() -> None:
    from fer_bench.core.backend import import_keras

    import_keras(None)


def _image_size(classifier: Classifier) -> tuple[int, int]:
    _, height, width, _ = classifier.input_shape
    assert height and width
    return height, width


def _raw_pixels(size: tuple[int, int], classes: Sequence[str], whole: tuple[int, int] | None = None) -> Preprocessing:
    """Return the preprocessing of our own models: gray pixels from 0 to 255, classes in their order, logits.

    Args:
        size: Height and width of the model's input.
        classes: The class names.
        whole: Height and width of the images whose middle the model takes.
    """
    placeholder = Preprocessing(
        input_size=size, resize_size=whole, scaling="none", labels=["angry", "happy"], outputs="logits"
    )
    return placeholder.model_copy(update={"labels": list(classes)})  # which may be any words


def _predict(member: Member, faces: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Return the probabilities of one model, averaged over its test-time views."""
    if member.tta == "1" and member.crop is None:
        return _predict_views(member, [faces])
    from fer_bench.training.batches import tta_views

    pixels = np.stack([*faces])[..., None]
    return _predict_views(member, [view[..., 0] for view in tta_views(pixels, member.tta, member.crop)])


def _predict_views(member: Member, views: Sequence[np.ndarray | Sequence[np.ndarray]]) -> np.ndarray:
    classifier, preprocessing = member.classifier, member.preprocessing
    unlabeled = [i for i, label in enumerate(preprocessing.labels) if label is None]
    probabilities = []
    for view in views:
        images = view if isinstance(view, np.ndarray) else _Images(view)
        batch_size = _batch_size(classifier, len(view))
        outputs = predict_outputs(classifier, preprocessing, images, np.arange(len(view)), batch_size=batch_size)
        outputs = np.concatenate([outputs, member.example_outputs])
        of_all = to_probabilities(outputs, preprocessing.outputs, member.outputs, str(classifier.file), unlabeled)
        probabilities.append(of_all[: len(view)])
    return np.asarray(np.mean(probabilities, axis=0, dtype=np.float64))


def _batch_size(classifier: Classifier, count: int) -> int:
    """Return a batch size: Keras traces a model once per size, so it gets few different ones."""
    if classifier.layout is None:  # ONNX: any size
        return min(count, MAX_BATCH_SIZE)
    return min(1 << max(count - 1, 0).bit_length(), MAX_BATCH_SIZE)


class _Images:
    """A list of images that is indexed by an array of positions."""

    def __init__(self, images: Sequence[np.ndarray]) -> None:
        self._images = images

    def __getitem__(self, indices: np.ndarray) -> Sequence[np.ndarray]:
        return [self._images[index] for index in indices]
