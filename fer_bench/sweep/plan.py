"""From an experiment to its trials, everything resolved and checked before any training starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fer_bench.architecture import ARCHITECTURES, Architecture, describe, source_digest
from fer_bench.datasets import DATASETS, Places, load
from fer_bench.datasets.dataset import Dataset
from fer_bench.errors import UserError
from fer_bench.experiment import Experiment
from fer_bench.protocols.catalogue import PROTOCOLS, folds
from fer_bench.protocols.fold import Fold
from fer_bench.training.recipe import Recipe, changes, resolve
from fer_bench.training.weights import find_initial_weights
from fer_bench.trial import Trial

# Splits are part of a protocol, not of a trial's luck: every seed of a sweep sees the same ones.
SPLIT_SEED = 0


@dataclass(frozen=True)
class Planned:
    """A trial with what its execution needs beside it."""

    trial: Trial
    dataset: Dataset
    fold: Fold
    weights_file: Path | None


@dataclass(frozen=True)
class Plan:
    """All trials of an experiment, in the order in which they run: every model once before any second seed."""

    experiment: Experiment
    trials: list[Planned]
    notes: list[str] = field(default_factory=list)  # what the user should know before it starts


def make_plan(experiment: Experiment, places: Places, weights_dir: Path | None, backend: str) -> Plan:
    """Resolve an experiment. UserError for whatever would keep a trial from starting."""
    recipes = recipes_of(experiment)
    names = list(recipes)
    architectures = {name: describe(name) for name in names}
    for name in names:
        _importable(name)
    parts = {
        (dataset.name, protocol): (dataset, folds(protocol, dataset, SPLIT_SEED))
        for dataset in (load(name, places) for name in dict.fromkeys(experiment.datasets))
        for protocol in dict.fromkeys(experiment.protocols)
    }
    weights = {  # last, because it may have to download
        name: find_initial_weights(architectures[name], recipes[name].initial_weights, weights_dir) for name in names
    }
    trials = [
        Planned(
            Trial(
                architecture=name,
                source=source_digest(name),
                dataset=dataset.name,
                fingerprint=dataset.fingerprint,
                protocol=protocol,
                fold=number,
                recipe_name=recipe_name(architectures[name], recipes[name]),
                # What was asked for ("auto") has no bearing on the outcome, and so none on the key; what was found has.
                recipe=recipes[name].model_dump(mode="json") | {"initial_weights": weights[name].kind},
                initial_weights=weights[name].label,
                seed=seed,
                backend=backend,
            ),
            dataset,
            fold,
            weights[name].file,
        )
        for seed in dict.fromkeys(experiment.seeds)
        for (_, protocol), (dataset, dataset_folds) in parts.items()
        for name in names
        for number, fold in enumerate(dataset_folds)
    ]
    return Plan(experiment, trials, _weight_notes({name: w.note for name, w in weights.items() if w.note}))


def recipes_of(experiment: Experiment) -> dict[str, Recipe]:
    """Every architecture that an experiment's names and patterns stand for, with its resolved recipe.

    Imports neither Keras nor data, so that a misspelt name is answered at once. UserError for unknown names of
    architectures, datasets or protocols, and for recipes that are none.
    """
    for names, registry in ((experiment.datasets, DATASETS), (experiment.protocols, PROTOCOLS)):
        for name in names:
            registry.get(name)
    for pattern in experiment.per_model:
        ARCHITECTURES.match(pattern)  # a misspelt model here would be passed over in silence
    models = dict.fromkeys(name for pattern in experiment.models for name in ARCHITECTURES.match(pattern))
    return {name: _recipe(experiment, name) for name in models}


def _recipe(experiment: Experiment, name: str) -> Recipe:
    """The architecture's default recipe under the experiment's and the model's own overrides."""
    own = [layer for pattern, layer in experiment.per_model.items() if name in ARCHITECTURES.match(pattern)]
    where = f"the recipe of {name} in '{experiment.name}'"
    return resolve(describe(name).recipe, experiment.recipe, *own, where=where)


def recipe_name(architecture: Architecture, recipe: Recipe) -> str:
    """ "default", and what departs from it. Initial weights have a column of their own."""
    departures = changes(recipe, resolve(architecture.recipe))
    departures.pop("initial_weights", None)
    shown = {key: f"{value:g}" if isinstance(value, float) else value for key, value in departures.items()}
    return ", ".join(["default", *(f"{key}={value}" for key, value in shown.items())])


def _importable(name: str) -> None:
    try:
        ARCHITECTURES.function(name)
    except UserError:
        raise
    except Exception as error:
        file = ARCHITECTURES.get(name).file
        raise UserError(f"{file} cannot be imported: {type(error).__name__}: {error}.") from None


def _weight_notes(missing: dict[str, str]) -> list[str]:
    if not missing:
        return []
    return [
        f"No ImageNet weights were found for {', '.join(missing)}: random weights instead. "
        "Put <name>_notop.weights.h5 into a folder and name it with --weights-dir or FER_BENCH_WEIGHTS, "
        "or run once with access to Keras' download."
    ]
