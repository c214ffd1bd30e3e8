"""From an experiment to its trials: everything is resolved and checked before any training starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fer_bench.config.combinations import (
    WEIGHTS_NOT_FOUND,
    Combinations,
    ModelRecipePair,
    required_datasets,
    resolve_combinations,
)
from fer_bench.config.experiment import Experiment
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import release_pages
from fer_bench.protocols.cross_dataset import load
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.fold_notes import describe_problems
from fer_bench.protocols.registry import ARROW, SPLIT_SEED, DataProtocol, expand_protocols, folds, title
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.precision import MeasureSpeeds, resolve_precisions
from fer_bench.sweep.pretraining import OverlapChecks, add_pretraining, unknown_data_notes, with_pretraining
from fer_bench.sweep.resolved_pair import ResolvedPair
from fer_bench.training.planned_trial import PlannedTrial
from fer_bench.training.weights import InitialWeights, find_initial_weights


@dataclass(frozen=True)
class Plan:
    """All trials of an experiment.

    Attributes:
        experiment: The experiment as it was requested.
        trials: Trials in the order in which they run: every model comes before any second seed.
        combinations: The pairs of model and recipe, and those that are skipped.
        notes: What the user should know before the sweep starts.
        pretraining: Keys of the trials that are planned only because others start from their models.
    """

    experiment: Experiment
    trials: list[PlannedTrial]
    combinations: Combinations
    notes: list[str] = field(default_factory=list)
    pretraining: frozenset[str] = frozenset()


def make_plan(
    experiment: Experiment,
    data_config: DataConfig,
    weights_dir: Path | None,
    backend: str,
    measure: MeasureSpeeds | None = None,
) -> Plan:
    """Resolve an experiment.

    Args:
        experiment: The experiment.
        data_config: Where the datasets are and how they are read.
        weights_dir: Folder with initial weights; None for the default places.
        backend: The Keras backend.
        measure: Measures trials of a few steps, for the precision "auto"; None takes what is remembered.

    Raises:
        UserError: A trial could not start, for any reason except an architecture that cannot be imported: see
            `check_importable`.
    """
    datasets = {name: load(name, data_config) for name in required_datasets(experiment)}
    folds_by_protocol, skipped = apply_protocols(expand_protocols(experiment.datasets, experiment.protocols), datasets)
    for dataset in datasets.values():
        release_pages(dataset.images)  # which were read to find duplicates
    input_kinds = {name: "sequences" if d.images.ndim == 4 else "images" for name, d in datasets.items()}
    combinations = resolve_combinations(experiment, input_kinds)
    first_pairs = [pair.pretraining for pair in combinations.pairs if pair.pretraining]
    names = dict.fromkeys(name for pair in first_pairs for name in pair.datasets)
    sources = datasets | {name: load(name, data_config) for name in names if name not in datasets}
    for pair in [*combinations.pairs, *first_pairs]:
        _check_recipe_against_data(pair, sources, backend)
    started, combinations = _find_weights(combinations, weights_dir)  # last, because it may have to download
    seeds = list(dict.fromkeys(experiment.seeds))
    pairs = [ResolvedPair(pair, weights, backend) for pair, weights in started]
    samples = {
        position: pair.trial(datasets[protocol.data], title(protocol.protocol), seeds[0], 0, folds_of_protocol[0])
        for position, pair in enumerate(pairs)
        if pair.pair.recipe.precision == "auto"
        for protocol, folds_of_protocol in folds_by_protocol.items()
        if protocol.data in pair.pair.datasets
    }
    pairs, choices = resolve_precisions(pairs, samples, backend, data_config.cache_dir, measure)
    pairs = add_pretraining(pairs, seeds, sources)
    checks = OverlapChecks(folds_by_protocol, datasets, data_config.cache_dir)
    requested = [
        pair.trial(datasets[protocol.data], title(protocol.protocol), seed, number, fold)
        for seed in seeds
        for protocol in folds_by_protocol
        for pair in pairs
        if protocol.data in pair.pair.datasets
        for number, fold in enumerate(checks.folds(protocol, pair))
    ]
    trials, duplicates = _deduplicate(with_pretraining(requested, pairs))
    without_weights = dict.fromkeys(pair.architecture.name for pair, weights in started if weights.note)
    notes = [
        *_data_notes(datasets),
        *_fold_notes(folds_by_protocol, datasets),
        *skipped,
        *combinations.notes(),
        *duplicates,
        *checks.notes,
        *unknown_data_notes(pairs),
        *choices,
        *_weight_notes(list(without_weights)),
    ]
    only_pretraining = frozenset(planned.key for planned in trials) - {planned.key for planned in requested}
    return Plan(experiment, trials, combinations, notes, only_pretraining)


def check_importable(names: Iterable[str]) -> None:
    """Import the files of architectures, which imports Keras. Raises UserError for a file that cannot be imported."""
    for name in names:
        try:
            ARCHITECTURES.function(name)
        except UserError:
            raise
        except Exception as error:
            file = ARCHITECTURES.get(name).file
            raise UserError(f"{file} cannot be imported: {type(error).__name__}: {error}.") from None


def apply_protocols(
    protocols: list[DataProtocol], datasets: Mapping[str, Dataset]
) -> tuple[dict[DataProtocol, list[Fold]], list[str]]:
    """Split datasets by protocols.

    In a product of several datasets and protocols, a pair that does not fit is skipped.

    Returns:
        The folds of each pair, and a note on the skipped pairs.

    Raises:
        UserError: A dataset that no protocol fits, or a protocol that fits no dataset.
    """
    folds_by_protocol: dict[DataProtocol, list[Fold]] = {}
    errors: dict[DataProtocol, ProtocolNotApplicable] = {}
    for protocol in protocols:
        try:
            folds_by_protocol[protocol] = folds(protocol.protocol, datasets[protocol.data], SPLIT_SEED)
        except ProtocolNotApplicable as error:
            errors[protocol] = error
    fitting_data = {protocol.data for protocol in folds_by_protocol}
    fitting_protocols = {protocol.protocol for protocol in folds_by_protocol}
    for protocol, reason in errors.items():
        if protocol.data not in fitting_data or protocol.protocol not in fitting_protocols:
            raise reason
    names = ", ".join(f"{protocol.protocol} on {protocol.data}" for protocol in errors)
    return folds_by_protocol, [f"Skipped because they do not fit: {names}."] if errors else []


def _check_recipe_against_data(pair: ModelRecipePair, datasets: Mapping[str, Dataset], backend: str) -> None:
    """Raise UserError if the data or the backend cannot serve a recipe, whatever the model."""
    from fer_bench.training.machine import precision_unsupported

    recipe, where = pair.recipe, f"the recipe '{pair.full_recipe_name}' of {pair.architecture.name}"
    for name in pair.datasets:
        height, width = datasets[name].images.shape[-2:]
        if recipe.crop and recipe.crop > min(height, width):
            raise UserError(f"{where}: a crop of {recipe.crop} is larger than the images of {name}, {width}×{height}.")
        if recipe.soft_labels and datasets[name].soft_labels is None:
            raise UserError(f"{where}: soft_labels needs label distributions, which {name} does not have.")
    if reason := precision_unsupported(recipe.precision, backend):
        raise UserError(f"{where}: {reason}")
    if backend == "torch":
        factors = {
            "backbone.learning_rate_factor": recipe.backbone.learning_rate_factor,
            "optimizer.norm_bias_lr_factor": recipe.optimizer.norm_bias_lr_factor,
        }
        for field, factor in factors.items():
            if factor != 1:
                raise UserError(f"{where}: the Torch backend does not support {field}. Set it to 1.")


def _find_weights(
    combinations: Combinations, weights_dir: Path | None
) -> tuple[list[tuple[ModelRecipePair, InitialWeights]], Combinations]:
    """Find the initial weights of each pair; pairs whose weights are missing are refused or skipped."""
    remaining = Combinations(skipped=list(combinations.skipped))
    found = []
    for pair in combinations.pairs:
        try:
            recipe = pair.pretraining.recipe if pair.pretraining else pair.recipe
            weights = find_initial_weights(pair.architecture, recipe.initial_weights, weights_dir)
        except UserError:
            if not pair.from_pattern:
                raise
            remaining.skip(pair, WEIGHTS_NOT_FOUND)
            continue
        freezes = recipe.backbone.freezes or (pair.recipe.backbone.freezes and pair.recipe.pretraining is None)
        if weights.kind == "random" and freezes:
            remaining.skip(pair, WEIGHTS_NOT_FOUND)
            continue
        remaining.pairs.append(pair)
        found.append((pair, weights))
    return found, remaining.require_any()


def _deduplicate(trials: Iterable[PlannedTrial]) -> tuple[list[PlannedTrial], list[str]]:
    """Keep one of the trials that several recipes resolve to, under the first recipe's name; add a note on them."""
    first: dict[str, PlannedTrial] = {}
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for planned in trials:
        trial = planned.trial
        kept = first.setdefault(planned.key, planned).trial
        if kept.recipe_name != trial.recipe_name:
            same[kept.recipe_name, trial.recipe_name].append(trial.architecture)
    phrases = [
        f"'{other}' equals '{name}' for {', '.join(dict.fromkeys(models))}" for (name, other), models in same.items()
    ]
    return list(first.values()), [f"Run once, under the first name: {'; '.join(phrases)}."] if phrases else []


def _data_notes(datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the notes on the datasets; those on a pair of two datasets name their dataset already."""
    single = [f"{name}: {note}" for name, dataset in datasets.items() if ARROW not in name for note in dataset.notes]
    pairs = [note for name, dataset in datasets.items() if ARROW in name for note in dataset.notes]
    return list(dict.fromkeys([*single, *pairs]))


def _fold_notes(folds_by_protocol: Mapping[DataProtocol, list[Fold]], datasets: Mapping[str, Dataset]) -> list[str]:
    return [
        f"{protocol.data}, {protocol.protocol}: {sentence}"
        for protocol, folds_of_protocol in folds_by_protocol.items()
        for sentence in describe_problems(datasets[protocol.data], folds_of_protocol)
    ]


def _weight_notes(without_weights: list[str]) -> list[str]:
    if not without_weights:
        return []
    return [
        f"No ImageNet weights were found for {', '.join(without_weights)}: they start from random weights. "
        "To use ImageNet weights, put <name>_notop.weights.h5 into a folder and name it with --weights-dir or "
        "FER_BENCH_WEIGHTS, or run once with network access for Keras' download."
    ]
