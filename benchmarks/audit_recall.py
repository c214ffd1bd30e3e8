"""Measure how many changed copies of images `data audit` finds, and how many other pairs it reports.

    python benchmarks/audit_recall.py --data-dir DIR --sheet pairs.png

Copies of FER2013's images are planted in another split, equally many of each kind, of different images and with random
amounts of change. The table has the share of them that the audit reports. All other pairs that it reports are of
FER2013's own images: the sheet shows a random sample, so that somebody can judge if they are copies of one photograph.
The sheet shows faces; keep it private.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import cv2
import numpy as np
from tabulate import tabulate

from fer_bench.core.splits import SPLITS
from fer_bench.datasets import DataConfig, load
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.audit.findings import Findings, audit
from fer_bench.protocols.audit.report import contact_sheet
from fer_bench.protocols.registry import folds

Generator = np.random.Generator
MIN_CONTRAST = 8.0  # standard deviation of gray levels of the images that are copied
BORDERS = (cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)


def mirrored(image: np.ndarray, rng: Generator) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def rotated(image: np.ndarray, rng: Generator) -> np.ndarray:
    return _warp(image, rng, angle=_sign(rng) * rng.uniform(5, 15))


def shifted(image: np.ndarray, rng: Generator) -> np.ndarray:
    right, down = rng.integers(1, 5), rng.integers(0, 5)
    return _warp(image, rng, right=_sign(rng) * int(right), down=_sign(rng) * int(down))


def zoomed(image: np.ndarray, rng: Generator) -> np.ndarray:
    return _warp(image, rng, zoom=rng.uniform(1.05, 1.2) ** _sign(rng))


def brightened(image: np.ndarray, rng: Generator) -> np.ndarray:
    return _to_pixels(image + _sign(rng) * rng.uniform(15, 50))


def contrast(image: np.ndarray, rng: Generator) -> np.ndarray:
    return _to_pixels((image - image.mean()) * rng.uniform(1.2, 1.6) ** _sign(rng) + image.mean())


def noisy(image: np.ndarray, rng: Generator) -> np.ndarray:
    return _to_pixels(image + rng.normal(0, rng.uniform(5, 15), image.shape))


def blurred(image: np.ndarray, rng: Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.5))


def compressed(image: np.ndarray, rng: Generator) -> np.ndarray:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 91))])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))


def all_at_once(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Mirror, rotate, zoom and shift as augmentation commonly does before training."""
    image = mirrored(image, rng) if rng.random() < 0.5 else image
    right, down = rng.uniform(-4.8, 4.8, 2)
    return _warp(image, rng, rng.uniform(-10, 10), rng.uniform(0.9, 1.1), right, down)


SINGLE = (mirrored, rotated, shifted, zoomed, brightened, contrast, noisy, blurred, compressed)
KINDS: tuple[tuple[Callable[[np.ndarray, Generator], np.ndarray], ...], ...] = (
    *((kind,) for kind in SINGLE),
    *((mirrored, kind) for kind in SINGLE[1:]),
    *((rotated, kind) for kind in (shifted, zoomed, brightened, noisy, compressed)),
    *((shifted, kind) for kind in (zoomed, brightened, compressed)),
    (all_at_once,),
)


def _sign(rng: Generator) -> int:
    return int(rng.choice((-1, 1)))


def _to_pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _warp(
    image: np.ndarray, rng: Generator, angle: float = 0, zoom: float = 1, right: float = 0, down: float = 0
) -> np.ndarray:
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, zoom)
    matrix[:, 2] += right * width / 48, down * height / 48
    return cv2.warpAffine(image, matrix, (width, height), borderMode=BORDERS[rng.integers(len(BORDERS))])


def plant(dataset: Dataset, copies: int, rng: Generator) -> tuple[Dataset, np.ndarray]:
    """Append copies of each kind, in the test split, or in training if the original is a test image.

    Returns:
        The dataset, and the indices of the originals, (kinds, copies).
    """
    assert dataset.split is not None
    textured = np.flatnonzero(dataset.images.reshape(len(dataset), -1).std(axis=1, dtype=np.float32) >= MIN_CONTRAST)
    copies = min(copies, len(textured) // len(KINDS))
    originals = rng.permutation(textured)[: copies * len(KINDS)].reshape(len(KINDS), copies)
    images = []
    for kind, indices in zip(KINDS, originals, strict=True):
        for image in dataset.images[indices]:
            for change in kind:
                image = change(image, rng)
            images.append(image)
    chosen, test = originals.ravel(), SPLITS.index("test")
    planted = replace(
        dataset,
        images=np.concatenate([dataset.images, np.stack(images)]),
        labels=np.concatenate([dataset.labels, dataset.labels[chosen]]),
        ids=np.concatenate([dataset.ids, [f"copy of {dataset.ids[i]}" for i in chosen]]),
        split=np.concatenate([dataset.split, np.where(dataset.split[chosen] == test, 0, test).astype(np.int8)]),
        soft_labels=None,
    )
    return planted, originals


def recalls(found: Findings, originals: np.ndarray, num_images: int) -> list[float]:
    """Return the share of the planted copies that are reported together with their originals, by kind."""
    pairs = {(first, second) for first, second, _ in found.near_duplicates}
    pairs |= {(int(i), int(j)) for group in found.duplicates for i in group for j in group}
    copies = num_images + np.arange(originals.size).reshape(originals.shape)
    return [
        float(np.mean([pair in pairs for pair in zip(one.tolist(), other.tolist(), strict=True)]))
        for one, other in zip(originals, copies, strict=True)
    ]


@click.command(help=__doc__)
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--copies", default=500, help="Copies per kind. Default: 500.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Draw a random sample of the other pairs as a PNG.")
def main(data_dir: Path, copies: int, sheet: Path | None) -> None:
    rng = np.random.default_rng(0)
    dataset = load("fer2013", DataConfig(data_dir))
    planted, originals = plant(dataset, copies, rng)
    start, start_cpu = time.perf_counter(), time.process_time()
    found = audit(planted, "official", folds("official", planted, 0))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    names = [" + ".join(change.__name__.replace("_", " ") for change in kind) for kind in KINDS]
    rows = [
        [name, originals.shape[1], f"{100 * recall:.1f}"]
        for name, recall in zip(names, recalls(found, originals, len(dataset)), strict=True)
    ]
    click.echo(tabulate(rows, ["kind", "planted", "found, %"], tablefmt="pipe"))
    others = [pair for pair in found.near_duplicates if max(pair[:2]) < len(dataset)]
    click.echo(f"\nPairs of the original images: {len(others):,}.")
    click.echo(f"{len(planted):,} images in {seconds:.0f} s, {cpu_seconds:.0f} s of processor time.")
    if sheet:
        sample = [np.array(others[i][:2]) for i in rng.permutation(len(others))[:60]]
        sheet.write_bytes(contact_sheet(dataset, sample))


if __name__ == "__main__":
    main()
