"""Where a model looks: heat maps of faces by Grad-CAM or occlusion, and the deletion test that checks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean
from fer_bench.datasets.images import import_opencv
from fer_bench.inference.formats import model_file as formats

if TYPE_CHECKING:
    from fer_bench.inference.loaded_model import LoadedModel, Member

Method = Literal["auto", "grad-cam", "occlusion"]
METHODS = ("auto", "grad-cam", "occlusion")
PATCHES_PER_SIDE = 4  # an occluding patch is a quarter of the face wide, and moves by half of itself
DELETED_SHARE = 0.2  # of the pixels in the deletion test
MAX_PREDICTED = 2048  # faces at once

Predict = Callable[[np.ndarray], np.ndarray]  # faces (n, height, width) uint8 → probabilities (n, classes)


@dataclass(frozen=True)
class Explanation:
    """Where a model looks in a face.

    Attributes:
        label: The explained class.
        probability: What the model gives this class, a fraction.
        heat: (height, width) float32 in 0 to 1, the size of the face; 1 is the place that supports the class most.
        method: "grad-cam" or "occlusion".
        face: The face, (height, width) uint8, or (height, width, 3) for a model that takes color.
    """

    label: str
    probability: float
    heat: np.ndarray
    method: str
    face: np.ndarray


@dataclass(frozen=True)
class DeletionResult:
    """How much the probability falls, mean over images, if pixels are replaced by the mean of the face.

    Attributes:
        marked: If the pixels are those that the heat map marks most.
        random: If they form the same shape at a random place.
        num_images: Number of images.
    """

    marked: float
    random: float
    num_images: int


def explain(model: LoadedModel, face: np.ndarray, label: str | None = None, method: Method = "auto") -> Explanation:
    """Return where a model looks in a cropped face.

    Args:
        model: The model.
        face: (height, width) uint8, or (height, width, 3) if the model takes color.
        label: The class to explain. Default: the class that the model predicts.
        method: See `heat_maps`.

    Raises:
        UserError: The face is no such array, the model has no such class, or the method does not apply to it.
    """
    face, expected = np.asarray(face), "height, width" if model.color_mode == "grayscale" else "height, width, 3"
    if face.dtype != np.uint8 or face.ndim != len(expected.split(",")) or face.shape[2:] not in ((), (3,)):
        raise UserError(f"The face is {face.dtype} of shape {face.shape}. Pass uint8 pixels ({expected}).")
    if label is not None and label not in model.classes:
        raise UserError(f"{model.name} has no class '{label}'. {did_you_mean(label, model.classes)}")
    probabilities = model.predict_probabilities(face[None])[0]
    index = int(probabilities.argmax()) if label is None else model.classes.index(label)
    heat, used = heat_maps(model, face[None], np.array([index]), method)
    return Explanation(model.classes[index], float(probabilities[index]), heat[0], used, face)


def heat_maps(
    model: LoadedModel, faces: np.ndarray, classes: np.ndarray, method: Method = "auto"
) -> tuple[np.ndarray, str]:
    """Return a heat map for each face, and the method.

    Args:
        model: The model.
        faces: (faces, height, width[, 3]) uint8.
        classes: The class to explain for each face, (faces,) int.
        method: "grad-cam" is for Keras networks with convolutions that see the whole face, "occlusion" for every model;
            "auto" takes the first if it applies.

    Returns:
        Heat maps (faces, height, width) float32 in 0 to 1, of which the largest value is 1, or all are 0 where nothing
        supports the class; and the method.

    Raises:
        UserError: Grad-CAM does not apply to the model, or the method is unknown.
    """
    if method not in METHODS:
        raise UserError(f"Unknown method '{method}'. {did_you_mean(method, METHODS)}")
    networks = [] if method == "occlusion" else [_find_network(member) for member in model.members]
    if networks and all(networks):
        weighted = zip(networks, model.members, strict=True)
        maps = [member.weight * _member_maps(network, member, faces, classes) for network, member in weighted]
        return normalize(np.sum(maps, axis=0)), "grad-cam"
    if method == "grad-cam":
        raise UserError(
            f"Grad-CAM does not apply to {model.name}: it is for Keras models with convolutions that see the whole "
            "face, on TensorFlow or JAX. Use the method occlusion."
        )
    return normalize(occlusion(model.predict_probabilities, faces, classes)), "occlusion"


def occlusion(predict: Predict, faces: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return how much the probability of a class falls if a place is covered; Zeiler & Fergus, ECCV 2014.

    Args:
        predict: Returns class probabilities.
        faces: (faces, height, width[, 3]) uint8.
        classes: The class of each face, (faces,) int.

    Returns:
        The fall of the probability, mean over the patches that cover a pixel, 0 where it rises: (faces, height, width).
    """
    masks = _patches(faces.shape[1:3])
    per_chunk = max(1, MAX_PREDICTED // len(masks))
    chunks = [slice(i, i + per_chunk) for i in range(0, len(faces), per_chunk)]
    return np.concatenate([_occlude(predict, faces[chunk], classes[chunk], masks) for chunk in chunks])


def deletion_test(
    predict: Predict,
    faces: np.ndarray,
    classes: np.ndarray,
    heat: np.ndarray,
    share: float = DELETED_SHARE,
    seed: int = 0,
) -> DeletionResult:
    """Compare deleting what heat maps mark with deleting the same shape at a random place.

    The random place is that of the marked pixels, shifted around the borders: scattered pixels would disturb a network
    by their edges alone. After the deletion metric of Petsiuk et al., BMVC 2018.

    Args:
        predict: Returns class probabilities.
        faces: (faces, height, width[, 3]) uint8.
        classes: The class of each face, (faces,) int.
        heat: (faces, height, width).
        share: The share of pixels to delete.
        seed: Seed of the random places.
    """
    rng, number = np.random.default_rng(seed), max(1, round(share * heat[0].size))
    order = np.argsort(heat.reshape(len(heat), -1), axis=1, kind="stable")[:, ::-1]
    marked = np.zeros((len(heat), heat[0].size), bool)
    np.put_along_axis(marked, order[:, :number], True, axis=1)
    marked = marked.reshape(heat.shape)
    height, width = heat.shape[1:]
    shifted = np.stack([np.roll(m, (rng.integers(height), rng.integers(width)), axis=(0, 1)) for m in marked])
    rows = np.arange(len(faces))
    before = predict(faces)[rows, classes]

    def fall(masks: np.ndarray) -> float:
        return float(np.mean(before - predict(_cover(faces, masks))[rows, classes]))

    return DeletionResult(fall(marked), fall(shifted), len(faces))


def normalize(maps: np.ndarray) -> np.ndarray:
    """Return maps (images, height, width) in 0 to 1, each divided by its largest value."""
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=np.zeros_like(maps, np.float32), where=largest > 0).astype(np.float32)


