"""Write a folder for a model hub: the model card, the model file, what describes it, and checksums."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from fer_bench import records
from fer_bench.core.errors import UserError, write_error
from fer_bench.inference.export.export import EXPORTS_DIR, export_file_name
from fer_bench.inference.export.record import size_of
from fer_bench.inference.loaded_model import PREPROCESSING_FILE
from fer_bench.inference.saved_models import select_model
from fer_bench.records import StoredRecord
from fer_bench.records.kept_models import MODEL_INFO_FILE, ModelInfo, read_info
from fer_bench.records.schema import EXPORT
from fer_bench.report.model_card import CardModel, render_card

AGAIN = "Train it again with the same flags and --overwrite."
CARDS_DIR = "cards"
CARD_FILE = "README.md"
CHECKSUMS_FILE = "SHA256SUMS"
KERAS_SUFFIX = ".keras"
KERAS_CONFIG = "config.json"  # in a .keras file
CUSTOM_CLASS = re.compile(r'"module": "(?!keras\b|builtins\b)([\w.]+)", "class_name": "(\w+)"')


def write_model_card(
    results_dir: Path,
    name: str | None = None,
    model_file: Path | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    output: Path | None = None,
) -> Path:
    """Write model card, model file, its description and SHA256SUMS into a new folder, and return the folder.

    Args:
        results_dir: The results folder.
        name: See `select_model`, which also selects the best model if there is no name.
        model_file: A file that `export` wrote into the results folder, instead of a name.
        dataset: Only models that were trained on this dataset.
        protocol: Only models that were trained under this protocol.
        output: The new folder. Default: a folder in RESULTS/cards.

    Raises:
        UserError: There is no such model, it is an ensemble or damaged, or the folder exists or cannot be written.
    """
    known = records.load(results_dir)
    if model_file is None:
        source = _kept_model(results_dir, name, dataset, protocol)
    elif name or dataset or protocol:
        raise UserError("Choose either --model, with --dataset and --protocol, or --model-file.")
    else:
        source = _exported_model(known, model_file, results_dir)
    folder = output or results_dir / CARDS_DIR / source.folder_name
    if folder.exists():
        raise UserError(f"{folder} exists already. Remove it, or name another folder with --output.")
    file, row = source.files[0], source.stored.record.trial.row_id
    layers = _custom_layers(file) if file.suffix == KERAS_SUFFIX else {}
    same_row = [other for other in known if other.record.trial.row_id == row]
    digest = _sha256(file) if file.is_file() else ""
    card = render_card(CardModel(source.stored, source.info, file.name, digest, layers, same_row))
    _write(folder, card, source.files)
    return folder


@dataclass(frozen=True)
class _Source:
    """A model to publish.

    Attributes:
        stored: The record whose test predictions are the model's.
        info: What a user of the kept model must know.
        files: The model file, and what describes it.
        folder_name: Name of the folder to write.
    """

    stored: StoredRecord
    info: ModelInfo
    files: list[Path]
    folder_name: str


def _kept_model(results_dir: Path, name: str | None, dataset: str | None, protocol: str | None) -> _Source:
    stored, members = select_model(results_dir, name, dataset, protocol, allow_sequences=True)
    if stored.model_file is None:
        names = ", ".join(dict.fromkeys(member.record.trial.architecture for member, _ in members))
        raise UserError(f"An ensemble is not one model. Write the cards of its members one by one: {names}.")
    info = _checked_info(stored, stored.model_file)
    return _Source(stored, info, [stored.model_file, stored.path / MODEL_INFO_FILE], stored.path.name)


def _exported_model(known: records.Records, file: Path, results_dir: Path) -> _Source:
    """Return an exported file with the record of its export. Raise UserError for any other file."""
    if not file.exists():
        raise UserError(f"The model file {file} does not exist.")
    folder = file.resolve().parent
    trained = next((stored for stored in known if stored.path.name == folder.name), None)
    preprocessing = folder / PREPROCESSING_FILE
    exports = (stored for stored in known if trained and _is_export_of(stored, trained, file.name))
    exported = next(exports, None)
    if trained is None or exported is None or not preprocessing.is_file():
        raise UserError(
            f"{file} is not a file that `export` wrote into {results_dir / EXPORTS_DIR}. Export the model first, or "
            "name a trained model with --model."
        )
    costs = exported.record.costs
    if costs is None or costs.model_bytes != size_of(file):
        raise UserError(f"{file} is not the model whose scores are recorded: its size differs. Export it again.")
    info = read_info(trained.path)
    if info is None:
        raise UserError(f"{trained.path / MODEL_INFO_FILE} is missing or damaged. {AGAIN}")
    return _Source(exported, info, [file, preprocessing], f"{folder.name}-{file.name}")


def _is_export_of(stored: StoredRecord, trained: StoredRecord, file_name: str) -> bool:
    """Whether a record is that of an export of another record's model to a file of that name."""
    trial = stored.record.trial
    export = trial.recipe.get(EXPORT)
    if not export:
        return False
    recipe = {key: value for key, value in trial.recipe.items() if key != EXPORT}
    original = trained.record.trial
    labels = {"recipe": recipe, "recipe_name": original.recipe_name, "backend": original.backend}
    file_format = str(export["format"])
    base = file_format.removesuffix("-int8")
    name = export_file_name(trial.architecture, base, base != file_format)
    return name == file_name and trial.model_copy(update=labels) == original


def _checked_info(stored: StoredRecord, file: Path) -> ModelInfo:
    """Return the description of a kept model, after a check that the file is the one that it describes."""
    info = read_info(stored.path)
    if info is None:
        raise UserError(f"{stored.path / MODEL_INFO_FILE} is missing or damaged. {AGAIN}")
    try:
        digest = _sha256(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}. {AGAIN}") from None
    if digest != info.sha256:
        raise UserError(f"{file} is not the model that {MODEL_INFO_FILE} describes: its SHA-256 differs. {AGAIN}")
    return info


def _custom_layers(file: Path) -> dict[str, list[str]]:
    """Return the classes in a .keras file that Keras alone does not have, by module."""
    layers: dict[str, list[str]] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            config = json.dumps(json.loads(archive.read(KERAS_CONFIG))["config"])  # without loss and optimizer
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise UserError(f"{file} is not a Keras model. {AGAIN}") from None
    for module, name in sorted(set(CUSTOM_CLASS.findall(config))):
        layers.setdefault(module, []).append(name)
    return layers


def _write(folder: Path, card: str, files: list[Path]) -> None:
    """Write the folder in one step: it is complete or does not exist."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent, ignore_cleanup_errors=True) as temporary:
            part = Path(temporary) / folder.name
            part.mkdir()
            (part / CARD_FILE).write_text(card, encoding="utf-8", newline="\n")
            for file in files:
                copy = shutil.copytree if file.is_dir() else shutil.copyfile
                copy(file, part / file.name)
            copies = sorted(file for file in part.rglob("*") if file.is_file())
            sums = "".join(f"{_sha256(file)}  {file.relative_to(part).as_posix()}\n" for file in copies)
            (part / CHECKSUMS_FILE).write_text(sums, encoding="utf-8", newline="\n")
            part.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from None


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
