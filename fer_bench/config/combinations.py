"""Resolve an experiment into its combinations of model and recipe, and skip the incompatible ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fer_bench.config.experiment import Experiment
from fer_bench.config.named_recipes import NamedRecipe, read, read_all
from fer_bench.config.recipe import POLICIES, Augmentation, Recipe, diff, resolve
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS
from fer_bench.datasets.face_crop.spec import spelling, split_name
from fer_bench.protocols.registry import ARROW, CROSS_PREFIX, expand_protocols, source_datasets
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, describe

NO_IMAGENET_WEIGHTS = "no ImageNet weights exist"
NO_BACKBONE = "it has no pretrained backbone to freeze or to slow down"
SIZE_DEPENDENT = "its weights depend on the input size, which the recipe changes during training"
IN_WEIGHTS_COLUMN = ("initial_weights", "pretraining")  # fields that a recipe's name omits
WEIGHTS_NOT_FOUND = "no ImageNet weights found, see --weights-dir"


@dataclass(frozen=True)
class ModelRecipePair:
    """An architecture and a recipe that it can be trained with.

    Attributes:
        recipe_name: Name of the named recipe.
        full_recipe_name: That name and the overrides of the experiment.
        datasets: Datasets, and TRAIN->TEST pairs, whose input kind the architecture accepts.
        from_pattern: Whether a pattern selected the architecture. Then the pair is skipped if it is incompatible.
        pretraining: The architecture and the recipe of the trial whose weights it starts from; None if there is none.
    """

    architecture: Architecture
    recipe: Recipe
    recipe_name: str
    full_recipe_name: str
    datasets: tuple[str, ...]
    from_pattern: bool
    pretraining: ModelRecipePair | None = None


@dataclass(frozen=True)
class SkippedPair:
    """An incompatible pair and the reason."""

    model: str
    recipe: str
    reason: str


@dataclass
class Combinations:
    """The pairs that can be trained, and the skipped ones."""

    pairs: list[ModelRecipePair] = field(default_factory=list)
    skipped: list[SkippedPair] = field(default_factory=list)

    def skip(self, pair: ModelRecipePair, reason: str) -> None:
        """Skip a pair. Raise UserError if it was requested by name."""
        model, recipe = pair.architecture.name, pair.recipe_name
        if not pair.from_pattern:
            raise UserError(f"'{model}' cannot be trained with the recipe '{recipe}': {reason}.")
        self.skipped.append(SkippedPair(model, recipe, reason))

    def notes(self) -> list[str]:
        """Return one sentence that lists the skipped pairs by reason, or nothing."""
        if not self.skipped:
            return []
        recipes = {pair.recipe_name for pair in self.pairs} | {pair.recipe for pair in self.skipped}
        by_reason: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for pair in self.skipped:
            by_reason[pair.reason][pair.model].append(pair.recipe)
        phrases = [f"{_format_skipped(models, len(recipes))} ({reason})" for reason, models in by_reason.items()]
        return [f"Skipped as incompatible: {'; '.join(phrases)}."]

    def require_any(self) -> Combinations:
        """Return these combinations. Raise UserError if there is nothing to train."""
        if not self.pairs:
            raise UserError(f"There is nothing to train. {' '.join(self.notes())}")
        return self


def resolve_combinations(
    experiment: Experiment, input_kind_by_dataset: Mapping[str, str] | None = None
) -> Combinations:
    """Resolve every pair of an experiment's models and recipes.

    This imports neither Keras nor data, so that a misspelled name is reported immediately.

    Args:
        experiment: The models and recipes, with their overrides.
        input_kind_by_dataset: "images" or "sequences" for each dataset. Default: what the registry declares.

    Raises:
        UserError: A name is unknown, a recipe is invalid, or a pair that was requested by name is incompatible.
    """
    declared: dict[str, str] = {}
    for data in required_datasets(experiment):
        entry, *_ = [DATASETS.get(split_name(name)[0]) for name in source_datasets(data)]
        declared[data] = entry.options.get("input_kind", "images")
    if input_kind_by_dataset is None:
        input_kind_by_dataset = declared
    for pattern in experiment.per_model:
        ARCHITECTURES.match(pattern)  # otherwise a misspelled model would be ignored
    models = dict.fromkeys(name for pattern in experiment.models for name in ARCHITECTURES.match(pattern))
    named_recipes = read_all(experiment.recipes)
    combinations = Combinations()
    for model in models:
        for named in named_recipes:
            pair = _resolve_pair(experiment, describe(model), named, input_kind_by_dataset)
            _add_pair(combinations, pair, input_kind_by_dataset)
    return combinations.require_any()


def required_datasets(experiment: Experiment) -> list[str]:
    """Return the datasets, and TRAIN->TEST pairs, of an experiment. Raise UserError for unknown protocols."""
    return list(dict.fromkeys(item.data for item in expand_protocols(experiment.datasets, experiment.protocols)))


def _add_pair(combinations: Combinations, pair: ModelRecipePair, datasets: Iterable[str]) -> None:
    """Add or skip a pair. Raise UserError if it was requested by name and is incompatible."""
    mismatches = [_input_mismatch(pair, dataset) for dataset in datasets if dataset not in pair.datasets]
    reason = _incompatibility(pair.architecture, pair.recipe) if pair.datasets else ", ".join(mismatches)
    reason = reason or _pretraining_problem(pair)
    if reason:
        return combinations.skip(pair, reason)
    # A sweep over images and sequences may name an architecture that accepts only one of them.
    combinations.skipped += [SkippedPair(pair.architecture.name, pair.recipe_name, reason) for reason in mismatches]
    combinations.pairs.append(pair)


def _resolve_pair(
    experiment: Experiment, architecture: Architecture, named: NamedRecipe, input_kind_by_dataset: Mapping[str, str]
) -> ModelRecipePair:
    model = architecture.name
    per_model = [layer for pattern, layer in experiment.per_model.items() if model in ARCHITECTURES.match(pattern)]
    source = f"the recipe '{named.name}' of {model} in '{experiment.name}'"
    recipe = resolve(*named.layers(architecture), experiment.recipe, *per_model, source=source)
    return ModelRecipePair(
        architecture=architecture,
        recipe=recipe,
        recipe_name=named.name,
        full_recipe_name=_full_recipe_name(named, architecture, recipe),
        datasets=tuple(data for data, kind in input_kind_by_dataset.items() if kind == architecture.input_kind),
        from_pattern=experiment.skip_incompatible or model not in experiment.models,
        pretraining=_resolve_pretraining(architecture, recipe),
    )


def _resolve_pretraining(architecture: Architecture, recipe: Recipe) -> ModelRecipePair | None:
    """Return the pair that trains the weights from which a recipe starts. Raise UserError for an unknown name."""
    request = recipe.pretraining
    if request is None or request.dataset is None:
        return None
    dataset = spelling(request.dataset)
    if ARROW in dataset or request.protocol.startswith(CROSS_PREFIX):
        raise UserError("pretraining takes one dataset, with another protocol than cross:.")
    DATASETS.get(split_name(dataset)[0])
    expand_protocols([dataset], [request.protocol])  # raises for an unknown one
    named = read(request.recipe)
    requested = {field: getattr(recipe, field) for field in ("initial_weights", "precision")}
    defaults = {field: Recipe.model_fields[field].default for field in requested}
    overrides = {field: value for field, value in requested.items() if value != defaults[field]}
    source = f"the recipe '{named.name}' of {architecture.name} for pretraining"
    own = resolve(*named.layers(architecture), overrides, source=source)
    if own.precision == "auto" and recipe.precision != "auto":  # only the precision of target recipes is resolved
        own = own.model_copy(update={"precision": recipe.precision})
    if own.pretraining:
        raise UserError(f"{source} asks for pretraining itself: name another with pretraining.recipe.")
    name = _full_recipe_name(named, architecture, own)
    return ModelRecipePair(architecture, own, named.name, name, (dataset,), from_pattern=True)


def _incompatibility(architecture: Architecture, recipe: Recipe) -> str | None:
    """Return why an architecture cannot be trained with a recipe on any data, or None if it can."""
    if architecture.weights is None:
        if recipe.initial_weights == "imagenet":
            return NO_IMAGENET_WEIGHTS
        if recipe.backbone.freezes or recipe.backbone.learning_rate_factor != 1:
            return NO_BACKBONE
    if len(recipe.input_sizes) > 1 and architecture.weights_depend_on_size:
        return SIZE_DEPENDENT
    smallest = architecture.input_sizes[0]
    if min(recipe.input_sizes) < smallest:
        return f"input_size {min(recipe.input_sizes)} is below its minimum, {smallest}"
    return None


def _pretraining_problem(pair: ModelRecipePair) -> str | None:
    """Return why a model cannot be pretrained as its recipe asks, or None if it can."""
    if pair.pretraining is None:
        return None
    (dataset,), own = pair.pretraining.datasets, pair.pretraining.recipe
    kind = DATASETS.get(split_name(dataset)[0]).options.get("input_kind", "images")
    if kind != pair.architecture.input_kind:
        return f"in pretraining {_input_mismatch(pair, dataset)}"
    if reason := _incompatibility(pair.architecture, own):
        return f"in pretraining {reason}"
    before, after = own.final_input_size, pair.recipe.input_sizes[0]
    if before != after and pair.architecture.weights_depend_on_size:
        return f"its weights depend on the input size, which is {before} in pretraining and {after} afterwards"
    return None


def _input_mismatch(pair: ModelRecipePair, dataset: str) -> str:
    other = {"images": "sequences", "sequences": "images"}[pair.architecture.input_kind]
    return f"it needs {pair.architecture.input_kind}, {dataset} has {other}"


def _full_recipe_name(named: NamedRecipe, architecture: Architecture, recipe: Recipe) -> str:
    """Return the recipe's name and the overrides, except the initial weights, which have a column of their own."""
    try:
        default = resolve(*named.layers(architecture))
    except UserError:  # it needs an override of the experiment, such as more epochs
        default = resolve(architecture.recipe)
    overrides = diff(recipe, default)
    overrides = {key: value for key, value in overrides.items() if key.split(".")[0] not in IN_WEIGHTS_COLUMN}
    augmentation = [key for key in overrides if key.startswith("augmentation.")]
    if len(augmentation) > 1 and (policy := _policy_name(recipe.augmentation)):
        overrides = {key: value for key, value in overrides.items() if key not in augmentation}
        overrides["augmentation"] = policy
    return ", ".join([named.name, *(f"{key}={_format_value(value)}" for key, value in overrides.items())])


def _policy_name(augmentation: Augmentation) -> str | None:
    return next((name for name in POLICIES if Augmentation.model_validate(name) == augmentation), None)


def _format_value(value: object) -> str:
    if isinstance(value, tuple):  # stages of unfreezing, or of the input size
        return " ".join(f"{start:g}:{item}" for start, item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _format_skipped(recipes_by_model: Mapping[str, Iterable[str]], num_recipes: int) -> str:
    """Return "models × recipes", grouped by recipes. The recipes are omitted if all of them are skipped."""
    models_by_recipes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for model, recipes in recipes_by_model.items():
        models_by_recipes[tuple(dict.fromkeys(recipes))].append(model)
    return " and ".join(
        ", ".join(models) + (f" × {', '.join(recipes)}" if len(recipes) < num_recipes else "")
        for recipes, models in models_by_recipes.items()
    )
