"""Plan the trials whose models other trials start from, and check that they have not seen the test images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import release_pages
from fer_bench.protocols.audit.pretraining_overlap import PretrainingData, check_overlap
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.registry import SPLIT_SEED, DataProtocol, folds, title
from fer_bench.records.schema import PRETRAINED
from fer_bench.sweep.resolved_pair import Pretrained, ResolvedPair
from fer_bench.training.planned_trial import PlannedTrial
from fer_bench.training.weights import file_digest

UNKNOWN_DATA = "unknown data"  # of the pretraining of a model file
MODEL_SUFFIX = ".keras"


def add_pretraining(
    pairs: Sequence[ResolvedPair], seeds: Sequence[int], datasets: Mapping[str, Dataset]
) -> list[ResolvedPair]:
    """Return the pairs with the trained models that they start from.

    Args:
        pairs: Pairs of model and recipe, without `pretrained`.
        seeds: The seeds of the sweep.
        datasets: The datasets by name.

    Raises:
        UserError: A dataset, a protocol or a model file cannot be used for pretraining.
    """
    data: dict[tuple[str, str], tuple[Dataset, Fold]] = {}
    completed = []
    for pair in pairs:
        request, before = pair.pair.recipe.pretraining, pair.pair.pretraining
        if request is None:
            completed.append(pair)
        elif before is None:
            completed.append(replace(pair, pretrained=_from_file(Path(request.model_file or "").expanduser())))
        else:
            source = before.datasets[0], request.protocol
            if source not in data:
                dataset = datasets[source[0]]
                data[source] = dataset, _only_fold(dataset, request.protocol)
            dataset, fold = data[source]
            own = ResolvedPair(before, pair.weights, pair.backend)
            trials = {seed: own.trial(dataset, title(request.protocol), seed, 0, fold) for seed in seeds}
            label = next(iter(trials.values())).trial.pretraining_label
            summary = {"dataset": dataset.name, "protocol": title(request.protocol)}
            kept = {seed: replace(planned, keep_model=True) for seed, planned in trials.items()}
            completed.append(replace(pair, pretrained=Pretrained(label, summary, kept)))
    return completed


def with_pretraining(requested: Iterable[PlannedTrial], pairs: Iterable[ResolvedPair]) -> Iterator[PlannedTrial]:
    """Yield trials, each after the pretraining trial that it requires; some may come twice, as both."""
    required = {p.key: p for pair in pairs if pair.pretrained for p in pair.pretrained.trials.values()}
    remaining = dict(required)
    for planned in requested:
        if before := remaining.pop(planned.required_key, None):
            yield before
        yield replace(planned, keep_model=True) if planned.key in required else planned


class OverlapChecks:
    """Folds with notes on the test images that pretraining has seen, each combination searched once.

    Args:
        folds_by_protocol: The folds of each dataset under each protocol.
        datasets: The datasets by name.
        cache_dir: Folder in which the changed copies that were found are remembered.
    """

    def __init__(
        self, folds_by_protocol: Mapping[DataProtocol, list[Fold]], datasets: Mapping[str, Dataset], cache_dir: Path
    ) -> None:
        self._folds, self._datasets, self._cache_dir = folds_by_protocol, datasets, cache_dir
        self._checked: dict[tuple[DataProtocol, str, str], list[Fold]] = {}
        self.notes: list[str] = []

    def folds(self, protocol: DataProtocol, pair: ResolvedPair) -> list[Fold]:
        """Return the folds of a protocol for a pair. Raises UserError if its pretraining makes them worthless."""
        if pair.pretrained is None or not pair.pretrained.trials:
            return self._folds[protocol]
        planned = next(iter(pair.pretrained.trials.values()))
        trial = planned.trial
        key = protocol, trial.dataset, trial.protocol
        if key not in self._checked:
            data = PretrainingData(planned.dataset, trial.protocol, planned.fold)
            target = self._datasets[protocol.data]
            folds_of_protocol, note = check_overlap(
                target, protocol.protocol, self._folds[protocol], data, self._cache_dir
            )
            release_pages(target.images)
            release_pages(planned.dataset.images)
            self._checked[key] = folds_of_protocol
            self.notes.append(note)
        return self._checked[key]


def unknown_data_notes(pairs: Iterable[ResolvedPair]) -> list[str]:
    """Return a note on the model files whose training data are unknown."""
    files = [pair.pretrained.model_file for pair in pairs if pair.pretrained and pair.pretrained.model_file]
    if not files:
        return []
    names = ", ".join(dict.fromkeys(str(file) for file in files))
    return [f"What {names} was trained on is unknown, perhaps on test images: a badge says so."]


def _from_file(file: Path) -> Pretrained:
    if file.suffix != MODEL_SUFFIX:
        raise UserError(f"pretraining.model_file {file} is not a {MODEL_SUFFIX} file, which Keras 3 saves.")
    if not file.is_file():
        raise UserError(f"pretraining.model_file {file} does not exist. Paths count from the working folder.")
    digest = file_digest(file)
    return Pretrained(f"{PRETRAINED} {UNKNOWN_DATA}:{digest}", {"model_file": digest}, model_file=file)


def _only_fold(dataset: Dataset, protocol: str) -> Fold:
    try:
        found = folds(protocol, dataset, SPLIT_SEED)
    except ProtocolNotApplicable as error:
        raise UserError(f"{error} In a recipe, pretraining.protocol names it.") from None
    if len(found) > 1:
        raise UserError(
            f"Pretraining takes one fold, but {protocol} has {len(found)}: set pretraining.protocol to one such as "
            "official or holdout-80-10-10."
        )
    return found[0]
