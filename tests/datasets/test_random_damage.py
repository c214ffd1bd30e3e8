"""Damaged files give right data or one clear sentence: never a traceback, never another label."""

import os
import random
import shutil
import tarfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import made_up_fer2013
import numpy as np
import pytest
import test_ckplus
import test_ferplus
import test_jaffe
import test_rafdb
from random_damage import damage

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, load
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS, canonical_label
from fer_bench.datasets.images import center_square, read_gray

DAMAGED_FOLDERS = {"rename_folder", "delete_folder"}  # after which a split may be another
SECONDS = float(os.environ.get("FER_BENCH_DAMAGE_SECONDS", "120"))


def write_fer2013(config: DataConfig) -> None:
    made_up_fer2013.write_csv(config.data_dir / "fer2013.csv")


def write_fer2013_images(config: DataConfig) -> None:
    made_up_fer2013.write_folder(config.data_dir / "fer2013")


def write_zip(config: DataConfig) -> None:
    write_fer2013(config)
    with zipfile.ZipFile(config.data_dir / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(config.data_dir / "fer2013.csv", "fer2013.csv")
    (config.data_dir / "fer2013.csv").unlink()


def write_tar(config: DataConfig) -> None:
    write_fer2013(config)
    with tarfile.open(config.data_dir / "fer2013.tar.gz", "w:gz") as archive:
        archive.add(config.data_dir / "fer2013.csv", "fer2013/fer2013.csv")
    (config.data_dir / "fer2013.csv").unlink()


def write_ferplus(config: DataConfig) -> None:
    write_fer2013(config)
    test_ferplus.write_table(config)


def write_ferplus_images(config: DataConfig) -> None:
    for number, folder in enumerate(("FER2013Train", "FER2013Valid", "FER2013Test")):
        (config.data_dir / "images" / folder).mkdir(parents=True)
        for row in np.flatnonzero(np.equal(made_up_fer2013.SPLIT, number)):
            if name := test_ferplus.NAMES[row]:
                cv2.imwrite(str(config.data_dir / "images" / folder / name), made_up_fer2013.IMAGES[row])
    test_ferplus.write_table(config)


def write_rafdb(config: DataConfig) -> None:
    test_rafdb.write_labels(config)


def write_rafdb_folders(config: DataConfig) -> None:
    test_rafdb.write_folders(config)


def write_jaffe(config: DataConfig) -> None:
    test_jaffe.write(config, suffix=".png")


def write_ckplus(config: DataConfig) -> None:
    test_ckplus.write_folders(config)


def write_ckplus_tree(config: DataConfig) -> None:
    test_ckplus.write_original(config)


def write_ckextended(config: DataConfig) -> None:
    test_ckplus.write_csv(config)


def write_folder(config: DataConfig) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("angry", "Happy", "sadness"):
            folder = config.data_dir / "folder" / split / name
            folder.mkdir(parents=True)
            for number in range(3):
                cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (48, 48), np.uint8))


SOURCES: dict[Callable[[DataConfig], None], tuple[str, ...]] = {
    write_fer2013: ("fer2013",),
    write_fer2013_images: ("fer2013", "folder"),
    write_zip: ("fer2013",),
    write_tar: ("fer2013",),
    write_ferplus: ("ferplus", "fer2013"),
    write_ferplus_images: ("ferplus",),
    write_rafdb: ("rafdb",),
    write_rafdb_folders: ("rafdb",),
    write_jaffe: ("jaffe",),
    write_ckplus: ("ckplus", "ckplus_sequences", "folder"),
    write_ckplus_tree: ("ckplus", "ckplus+neutral", "ckplus_sequences"),
    write_ckextended: ("ckplus", "ckplus+neutral"),
    write_folder: ("folder",),
}


@dataclass(frozen=True)
class Truth:
    """The classes and splits of the undamaged images (n, 48, 48), which are found by pixels, or else by likeness.

    Damaged JPEG files, unlike others, are read with any pixels: they are found by id.
    """

    images: np.ndarray
    classes: list[set[str]]
    splits: list[set[int | None]]
    by_pixels: dict[bytes, int]
    by_id: dict[str, int]

    def find(self, image: np.ndarray, name: str) -> int:
        known = self.by_pixels.get(image.tobytes(), self.by_id.get(name))
        if known is not None:
            return known
        return int(np.argmin(np.abs(self.images.astype(np.int16) - image).mean(axis=(1, 2))))


