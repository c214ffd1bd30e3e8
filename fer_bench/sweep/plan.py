"""From an experiment to its trials, everything resolved and checked before any training starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fer_bench.config.canonical import specification
from fer_bench.config.combinations import NOT_FOUND, Pair, Pairs, data_of, recipes_of
from fer_bench.config.experiment import Experiment
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import release_pages
from fer_bench.protocols.cross_dataset import load
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.registry import ARROW, SPLIT_SEED, DataProtocol, expand_protocols, folds, title
from fer_bench.records.schema import PROCEDURE_VERSIONS, Trial
from fer_bench.registry.architectures import ARCHITECTURES, source_digest
from fer_bench.training.weights import InitialWeights, find_initial_weights


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with what its execution needs beside it."""

    trial: Trial
    dataset: Dataset
    fold: Fold
    weights_file: Path | None

    @cached_property
    def key(self) -> str:
        """The trial's, which takes as long to hash as all else here."""
        return self.trial.key


@dataclass(frozen=True)
class Plan:
    """All trials of an experiment, in the order in which they run: every model once before any second seed."""

    experiment: Experiment
    trials: list[PlannedTrial]
    pairs: Pairs
    notes: list[str] = field(default_factory=list)  # what the user should know before it starts


def make_plan(experiment: Experiment, places: DataConfig, weights_dir: Path | None, backend: str) -> Plan:
    """Resolve an experiment. UserError for whatever would keep a trial from starting, but for `check_importable`."""
    datasets = {data: load(data, places) for data in data_of(experiment)}
    parts, unfit = split(expand_protocols(experiment.datasets, experiment.protocols), datasets)
    for dataset in datasets.values():
        release_pages(dataset.images)  # of which twins were looked for
    holds = {name: "sequences" if dataset.images.ndim == 4 else "images" for name, dataset in datasets.items()}
    pairs = recipes_of(experiment, holds)
    for pair in pairs.possible:
        _refuse(pair, datasets, backend)
    started, pairs = _with_weights(pairs, weights_dir)  # last, because it may have to download
    # What was asked for ("auto") has no bearing on the outcome, and so none on the key; what was found has.
    resolved = [
        (pair, weights, specification(pair.recipe) | {"initial_weights": weights.kind}) for pair, weights in started
    ]
    digests = {pair.architecture.name: source_digest(pair.architecture.name) for pair, _ in started}
    trials = [
        PlannedTrial(
            Trial(
                architecture=pair.architecture.name,
                source_digest=digests[pair.architecture.name],
                dataset=dataset.name,
                fingerprint=dataset.fingerprint,
                protocol=title(setting.protocol),
                fold=number,
                recipe_name=pair.name,
                recipe=recipe,
                initial_weights=weights.label,
                seed=seed,
                backend=backend,
                procedure_version=PROCEDURE_VERSIONS[backend],
            ),
            dataset,
            fold,
            weights.file,
        )
        for seed in dict.fromkeys(experiment.seeds)
        for setting, dataset_folds in parts.items()
        for pair, weights, recipe in resolved
        if setting.data in pair.datasets
        for dataset in [datasets[setting.data]]
        for number, fold in enumerate(dataset_folds)
    ]
    trials, same = _once(trials)
    missing = dict.fromkeys(pair.architecture.name for pair, weights in started if weights.note)
    notes = [*_data_notes(datasets), *unfit, *pairs.note(), *same, *_weight_notes(list(missing))]
    return Plan(experiment, trials, pairs, notes)


def check_importable(names: Iterable[str]) -> None:
    """UserError for an architecture whose file cannot be imported. Imports Keras, as all of them do."""
    for name in names:
        try:
            ARCHITECTURES.function(name)
        except UserError:
            raise
        except Exception as error:
            file = ARCHITECTURES.get(name).file
            raise UserError(f"{file} cannot be imported: {type(error).__name__}: {error}.") from None