def _find_network(member: Member) -> Any:
    """Return the Keras network of a model to which Grad-CAM applies, or None."""
    sees_part = member.crop is not None or member.preprocessing.resize_size is not None
    if sees_part or not formats.needs_keras(member.classifier.file):
        return None
    from fer_bench.inference.explain.grad_cam import find_feature_map, to_logits_model
    from fer_bench.inference.formats.keras_file import load_model

    network = to_logits_model(load_model(member.classifier.file))
    return network if find_feature_map(network) else None


def _member_maps(network: Any, member: Member, faces: np.ndarray, classes: np.ndarray) -> np.ndarray:
    from fer_bench.inference.explain.grad_cam import grad_cam

    outputs = np.array(member.outputs)[classes]
    small = normalize(grad_cam(network, member.preprocessing(faces), outputs))
    return np.stack([_enlarge(heat, faces.shape[1:3]) for heat in small])


def _enlarge(heat: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    cv2 = import_opencv()
    return np.maximum(cv2.resize(heat, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), 0)


def _patches(shape: Sequence[int]) -> np.ndarray:
    """Return the masks of the patches, (patches, height, width) bool: every pixel is covered by as many."""
    sides = [max(1, round(side / PATCHES_PER_SIDE)) for side in shape]
    starts = [range(-(side // 2), total, max(1, side // 2)) for side, total in zip(sides, shape, strict=True)]
    masks = np.zeros((len(starts[0]) * len(starts[1]), *shape), bool)
    for index, (top, left) in enumerate((top, left) for top in starts[0] for left in starts[1]):
        masks[index, max(0, top) : top + sides[0], max(0, left) : left + sides[1]] = True
    return masks


def _occlude(predict: Predict, faces: np.ndarray, classes: np.ndarray, masks: np.ndarray) -> np.ndarray:
    rows = np.arange(len(faces))
    before = predict(faces)[rows, classes]
    covered = np.concatenate([_cover(faces, np.broadcast_to(mask, faces.shape[:3])) for mask in masks])
    after = predict(covered).reshape(len(masks), len(faces), -1)[:, rows, classes]
    falls = before - after  # (masks, faces)
    maps = np.einsum("mf,mhw->fhw", falls, masks) / np.maximum(masks.sum(axis=0), 1)
    smooth = faces.shape[2] / PATCHES_PER_SIDE / 4  # half of a patch's step: its borders mean nothing
    blurred = [import_opencv().GaussianBlur(heat.astype(np.float32), (0, 0), smooth) for heat in maps]
    return np.maximum(np.stack(blurred), 0)


def _cover(faces: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return faces whose masked pixels (faces, height, width) are the mean of the face."""
    means = faces.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    return np.where(masks if faces.ndim == 3 else masks[..., None], means, faces)
