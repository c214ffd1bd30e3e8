"""Download a dataset with the user's own account, or say where to request it. Imports no NumPy."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

from fer_bench.core.errors import UserError, write_error
from fer_bench.core.files import atomic_write
from fer_bench.core.text import one_line
from fer_bench.datasets.registry import DATASETS, DataConfig, find, needs_files


def download(name: str, data_config: DataConfig) -> Path | None:
    """Download a dataset into the data folder, unless it is there already.

    Returns:
        Its file; None if only the user can get it (see `instructions`).

    Raises:
        UserError: The name is unknown, kagglehub is not installed, or Kaggle refuses the download.
    """
    if not needs_files(name):
        raise UserError(f"'{name}' is drawn by the program: there is nothing to download.")
    if (path := find(name, data_config)) is not None:
        return path
    kaggle = DATASETS.get(name).options.get("kaggle")
    return _download_from_kaggle(name, kaggle, data_config.data_dir / name) if kaggle else None


def instructions(name: str, data_config: DataConfig) -> str:
    """Return where to request a dataset and how to arrange its files."""
    options = DATASETS.get(name).options
    layouts = options["layouts"]
    origin = " is distributed under an agreement. Request it at" if options.get("agreement") else ": get it from"
    return "\n".join(
        [
            f"{options['title']}{origin} {options['source']}",
            f"Then arrange the files below {data_config.data_dir}/ as{' one of' if len(layouts) > 1 else ''}:",
            *(f"  {layout}" for layout in layouts),
            "data/README.md shows each layout.",
        ]
    )


def _download_from_kaggle(name: str, kaggle: tuple[str, str], folder: Path) -> Path:
    """Copy one file of a Kaggle competition from kagglehub's own cache into `folder`."""
    competition, file = kaggle
    title, page = DATASETS.get(name).options["title"], f"https://www.kaggle.com/c/{competition}"
    by_hand = f"or get it from {page}/data by hand and put {file} into {folder}/"
    try:
        kagglehub = import_module("kagglehub")
    except ImportError:
        raise UserError(
            f"Downloads need kagglehub, which is not installed: pip install 'fer-bench[download]', {by_hand}."
        ) from None
    try:
        downloaded = Path(kagglehub.competition_download(competition, path=file))
    except Exception as error:  # errors of requests, kagglehub or its server all mean that there is no file
        reason = one_line(str(error))[:200].rstrip(".") or type(error).__name__
        raise UserError(
            f"Kaggle refused to send {title} ({reason}). Sign in (KAGGLE_USERNAME and KAGGLE_KEY, or "
            f"~/.kaggle/kaggle.json), accept the rules at {page}/rules, and try again; {by_hand}."
        ) from None
    source = downloaded / file if downloaded.is_dir() else downloaded
    if not source.is_file():
        raise UserError(f"Kaggle sent {downloaded} instead of {file}: {by_hand.removeprefix('or ')}.")
    target = folder / file
    try:
        with source.open("rb") as content, atomic_write(target) as copy:
            shutil.copyfileobj(content, copy)
    except OSError as error:
        raise write_error(target, error) from None
    return target
