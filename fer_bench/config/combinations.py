"""Which model is trained with which recipe: every pair of an experiment, resolved, and those that are impossible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fer_bench.config.experiment import Experiment
from fer_bench.config.named_recipes import NamedRecipe, read_all
from fer_bench.config.recipe import IMGAUG_POLICIES, POLICIES, Augmentation, Recipe, diff, resolve
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS
from fer_bench.datasets.face_crop.spec import split_name
from fer_bench.protocols.registry import expand_protocols, sources
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, describe

NO_IMAGENET_WEIGHTS = "no ImageNet weights exist"
NO_BACKBONE = "no pretrained backbone to freeze or to slow down"
WEIGHTS_NOT_FOUND = "no ImageNet weights found: see --weights-dir"


@dataclass(frozen=True)
class ModelRecipePair:
    """A model and a recipe that it can be trained with."""

    architecture: Architecture
    recipe: Recipe
    recipe_name: str  # the named recipe
    full_recipe_name: str  # that, and what the experiment changes of it
    datasets: tuple[str, ...]  # those, and TRAIN->TEST of two, that hold what the architecture takes
    from_pattern: bool  # a pattern brought the model in: the pair is left out where it is impossible


@dataclass(frozen=True)
class SkippedPair:
    """A pair that is impossible, and why."""

    model: str
    recipe: str
    reason: str

    @property
    def as_error(self) -> UserError:
        return UserError(f"'{self.model}' cannot be trained with the recipe '{self.recipe}': {self.reason}.")


@dataclass
class Combinations:
    """Those that can be trained, and those left out."""

    pairs: list[ModelRecipePair] = field(default_factory=list)
    skipped: list[SkippedPair] = field(default_factory=list)

    def skip(self, pair: ModelRecipePair, reason: str) -> None:
        """Drop a pair. UserError for one that was asked for outright."""
        dropped = SkippedPair(pair.architecture.name, pair.recipe_name, reason)
        if not pair.from_pattern:
            raise dropped.as_error
        self.skipped.append(dropped)

    def notes(self) -> list[str]:
        """One sentence that names what is left out, by reason."""
        if not self.skipped:
            return []
        recipes = {pair.recipe_name for pair in self.pairs} | {left.recipe for left in self.skipped}
        by_reason: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for left in self.skipped:
            by_reason[left.reason][left.model].append(left.recipe)
        told = [f"{_format_skipped(models, len(recipes))} ({reason})" for reason, models in by_reason.items()]
        return [f"Left out as impossible: {'; '.join(told)}."]

    def require_any(self) -> Combinations:
        """Itself. UserError where nothing is left to train."""
        if not self.pairs:
            raise UserError(f"Nothing is left to train. {' '.join(self.notes())}")
        return self


def resolve_combinations(experiment: Experiment, input_kind_by_dataset: Mapping[str, str] | None = None) -> Combinations:
    """Every pair of an experiment's models and recipes, resolved.

    `holds` says of each dataset whether it holds images or sequences; else the registry does. Imports neither Keras nor
    data, so that a misspelt name is answered at once. UserError for unknown names, for recipes that are none, and for
    impossible pairs of models that were named outright.
    """
    datas = required_datasets(experiment)
    entries = {name: DATASETS.get(split_name(name)[0]) for data in datas for name in sources(data)}
    for pattern in experiment.per_model:
        ARCHITECTURES.match(pattern)  # a misspelt model here would be passed over in silence
    input_kind_by_dataset = input_kind_by_dataset or {data: str(entries[sources(data)[0]].options.get("input_kind", "images")) for data in datas}
    models = dict.fromkeys(name for pattern in experiment.models for name in ARCHITECTURES.match(pattern))
    asked = read_all(experiment.recipes)
    pairs = Combinations()
    for model in models:
        for named in asked:
            _add_pair(pairs, _resolve_pair(experiment, describe(model), named, input_kind_by_dataset), input_kind_by_dataset)
    return pairs.require_any()


def required_datasets(experiment: Experiment) -> list[str]:
    """What data an experiment needs: datasets, and TRAIN->TEST for two of them. UserError for unknown protocols."""
    return list(dict.fromkeys(setting.data for setting in expand_protocols(experiment.datasets, experiment.protocols)))


def _add_pair(pairs: Combinations, pair: ModelRecipePair, holds: Mapping[str, str]) -> None:
    """Put a pair where it belongs. UserError for an impossible one that was asked for outright."""
    unfit = [_input_mismatch(pair, dataset) for dataset in holds if dataset not in pair.datasets]
    reason = _incompatibility(pair.architecture, pair.recipe) if pair.datasets else ", ".join(unfit)
    if reason:
        return pairs.skip(pair, reason)
    # An architecture for images in a sweep that has sequences too is no mistake, even if it was named.
    pairs.skipped += [SkippedPair(pair.architecture.name, pair.recipe_name, reason) for reason in unfit]
    pairs.pairs.append(pair)


def _resolve_pair(experiment: Experiment, architecture: Architecture, named: NamedRecipe, holds: Mapping[str, str]) -> ModelRecipePair:
    model = architecture.name
    own = [layer for pattern, layer in experiment.per_model.items() if model in ARCHITECTURES.match(pattern)]
    where = f"the recipe '{named.name}' of {model} in '{experiment.name}'"
    recipe = resolve(*named.layers(architecture), experiment.recipe, *own, source=where)
    return ModelRecipePair(
        architecture=architecture,
        recipe=recipe,
        recipe_name=named.name,
        full_recipe_name=full_recipe_name(named, architecture, recipe),
        datasets=tuple(data for data, kind in holds.items() if kind == architecture.input_kind),
        from_pattern=experiment.skip_incompatible or model not in experiment.models,
    )


def _incompatibility(architecture: Architecture, recipe: Recipe) -> str | None:
    """Why an architecture cannot be trained so, whatever the data; None where it can."""
    if architecture.weights is None:
        if recipe.initial_weights == "imagenet":
            return NO_IMAGENET_WEIGHTS
        if recipe.backbone.freezes or recipe.backbone.learning_rate_factor != 1:
            return NO_BACKBONE
    smallest = architecture.input_sizes[0]
    if recipe.input_size < smallest:
        return f"input_size {recipe.input_size} is below {smallest}, the smallest possible"
    return None


def _input_mismatch(pair: ModelRecipePair, dataset: str) -> str:
    other = {"images": "sequences", "sequences": "images"}[pair.architecture.input_kind]
    return f"takes {pair.architecture.input_kind}, {dataset} holds {other}"


def full_recipe_name(named: NamedRecipe, architecture: Architecture, recipe: Recipe) -> str:
    """The named recipe, and what departs from it for that architecture. Initial weights have a column of their own."""
    try:
        plain = resolve(*named.layers(architecture))
    except UserError:  # it needs what the experiment adds, such as more epochs
        plain = resolve(architecture.recipe)
    departures = diff(recipe, plain)
    departures.pop("initial_weights", None)
    mixed = [key for key in departures if key.startswith("augmentation.")]
    if len(mixed) > 1 and (policy := _policy_name(recipe.augmentation)):
        departures = {key: value for key, value in departures.items() if key not in mixed} | {"augmentation": policy}
    return ", ".join([named.name, *(f"{key}={_format_value(value)}" for key, value in departures.items())])


def _policy_name(augmentation: Augmentation) -> str | None:
    names = [*POLICIES, *(f"imgaug:{policy}" for policy in IMGAUG_POLICIES)]
    return next((name for name in names if Augmentation.model_validate(name) == augmentation), None)


def _format_value(value: object) -> str:
    if isinstance(value, tuple):  # stages of unfreezing
        return " ".join(f"{when:g}:{blocks}" for when, blocks in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _format_skipped(models: Mapping[str, Iterable[str]], recipes: int) -> str:
    """Models × recipes, models with the same recipes together; without recipes where it is all of them."""
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for model, names in models.items():
        together[tuple(dict.fromkeys(names))].append(model)
    parts = [
        ", ".join(found) + (f" × {', '.join(names)}" if len(names) < recipes else "")
        for names, found in together.items()
    ]
    return " and ".join(parts)
