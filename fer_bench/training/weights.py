"""Where initial weights come from: a weights folder, Keras' own cache, Keras' download."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.core.stderr import suppress_stderr
from fer_bench.registry.architectures import Architecture

KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications"

# Address and hash, MD5 or SHA-256 (None: Keras itself checks none), of the files that keras.applications reads.
KERAS_FILES: dict[str, tuple[str, str | None]] = {
    "vgg16": (
        f"{KERAS_URL}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
    ),
    "vgg19": (
        f"{KERAS_URL}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "253f8cb515780f3b799900260a226db6",
    ),
    "resnet50": (
        f"{KERAS_URL}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
    ),
    "mobilenet": (f"{KERAS_URL}/mobilenet/mobilenet_1_0_224_tf_no_top.h5", None),
    "mobilenet_v2": (
        f"{KERAS_URL}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        None,
    ),
    "densenet121": (
        f"{KERAS_URL}/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "30ee3e1110167f948a6b9946edeeb738",
    ),
    "efficientnet_b0": (
        "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
        "50bc09e76180e00e4465e1a485ddc09d",
    ),
    "convnext_tiny": (
        f"{KERAS_URL}/convnext/convnext_tiny_notop.h5",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
}
DOWNLOAD_TIMEOUT = 20  # seconds without an answer


@dataclass(frozen=True)
class InitialWeights:
    """What a model starts from: `label` as it stands in a Trial, and the file, None for random weights."""

    label: str  # "random", or "imagenet:<digest of the file>"
    file: Path | None = None
    note: str = ""  # why `auto` fell back to random

    @property
    def kind(self) -> str:
        """random or imagenet."""
        return self.label.partition(":")[0]


def find_initial_weights(architecture: Architecture, requested: str, weights_dir: Path | None) -> InitialWeights:
    """The initial weights that `auto`, `imagenet` or `random` stands for.

    `auto` falls back to random weights and says why in `note`; `imagenet` that cannot be had is a UserError naming
    the places looked at.
    """
    if requested == "random" or (requested == "auto" and architecture.weights is None):
        return InitialWeights("random")
    if architecture.weights is None:
        raise UserError(f"There are no ImageNet weights for '{architecture.name}': use random or auto.")
    file, looked = _find(architecture.weights_name, weights_dir)
    if file is not None:
        return InitialWeights(f"imagenet:{_digest(file)}", file)
    places = "; ".join(looked) or "no place: they come from a folder given by --weights-dir or FER_BENCH_WEIGHTS"
    note = f"No ImageNet weights for {architecture.name}; looked at {places}."
    if requested == "imagenet":
        raise UserError(note)
    return InitialWeights("random", note=note)


def resolve_weights_dir(weights_dir: Path | None) -> Path | None:
    """The weights folder: the given one, else FER_BENCH_WEIGHTS. UserError where it is not a folder."""
    folder = weights_dir or (Path(os.environ["FER_BENCH_WEIGHTS"]) if os.environ.get("FER_BENCH_WEIGHTS") else None)
    if folder is not None and not folder.is_dir():
        raise UserError(f"The weights folder {folder} does not exist.")
    return folder


@cache
def _find(name: str, weights_dir: Path | None) -> tuple[Path | None, list[str]]:
    places = [weights_dir / f"{name}_notop.weights.h5"] if weights_dir else []
    if name in KERAS_FILES:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        places.append(home / "models" / KERAS_FILES[name][0].rpartition("/")[2])
    looked = [str(place) for place in places]
    for place in places:
        if place.is_file():
            return place, looked
    if name in KERAS_FILES:
        file, reason = _download(name)
        if file is not None:
            return file, looked
        looked.append(f"{KERAS_FILES[name][0]} ({reason})")
    return None, looked


_unreachable: list[str] = []  # the first failure to reach Keras' server: one is enough for a run


def _download(name: str) -> tuple[Path | None, str]:
    if _unreachable:
        return None, _unreachable[0]
    with suppress_stderr():
        import keras

    address, file_hash = KERAS_FILES[name]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        file = keras.utils.get_file(address.rpartition("/")[2], address, cache_subdir="models", file_hash=file_hash)
        return Path(file), ""
    except Exception as error:  # get_file wraps whatever went wrong in a bare Exception
        if "URL fetch failure" not in str(error) and not isinstance(error, TimeoutError | ConnectionError):
            return None, str(error).split("\n")[0]
        _unreachable.append("could not be reached")
        return None, _unreachable[0]
    finally:
        socket.setdefaulttimeout(before)


@cache
def _digest(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