def split(
    wanted: list[DataProtocol], datasets: Mapping[str, Dataset]
) -> tuple[dict[DataProtocol, list[Fold]], list[str]]:
    """The folds of every setting, and a note on the settings that are left out since they do not fit.

    UserError for a dataset that no protocol fits, or a protocol that fits no dataset: in a product of several a misfit
    is to be expected, on its own it is a mistake.
    """
    parts, unfit = {}, {}
    for setting in wanted:
        try:
            parts[setting] = folds(setting.protocol, datasets[setting.data], SPLIT_SEED)
        except ProtocolNotApplicable as error:
            unfit[setting] = error
    datas, protocols = {setting.data for setting in parts}, {setting.protocol for setting in parts}
    for setting, error in unfit.items():
        if setting.data not in datas or setting.protocol not in protocols:
            raise error
    names = ", ".join(f"{setting.protocol} on {setting.data}" for setting in unfit)
    return parts, [f"Left out, since they do not fit: {names}."] if unfit else []


def _refuse(pair: Pair, datasets: Mapping[str, Dataset], backend: str) -> None:
    """UserError for a recipe that the data or the machine cannot serve, whatever the model."""
    from fer_bench.training.machine import precision_unsupported

    recipe, where = pair.recipe, f"the recipe '{pair.name}' of {pair.architecture.name}"
    for name in pair.datasets:
        height, width = datasets[name].images.shape[-2:]
        if recipe.crop and recipe.crop > min(height, width):
            raise UserError(f"{where}: a crop of {recipe.crop} is larger than the images of {name}, {width}×{height}.")
        if recipe.soft_labels and datasets[name].soft_labels is None:
            raise UserError(f"{where}: soft_labels need label distributions, and {name} has none.")
    if reason := precision_unsupported(recipe.precision, backend):
        raise UserError(f"{where}: {reason}")
    if recipe.backbone.learning_rate_factor != 1 and backend == "torch":
        raise UserError(f"{where}: backbone.learning_rate_factor is not possible on the Torch backend.")


def _with_weights(pairs: Pairs, weights_dir: Path | None) -> tuple[list[tuple[Pair, InitialWeights]], Pairs]:
    """Each pair with what it starts from; those whose weights are missing are refused or left out."""
    kept = Pairs(left_out=list(pairs.left_out))
    found = []
    for pair in pairs.possible:
        try:
            weights = find_initial_weights(pair.architecture, pair.recipe.initial_weights, weights_dir)
        except UserError:
            if not pair.optional:
                raise
            kept.leave_out(pair, NOT_FOUND)
            continue
        if weights.kind == "random" and pair.recipe.backbone.freezes:
            kept.leave_out(pair, NOT_FOUND)
            continue
        kept.possible.append(pair)
        found.append((pair, weights))
    return found, kept.checked()


def _once(trials: list[PlannedTrial]) -> tuple[list[PlannedTrial], list[str]]:
    """Each trial once, under the first of the recipes that come to the same; and a note on those."""
    first: dict[str, PlannedTrial] = {}
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for planned in trials:
        trial = planned.trial
        kept = first.setdefault(planned.key, planned).trial
        if kept is not trial:
            same[kept.recipe_name, trial.recipe_name].append(trial.architecture)
    told = [
        f"'{other}' is the same as '{name}' for {', '.join(dict.fromkeys(models))}"
        for (name, other), models in same.items()
    ]
    return list(first.values()), [f"Run once, under the first name: {'; '.join(told)}."] if told else []


def _data_notes(datasets: Mapping[str, Dataset]) -> list[str]:
    """What is noted of each dataset, under its name; two as one say of whom they speak."""
    alone = [f"{data}: {note}" for data, dataset in datasets.items() if ARROW not in data for note in dataset.notes]
    pooled = [note for data, dataset in datasets.items() if ARROW in data for note in dataset.notes]
    return list(dict.fromkeys([*alone, *pooled]))


def _weight_notes(missing: list[str]) -> list[str]:
    if not missing:
        return []
    return [
        f"No ImageNet weights were found for {', '.join(missing)}: random weights instead. "
        "Put <name>_notop.weights.h5 into a folder and name it with --weights-dir or FER_BENCH_WEIGHTS, "
        "or run once with access to Keras' download."
    ]
