"""Initial weights: from a weights folder, from the cache of Keras, or downloaded by Keras."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.core.stderr import suppress_stderr
from fer_bench.registry.architectures import Architecture

KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications"

# URL and hash (MD5 or SHA-256; None: Keras checks none) of the files that keras.applications reads.
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
DOWNLOAD_TIMEOUT = 20  # seconds without a response


@dataclass(frozen=True)
class InitialWeights:
    """The initial weights of a model.

    Attributes:
        label: "random", or "imagenet:<digest of the file>", as in a Trial.
        file: The file; None for random weights.
        note: Why `auto` fell back to random weights.
    """

    label: str
    file: Path | None = None
    note: str = ""

    @property
    def kind(self) -> str:
        """Return "random" or "imagenet"."""
        return self.label.partition(":")[0]


def find_initial_weights(architecture: Architecture, requested: str, weights_dir: Path | None) -> InitialWeights:
    """Find the initial weights of an architecture.

    Args:
        architecture: The architecture.
        requested: "auto", "imagenet" or "random". "auto" falls back to random weights, with the reason in `note`.
        weights_dir: The weights folder, which is searched before the cache of Keras.

    Raises:
        UserError: The ImageNet weights are requested and not available; the message lists the searched locations.
    """
    if requested == "random" or (requested == "auto" and architecture.weights is None):
        return InitialWeights("random")
    if architecture.weights is None:
        raise UserError(f"There are no ImageNet weights for '{architecture.name}': use random or auto.")
    file, searched = _find(architecture.weights_name, weights_dir)
    if file is not None:
        return InitialWeights(f"imagenet:{file_digest(file)}", file)
    if searched:
        note = f"No ImageNet weights for {architecture.name}; searched {'; '.join(searched)}."
    else:
        note = f"No ImageNet weights for {architecture.name}: pass a folder by --weights-dir or FER_BENCH_WEIGHTS."
    if requested == "imagenet":
        raise UserError(note)
    return InitialWeights("random", note=note)


def resolve_weights_dir(weights_dir: Path | None) -> Path | None:
    """Return the weights folder: the argument, or FER_BENCH_WEIGHTS. Raise UserError if it is not a folder."""
    folder = weights_dir or (Path(os.environ["FER_BENCH_WEIGHTS"]) if os.environ.get("FER_BENCH_WEIGHTS") else None)
    if folder is not None and not folder.is_dir():
        raise UserError(f"The weights folder {folder} does not exist.")
    return folder


@cache
def _find(name: str, weights_dir: Path | None) -> tuple[Path | None, list[str]]:
    candidates = [weights_dir / f"{name}_notop.weights.h5"] if weights_dir else []
    if name in KERAS_FILES:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        candidates.append(home / "models" / KERAS_FILES[name][0].rpartition("/")[2])
    searched = [str(candidate) for candidate in candidates]
    for candidate in candidates:
        if candidate.is_file():
            return candidate, searched
    if name in KERAS_FILES:
        file, reason = _download(name)
        if file is not None:
            return file, searched
        searched.append(f"{KERAS_FILES[name][0]} ({reason})")
    return None, searched


_unreachable: list[str] = []  # the first failure to reach the server of Keras; a run does not retry


def _download(name: str) -> tuple[Path | None, str]:
    if _unreachable:
        return None, _unreachable[0]
    with suppress_stderr():
        import keras

    url, file_hash = KERAS_FILES[name]
    print(f"Downloading ImageNet weights for {name}.", file=sys.stderr)
    timeout, interactive = socket.getdefaulttimeout(), keras.config.is_interactive_logging_enabled()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    keras.config.disable_interactive_logging()  # its notices and bars would be in the output of the command
    try:
        file = keras.utils.get_file(url.rpartition("/")[2], url, cache_subdir="models", file_hash=file_hash)
        return Path(file), ""
    except Exception as error:  # get_file raises a bare Exception for every failure
        if "URL fetch failure" not in str(error) and not isinstance(error, TimeoutError | ConnectionError):
            return None, str(error).split("\n")[0]
        _unreachable.append("could not be reached")
        return None, _unreachable[0]
    finally:
        socket.setdefaulttimeout(timeout)
        if interactive:
            keras.config.enable_interactive_logging()


@cache
def file_digest(file: Path) -> str:
    """Return the first 16 hexadecimal digits of a file's SHA-256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
