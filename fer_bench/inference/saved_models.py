"""Select a model of a results folder: by its name, or the best one for photographs."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean, list_first
from fer_bench.datasets.face_crop.spec import spelling
from fer_bench.protocols.registry import ARROW, spell_protocol
from fer_bench.records import StoredRecord
from fer_bench.records.kept_models import read_info
from fer_bench.records.schema import ENSEMBLE
from fer_bench.records.store import READ_ERRORS
from fer_bench.registry.architectures import ARCHITECTURES, describe

SYNTHETIC = "synthetic"
MIN_ID_LENGTH = 6
MAX_LISTED = 8
SEQUENCES = "sequences"

Members = list[tuple[StoredRecord, float]]  # records with a model, and their weights in a vote


def select_model(
    results_dir: Path,
    name: str | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    allow_sequences: bool = False,
) -> tuple[StoredRecord, Members]:
    """Return a finished record whose model was kept, and its members: itself, or those of an ensemble.

    Of several records the best for photographs is taken: trained on the dataset with the most training images, drawn
    faces last, and of these the one with the best validation accuracy. Ensembles have to be named.

    Args:
        results_dir: The results folder.
        name: An architecture, `ensemble`, or the id of a row in leaderboard.csv; None for any architecture.
        dataset: Only models that were trained on this dataset.
        protocol: Only models that were trained under this protocol.
        allow_sequences: Whether the model may take sequences of images.

    Raises:
        UserError: There is none.
    """
    known = records.load(results_dir)
    finished = [stored for stored in known if stored.record.status == "finished"]
    if not finished:
        raise UserError(
            f"There is no trained model in {results_dir}. Train one, such as `python benchmark.py train --model cnn`, "
            "or name another folder with --results-dir."
        )
    matching = [stored for stored in finished if _matches(stored, name, dataset, protocol)]
    if not matching:
        described = _describe(name, dataset, protocol)
        raise UserError(f"There is no trained model{described} in {results_dir}. {_known_models(finished, name)}")
    usable = {stored.path: members for stored in matching if (members := _members(stored, known))}
    with_models = [stored for stored in matching if stored.path in usable]
    candidates = [stored for stored in with_models if allow_sequences or _takes_images(stored)]
    if not usable:
        raise UserError(_not_kept(matching, known, results_dir))
    if not candidates:
        architecture = with_models[0].record.trial.architecture
        raise UserError(f"{architecture} takes sequences of images. Name a model for images.")
    best = max(candidates, key=_preference(finished))
    return best, usable[best.path]


def list_models(results_dir: Path) -> list[tuple[StoredRecord, Members]]:
    """Return one kept model for images per leaderboard row, the best one for photographs first, ensembles last.

    Of the models of a row, the one with the best validation accuracy is taken, as by `select_model`.

    Raises:
        UserError: There is none.
    """
    known = records.load(results_dir)
    finished = [stored for stored in known if stored.record.status == "finished"]
    with_models = [(stored, members) for stored in finished if (members := _members(stored, known))]
    usable = [(stored, members) for stored, members in with_models if all(_takes_images(one) for one, _ in members)]
    if not usable:
        return [select_model(results_dir)]  # says what is missing
    preference = _preference(finished)
    usable.sort(key=lambda found: (not found[0].record.trial.ensemble, preference(found[0])), reverse=True)
    of_row: dict[str, tuple[StoredRecord, Members]] = {}
    for stored, members in usable:
        of_row.setdefault(stored.record.trial.row_id, (stored, members))
    return [*of_row.values()]


def check_kept_file(file: Path) -> None:
    """Raise UserError if a kept model is truncated or no .keras file."""
    if not zipfile.is_zipfile(file):
        raise UserError(f"{file} is damaged. Train it again with the same flags and --overwrite.")


def test_accuracy(stored: StoredRecord) -> float:
    """Return the accuracy on the test split."""
    return stored.predictions("test").accuracy


def _matches(stored: StoredRecord, name: str | None, dataset: str | None, protocol: str | None) -> bool:
    trial = stored.record.trial
    if dataset and trial.dataset.split(ARROW)[0] != spelling(dataset).split(ARROW)[0]:
        return False
    if protocol and trial.protocol != spell_protocol(protocol):
        return False
    if name is None:
        return not (trial.ensemble or trial.external or trial.exported)
    is_id = len(name) >= MIN_ID_LENGTH and trial.row_id.startswith(name)
    return is_id or trial.architecture in (name, ARCHITECTURES.spelling(name))


def _members(stored: StoredRecord, known: records.Records) -> Members:
    """Return the records whose models vote; none if a model is missing."""
    if not stored.record.trial.ensemble:
        return [(stored, 1.0)] if stored.model_file else []
    members = [(known.stored.get(member.key), member.weight) for member in stored.record.members]
    found = [(member, weight) for member, weight in members if member and member.model_file]
    return found if len(found) == len(members) else []


def _takes_images(stored: StoredRecord) -> bool:
    info = read_info(stored.path)
    if info:
        return len(info.image_shape) == 2
    name = stored.record.trial.architecture
    return name not in ARCHITECTURES or describe(name).input_kind != SEQUENCES


def _preference(finished: Iterable[StoredRecord]) -> Callable[[StoredRecord], tuple[bool, int, float, str]]:
    """Return the key by which models for photographs are ordered, the best last."""
    training_images: dict[str, int] = defaultdict(int)
    for stored in finished:
        dataset = stored.record.trial.dataset
        training_images[dataset] = max(training_images[dataset], stored.record.samples.get("training", 0))

    def key(stored: StoredRecord) -> tuple[bool, int, float, str]:
        trial = stored.record.trial
        try:
            validation = stored.predictions("validation")
            accuracy = validation.accuracy if len(validation.labels) else -1.0
        except READ_ERRORS:
            accuracy = -1.0
        return not trial.dataset.startswith(SYNTHETIC), training_images[trial.dataset], accuracy, trial.key

    return key


def _describe(name: str | None, dataset: str | None, protocol: str | None) -> str:
    on, under = f" on {dataset}" if dataset else "", f" under {protocol}" if protocol else ""
    return (f" '{name}'" if name else "") + on + under


def _known_models(finished: Sequence[StoredRecord], name: str | None) -> str:
    """Return a sentence on the models that there are: those of the name, or those whose name is near."""
    trials = [stored.record.trial for stored in finished if name is None or _matches(stored, name, None, None)]
    if not trials:
        return did_you_mean(str(name), sorted({stored.record.trial.architecture for stored in finished}))
    known = sorted({f"{trial.architecture} on {trial.dataset} under {trial.protocol}" for trial in trials})
    return f"There is {list_first(known, MAX_LISTED)}."


def _not_kept(matching: Sequence[StoredRecord], known: records.Records, results_dir: Path) -> str:
    trial = min((stored.record.trial for stored in matching), key=lambda trial: trial.exported)
    if trial.external or trial.exported:
        return f"'{trial.architecture}' is the row of a model file. Name the file with --model-file."
    if trial.architecture == ENSEMBLE:
        missing = list_first([*dict.fromkeys(_missing_members(matching, known))], MAX_LISTED)
        return (
            f"The models of these members of the ensemble were not kept: {missing}. Train them again with the same "
            "flags and --keep-models all --overwrite."
        )
    return (
        f"The model of {trial} was not kept in {results_dir}. Train it again with the same flags and --overwrite; "
        "the best model of each row is kept then."
    )


def _missing_members(matching: Sequence[StoredRecord], known: records.Records) -> Iterator[str]:
    for stored in matching:
        for member in stored.record.members:
            found = known.stored.get(member.key)
            if found is None or not found.model_file:
                yield f"{member.architecture} seed {member.seed}"
