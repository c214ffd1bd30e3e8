"""An experiment: which sweep a user requests, from a YAML file, from flags, or from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fer_bench.config.bundled import experiments
from fer_bench.config.named_recipes import DEFAULT, normalize_path
from fer_bench.config.validation import validate
from fer_bench.config.yaml_file import load_yaml_mapping
from fer_bench.core.errors import UserError
from fer_bench.core.files import write_output
from fer_bench.core.text import did_you_mean, same_spelling, split_names
from fer_bench.datasets.face_crop.spec import spelling
from fer_bench.protocols.registry import CROSS_PREFIX, spell_protocol
from fer_bench.registry.architectures import ARCHITECTURES


class Experiment(BaseModel):
    """A sweep over every model × recipe × dataset × protocol × seed.

    Recipes are merged in this order, later ones override: the base recipe, the architecture's own (unless the named
    recipe is standalone), the named recipe, its `per_model`, the experiment's `recipe`, its `per_model`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[^/\\]+$")  # also of a file in the results folder
    description: str = ""
    models: list[str] = Field(default_factory=lambda: ["all"], min_length=1)  # names or patterns such as vgg*
    datasets: list[str] = Field(default_factory=list)  # may be empty if cross:TRAIN->TEST names all
    protocols: list[str] = Field(default_factory=lambda: ["official"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(default_factory=lambda: [0], min_length=1)
    recipes: list[str] = Field(default_factory=lambda: [DEFAULT], min_length=1)  # names or YAML files
    recipe: dict[str, Any] = Field(default_factory=dict)  # overrides of all recipes
    per_model: dict[str, dict[str, Any]] = Field(default_factory=dict)  # name or pattern → overrides
    skip_incompatible: bool = False  # also skip incompatible pairs of models that are requested by name

    @field_validator("models", "datasets", "protocols", "recipes", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return split_names(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _require_data(self) -> Experiment:
        if not self.datasets and not all(name.startswith(CROSS_PREFIX) for name in self.protocols):
            raise ValueError("name datasets, or only protocols such as cross:fer2013->jaffe")
        return self

    @field_validator("recipes")
    @classmethod
    def _normalize_paths(cls, value: list[str]) -> list[str]:
        return [normalize_path(recipe) for recipe in value]

    @field_validator("models")
    @classmethod
    def _spell_models(cls, value: list[str]) -> list[str]:
        return [ARCHITECTURES.spelling(name) for name in value]

    @field_validator("datasets")
    @classmethod
    def _spell_datasets(cls, value: list[str]) -> list[str]:
        return [spelling(name) for name in value]

    @field_validator("protocols")
    @classmethod
    def _spell_protocols(cls, value: list[str]) -> list[str]:
        return [spell_protocol(name) for name in value]

    @field_validator("seeds", mode="before")
    @classmethod
    def _expand_seeds(cls, value: Any) -> Any:
        """Replace a number n by the seeds 0 … n-1."""
        return list(range(value)) if isinstance(value, int) else value

    def with_overrides(self, recipe: Mapping[str, Any], **fields: Any) -> Experiment:
        """Return this experiment with other values.

        Args:
            recipe: Overrides of all recipes, which take precedence over `recipe` and `per_model`.
            fields: New values of this experiment's fields; None keeps the old one.

        Raises:
            UserError: A value is invalid.
        """
        changes = {key: value for key, value in fields.items() if value is not None}
        if recipe:
            changes["recipe"] = overlay(self.recipe, recipe)
            changes["per_model"] = {pattern: overlay(own, recipe) for pattern, own in self.per_model.items()}
        return validate(Experiment, {**self.model_dump(), **changes}, "the flags")


def read(name_or_path: str) -> Experiment:
    """Read an experiment by its name in the repository or from a file. Raise UserError if it is invalid."""
    path = experiments().get(name_or_path, Path(name_or_path))
    if not path.is_file() and (known := same_spelling(name_or_path, experiments())):
        path = experiments()[known[0]]
    if not path.is_file():
        raise UserError(f"No experiment or file '{name_or_path}'. {did_you_mean(name_or_path, experiments())}")
    content = load_yaml_mapping(path, example="models: [cnn]")
    if "recipes" in content:
        content = content | {"recipes": resolve_relative(content["recipes"], path.parent)}
    return validate(Experiment, {"name": path.stem, **content}, path)


def bundled_experiment(datasets: str | Sequence[str]) -> Experiment:
    """Return the bundled experiment that has the name of the dataset, or else one with all models on the datasets."""
    names = split_names(datasets) if isinstance(datasets, str) else datasets
    name = ",".join(spelling(name) for name in names)
    if name in experiments():
        return read(name)
    return validate(Experiment, {"name": "custom", "datasets": datasets}, "the flags")


def save(experiment: Experiment, folder: Path) -> Path:
    """Write an experiment to <folder>/<name>.yaml, which `--experiment` reads, and return the file.

    Raise UserError if the folder cannot be written.
    """
    path = folder / f"{experiment.name}.yaml"
    write_output(
        path,
        yaml.safe_dump(experiment.model_dump(), sort_keys=False, allow_unicode=True),
        "Make room there, or name another folder with --results-dir.",
    )
    return path


def overlay(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return both with the overrides last: the last of a dotted and a nested key for the same value counts."""
    return {key: value for key, value in base.items() if key not in overrides} | dict(overrides)


def resolve_relative(recipes: Any, folder: Path) -> Any:
    """Prefix recipe files with the experiment's folder if they exist there; else the working folder counts."""
    names = split_names(recipes) if isinstance(recipes, str) else recipes
    if not isinstance(names, list):
        return recipes
    return [str(folder / name) if isinstance(name, str) and (folder / name).is_file() else name for name in names]
