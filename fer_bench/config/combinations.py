"""Which model is trained with which recipe: every pair of an experiment, resolved, and those that are impossible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fer_bench.config.experiment import Experiment
from fer_bench.config.named_recipes import NamedRecipe, read_all
from fer_bench.config.recipe import IMGAUG_POLICIES, POLICIES, Augmentation, Recipe, changes, resolve
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS
from fer_bench.datasets.face_crop.spec import split_name
from fer_bench.protocols.registry import expand_protocols, sources
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, describe

NO_WEIGHTS = "no ImageNet weights exist"
NO_BACKBONE = "no pretrained backbone to freeze or to slow down"
NOT_FOUND = "no ImageNet weights found: see --weights-dir"


@dataclass(frozen=True)
class Pair:
    """A model and a recipe that it can be trained with."""

    architecture: Architecture
    recipe: Recipe
    asked: str  # the named recipe
    name: str  # that, and what the experiment changes of it
    datasets: tuple[str, ...]  # those, and TRAIN->TEST of two, that hold what the architecture takes
    optional: bool  # a pattern brought the model in: the pair is left out where it is impossible


@dataclass(frozen=True)
class LeftOut:
    """A pair that is impossible, and why."""

    model: str
    recipe: str
    reason: str

    @property
    def refusal(self) -> UserError:
        return UserError(f"'{self.model}' cannot be trained with the recipe '{self.recipe}': {self.reason}.")


@dataclass
class Pairs:
    """Those that can be trained, and those left out."""

    possible: list[Pair] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave_out(self, pair: Pair, reason: str) -> None:
        """Drop a pair. UserError for one that was asked for outright."""
        dropped = LeftOut(pair.architecture.name, pair.asked, reason)
        if not pair.optional:
            raise dropped.refusal
        self.left_out.append(dropped)

    def note(self) -> list[str]:
        """One sentence that names what is left out, by reason."""
        if not self.left_out:
            return []
        recipes = {pair.asked for pair in self.possible} | {left.recipe for left in self.left_out}
        by_reason: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for left in self.left_out:
            by_reason[left.reason][left.model].append(left.recipe)
        told = [f"{_grouped(models, len(recipes))} ({reason})" for reason, models in by_reason.items()]
        return [f"Left out as impossible: {'; '.join(told)}."]

    def checked(self) -> Pairs:
        """Itself. UserError where nothing is left to train."""
        if not self.possible:
            raise UserError(f"Nothing is left to train. {' '.join(self.note())}")
        return self


def recipes_of(experiment: Experiment, holds: Mapping[str, str] | None = None) -> Pairs:
    """Every pair of an experiment's models and recipes, resolved.

    `holds` says of each dataset whether it holds images or sequences; else the registry does. Imports neither Keras nor
    data, so that a misspelt name is answered at once. UserError for unknown names, for recipes that are none, and for
    impossible pairs of models that were named outright.
    """
    datas = data_of(experiment)
    entries = {name: DATASETS.get(split_name(name)[0]) for data in datas for name in sources(data)}
    for pattern in experiment.per_model:
        ARCHITECTURES.match(pattern)  # a misspelt model here would be passed over in silence
    holds = holds or {data: str(entries[sources(data)[0]].options.get("input_kind", "images")) for data in datas}
    models = dict.fromkeys(name for pattern in experiment.models for name in ARCHITECTURES.match(pattern))
    asked = read_all(experiment.recipes)
    pairs = Pairs()
    for model in models:
        for named in asked:
            _add(pairs, _pair(experiment, describe(model), named, holds), holds)
    return pairs.checked()


def data_of(experiment: Experiment) -> list[str]:
    """What data an experiment needs: datasets, and TRAIN->TEST for two of them. UserError for unknown protocols."""
    return list(dict.fromkeys(setting.data for setting in expand_protocols(experiment.datasets, experiment.protocols)))


def _add(pairs: Pairs, pair: Pair, holds: Mapping[str, str]) -> None:
    """Put a pair where it belongs. UserError for an impossible one that was asked for outright."""
    unfit = [_unfit(pair, dataset) for dataset in holds if dataset not in pair.datasets]
    reason = _impossible(pair.architecture, pair.recipe) if pair.datasets else ", ".join(unfit)
    if reason:
        return pairs.leave_out(pair, reason)
    # An architecture for images in a sweep that has sequences too is no mistake, even if it was named.
    pairs.left_out += [LeftOut(pair.architecture.name, pair.asked, reason) for reason in unfit]
    pairs.possible.append(pair)


def _pair(experiment: Experiment, architecture: Architecture, named: NamedRecipe, holds: Mapping[str, str]) -> Pair:
    model = architecture.name
    own = [layer for pattern, layer in experiment.per_model.items() if model in ARCHITECTURES.match(pattern)]
    where = f"the recipe '{named.name}' of {model} in '{experiment.name}'"
    recipe = resolve(*named.layers(architecture), experiment.recipe, *own, where=where)
    return Pair(
        architecture=architecture,
        recipe=recipe,
        asked=named.name,
        name=recipe_name(named, architecture, recipe),
        datasets=tuple(data for data, kind in holds.items() if kind == architecture.input_kind),
        optional=experiment.leave_out_impossible or model not in experiment.models,
    )


def _impossible(architecture: Architecture, recipe: Recipe) -> str | None:
    """Why an architecture cannot be trained so, whatever the data; None where it can."""
    if architecture.weights is None:
        if recipe.initial_weights == "imagenet":
            return NO_WEIGHTS
        if recipe.backbone.freezes or recipe.backbone.learning_rate_factor != 1:
            return NO_BACKBONE
    smallest = architecture.input_sizes[0]
    if recipe.input_size < smallest:
        return f"input_size {recipe.input_size} is below {smallest}, the smallest possible"
    return None


def _unfit(pair: Pair, dataset: str) -> str:
    other = {"images": "sequences", "sequences": "images"}[pair.architecture.input_kind]
    return f"takes {pair.architecture.input_kind}, {dataset} holds {other}"


def recipe_name(named: NamedRecipe, architecture: Architecture, recipe: Recipe) -> str:
    """The named recipe, and what departs from it for that architecture. Initial weights have a column of their own."""
    try:
        plain = resolve(*named.layers(architecture))
    except UserError:  # it needs what the experiment adds, such as more epochs
        plain = resolve(architecture.recipe)
    departures = changes(recipe, plain)
    departures.pop("initial_weights", None)
    mixed = [key for key in departures if key.startswith("augmentation.")]
    if len(mixed) > 1 and (policy := _policy(recipe.augmentation)):
        departures = {key: value for key, value in departures.items() if key not in mixed} | {"augmentation": policy}
    return ", ".join([named.name, *(f"{key}={_shown(value)}" for key, value in departures.items())])


def _policy(augmentation: Augmentation) -> str | None:
    names = [*POLICIES, *(f"imgaug:{policy}" for policy in IMGAUG_POLICIES)]
    return next((name for name in names if Augmentation.model_validate(name) == augmentation), None)


def _shown(value: object) -> str:
    if isinstance(value, tuple):  # stages of unfreezing
        return " ".join(f"{when:g}:{blocks}" for when, blocks in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _grouped(models: Mapping[str, Iterable[str]], recipes: int) -> str:
    """Models × recipes, models with the same recipes together; without recipes where it is all of them."""
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for model, names in models.items():
        together[tuple(dict.fromkeys(names))].append(model)
    parts = [
        ", ".join(found) + (f" × {', '.join(names)}" if len(names) < recipes else "")
        for names, found in together.items()
    ]
    return " and ".join(parts)