def frames_of(data: Dataset) -> Iterator[tuple[np.ndarray, str, str, int | None]]:
    """Yield each image, each frame of a sequence, with its id, its class and its split."""
    for index, image in enumerate(data.images):
        split = None if data.split is None else int(data.split[index])
        for frame in image if image.ndim == 3 else [image]:
            yield frame, str(data.ids[index]), canonical_label(data.classes[data.labels[index]]), split


def learn(name: str, config: DataConfig) -> Truth:
    samples = list(frames_of(load(name, config)))
    allowed: dict[bytes, set[str]] = defaultdict(set)
    splits: dict[bytes, set[int | None]] = defaultdict(set)
    for image, _, emotion, split in samples:
        allowed[image.tobytes()].add(emotion)
        splits[image.tobytes()].add(split)
    # If frames are missing, earlier ones of the sequence are read.
    for path in (config.data_dir / "cohn-kanade-images").glob("*/*/*.png"):
        if code := test_ckplus.SEQUENCES.get(path.stem[:8]):
            pixels = read_gray(path)
            assert not isinstance(pixels, str)
            frame = center_square(pixels).copy()
            allowed[frame.tobytes()] |= {canonical_label(test_ckplus.FOLDERS[code]), "neutral"}
    images = np.stack([np.frombuffer(key, np.uint8).reshape(48, 48) for key in allowed])
    places = {key: index for index, key in enumerate(allowed)}
    by_id = {number: places[image.tobytes()] for image, number, _, _ in samples} if name == "rafdb" else {}
    return Truth(images, list(allowed.values()), [splits[key] for key in allowed], places, by_id)


def check_labels(data: Dataset, truth: Truth, applied: list[str]) -> None:
    assert len(set(data.ids.tolist())) == len(data.ids) == len(data.labels) == len(data.images) > 0
    renamed: dict[str, set[str]] = defaultdict(set)
    for image, number, emotion, split in frames_of(data):
        index = truth.find(image, number)
        if emotion in EMOTIONS:
            assert emotion in truth.classes[index], f"{truth.classes[index]} became {emotion}"
        renamed[emotion] |= truth.classes[index]
        if split is not None and not DAMAGED_FOLDERS & set(applied):
            assert split in truth.splits[index], f"split {truth.splits[index]} became {split}"
    for emotion, classes in renamed.items():  # a folder with another name is another class, but one class
        assert emotion in EMOTIONS or len(classes) == 1


def check_message(message: str) -> None:
    assert "\n" not in message and len(message) < 2000 and message.rstrip().endswith((".", "?")), message
    assert all(character.isprintable() for character in message), message


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> list[tuple[Path, dict[str, Truth]]]:
    """The folder of each undamaged source, and what its datasets are."""
    found = []
    for write, names in SOURCES.items():
        folder = tmp_path_factory.mktemp(write.__name__)
        config = DataConfig(folder / "data", folder / "cache")
        config.data_dir.mkdir()
        write(config)
        found.append((config.data_dir, {name: learn(name, config) for name in names}))
    return found


def run(originals, folder: Path, seconds: float, seed: int) -> int:
    """Damage copies for some time and check what is read from them. Return how often data was read."""
    rng, end, num_read, number = random.Random(seed), time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        number += 1
        source, truths = originals[number % len(originals)]
        trial_seed = rng.randrange(2**32)
        shutil.copytree(source, folder / "data")
        applied = damage(random.Random(trial_seed), folder / "data")
        for name, truth in truths.items():
            for skip_invalid in (False, True):
                config = DataConfig(folder / "data", folder / "cache", skip_invalid=skip_invalid)
                case = f"{name} in {source}, seed {trial_seed}: {', '.join(applied)}; skip_invalid={skip_invalid}"
                try:
                    check_labels(load(name, config), truth, applied)
                    num_read += 1
                except UserError as error:
                    check_message(str(error))
                except Exception as error:
                    raise AssertionError(case) from error
        for path in (folder / "data", folder / "cache"):
            shutil.rmtree(path, ignore_errors=True)
    return num_read


def test_random_damage(originals, tmp_path):
    assert run(originals, tmp_path, 3, seed=1) > 0


@pytest.mark.slow
def test_random_damage_for_minutes(originals, tmp_path):
    seed = int(time.time())
    print(f"seed {seed}")
    assert run(originals, tmp_path, SECONDS, seed) > 0
