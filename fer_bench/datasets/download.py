"""Getting a dataset with the user's own account, or being told where to ask for it. Imports no NumPy."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from fer_bench.core.errors import UserError, write_error
from fer_bench.datasets.registry import DATASETS, DataConfig, find, needs_files

GUIDE = "data/README.md shows each layout."


def download(name: str, places: DataConfig) -> Path | None:
    """Bring a dataset into the data folder; its file, None where only the user can get it (see `instructions`).

    What is there already is not brought again. Raises UserError for an unknown name, without kagglehub, and where
    Kaggle does not answer or does not let this user have it.
    """
    if not needs_files(name):
        raise UserError(f"'{name}' is made by the program: there is nothing to download.")
    if (there := find(name, places)) is not None:
        return there
    kaggle = DATASETS.get(name).options.get("kaggle")
    return _from_kaggle(name, kaggle, places.data_dir / name) if kaggle else None


def instructions(name: str, places: DataConfig) -> str:
    """Where to ask for a dataset and how to lay out its files."""
    options = DATASETS.get(name).options
    given = " is given out under an agreement: ask at" if options.get("agreement") else ": get it from"
    layouts = options.get("layouts") or (*options.get("folders", ()), *options.get("files", ()))
    as_one = "as one of" if len(layouts) > 1 else "as"
    lines = [f"{options['title']}{given} {options['source']}", f"Then lay it out below {places.data_dir}/ {as_one}:"]
    return "\n".join([*lines, *(f"  {layout}" for layout in layouts), GUIDE])


def _from_kaggle(name: str, kaggle: tuple[str, str], folder: Path) -> Path:
    """One file of a Kaggle competition, copied from kagglehub's own cache into `folder` in one step."""
    competition, file = kaggle
    title, page = DATASETS.get(name).options["title"], f"https://www.kaggle.com/c/{competition}"
    by_hand = f"or get it from {page}/data by hand and put {file} into {folder}/"
    kagglehub = _kagglehub(by_hand)
    try:
        given = Path(kagglehub.competition_download(competition, path=file))
    except Exception as error:  # of requests, of kagglehub, of its server: all say that there is no file
        why = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise UserError(
            f"Kaggle did not give {title} ({why}): sign in (KAGGLE_USERNAME and KAGGLE_KEY, or ~/.kaggle/kaggle.json), "
            f"accept the rules at {page}/rules, and try again; {by_hand}."
        ) from None
    source = given / file if given.is_dir() else given
    if not source.is_file():
        raise UserError(f"Kaggle gave no {file} but {given}: {by_hand.removeprefix('or ')}.")
    return _copied(source, folder / file)


def _kagglehub(by_hand: str) -> ModuleType:
    try:
        return import_module("kagglehub")
    except ImportError:
        raise UserError(
            f"Downloads need kagglehub, which is not installed: pip install 'fer-bench[download]', {by_hand}."
        ) from None


def _copied(source: Path, target: Path) -> Path:
    """A copy that is whole or not there."""
    partial = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise write_error(target, error) from None
    return target
