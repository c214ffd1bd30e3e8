"""Write a folder for a model hub: the model card, the model file, what describes it, and checksums."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from fer_bench import records
from fer_bench.core.errors import UserError, write_error
from fer_bench.inference.saved_models import select_model
from fer_bench.records import StoredRecord
from fer_bench.records.kept_models import MODEL_INFO_FILE, ModelInfo, read_info
from fer_bench.report.model_card import CardModel, render_card

CARDS_DIR = "cards"
CARD_FILE = "README.md"
CHECKSUMS_FILE = "SHA256SUMS"
KERAS_CONFIG = "config.json"  # in a .keras file
REGISTERED_NAME = re.compile(r'"registered_name": "[^">]+>([^"]+)"')  # of a class that is not Keras' own


def write_model_card(
    results_dir: Path,
    name: str | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    output: Path | None = None,
) -> Path:
    """Write README.md, model.keras, model_info.json and SHA256SUMS of a kept model into a new folder, and return it.

    Args:
        results_dir: The results folder.
        name: See `select_model`, which also selects the best model if there is no name.
        dataset: Only models that were trained on this dataset.
        protocol: Only models that were trained under this protocol.
        output: The new folder. Default: RESULTS/cards/<name of the record's folder>.

    Raises:
        UserError: There is no such model, it is an ensemble or damaged, or the folder exists or cannot be written.
    """
    stored, members = select_model(results_dir, name, dataset, protocol, allow_sequences=True)
    if stored.model_file is None:
        names = ", ".join(dict.fromkeys(member.record.trial.architecture for member, _ in members))
        raise UserError(f"An ensemble is not one model. Write the cards of its members one by one: {names}.")
    folder = output or results_dir / CARDS_DIR / stored.path.name
    if folder.exists():
        raise UserError(f"{folder} exists already. Remove it, or name another folder with --output.")
    info = _checked_info(stored, stored.model_file)
    row = stored.record.trial.row_id
    same_row = [other for other in records.load(results_dir) if other.record.trial.row_id == row]
    layers = _custom_layers(stored.model_file)
    card = render_card(CardModel(stored, info, stored.model_file.name, info.sha256, layers, same_row))
    _write(folder, card, [stored.model_file, stored.path / MODEL_INFO_FILE])
    return folder


def _checked_info(stored: StoredRecord, file: Path) -> ModelInfo:
    """Return the description of a kept model, after a check that the file is the one that it describes."""
    again = "Train it again with the same flags and --overwrite."
    info = read_info(stored.path)
    if info is None:
        raise UserError(f"{stored.path / MODEL_INFO_FILE} is missing or damaged. {again}")
    try:
        digest = _sha256(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}. {again}") from None
    if digest != info.sha256:
        raise UserError(f"{file} is not the model that {MODEL_INFO_FILE} describes: its SHA-256 differs. {again}")
    return info


def _custom_layers(file: Path) -> list[str]:
    """Return the names of the classes in a .keras file that Keras alone does not have."""
    try:
        with zipfile.ZipFile(file) as archive:
            return sorted(set(REGISTERED_NAME.findall(archive.read(KERAS_CONFIG).decode())))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise UserError(f"{file} is not a Keras model. Train it again with the same flags and --overwrite.") from None


def _write(folder: Path, card: str, files: list[Path]) -> None:
    """Write the folder in one step: it is complete or does not exist."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent, ignore_cleanup_errors=True) as temporary:
            part = Path(temporary) / folder.name
            part.mkdir()
            (part / CARD_FILE).write_text(card, encoding="utf-8", newline="\n")
            for file in files:
                shutil.copyfile(file, part / file.name)
            sums = "".join(f"{_sha256(file)}  {file.name}\n" for file in sorted(part.iterdir()))
            (part / CHECKSUMS_FILE).write_text(sums, encoding="utf-8", newline="\n")
            part.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from None


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
