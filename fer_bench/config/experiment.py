"""What a user asks for: an experiment, from a YAML file, from flags, or from both."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_bench.config.bundled import experiments
from fer_bench.config.named_recipes import DEFAULT, load_yaml_mapping, normalize_path
from fer_bench.config.recipe import format_validation_error
from fer_bench.core.errors import UserError, write_error
from fer_bench.protocols.registry import CROSS_PREFIX


class Experiment(BaseModel):
    """A sweep as its user asks for it: every model × recipe × dataset × protocol × seed.

    A recipe is laid in this order, each over the one before: the base recipe, the architecture's own (unless the named
    one is complete), the named one, what it says of the model, `recipe`, `per_model`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[^/\\]+$")  # of a file in the results folder too
    description: str = ""
    models: list[str] = Field(default_factory=lambda: ["all"], min_length=1)  # names or patterns such as vgg*
    datasets: list[str] = Field(default_factory=list)  # none where cross:TRAIN->TEST names them all
    protocols: list[str] = Field(default_factory=lambda: ["official"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(default_factory=lambda: [0], min_length=1)
    recipes: list[str] = Field(default_factory=lambda: [DEFAULT], min_length=1)  # names or YAML files
    recipe: dict[str, Any] = Field(default_factory=dict)  # laid over each of them
    per_model: dict[str, dict[str, Any]] = Field(default_factory=dict)  # name or pattern → laid over that
    skip_incompatible: bool = False  # pairs of model and recipe; else those of models named outright are refused

    @field_validator("models", "datasets", "protocols", "recipes", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return split_names(value)

    @model_validator(mode="after")
    def _require_data(self) -> Experiment:
        if not self.datasets and not all(name.startswith(CROSS_PREFIX) for name in self.protocols):
            raise ValueError("name datasets, or nothing but protocols such as cross:fer2013->jaffe")
        return self

    @field_validator("recipes")
    @classmethod
    def _normalize_paths(cls, value: list[str]) -> list[str]:
        return [normalize_path(one) for one in value]

    @field_validator("seeds", mode="before")
    @classmethod
    def _expand_seeds(cls, value: Any) -> Any:
        """A number n stands for the seeds 0 … n-1."""
        return list(range(value)) if isinstance(value, int) else value

    def with_overrides(self, recipe: Mapping[str, Any], **fields: Any) -> Experiment:
        """This experiment with the given fields replaced, and recipe entries that win over every other."""
        given = {key: value for key, value in fields.items() if value is not None}
        if recipe:
            given["recipe"] = overlay(self.recipe, recipe)
            given["per_model"] = {pattern: overlay(own, recipe) for pattern, own in self.per_model.items()}
        return validate({**self.model_dump(), **given}, "the flags")


def read(name_or_path: str) -> Experiment:
    """An experiment by its shipped name or its file. UserError in one sentence for anything that is wrong with it."""
    path = experiments().get(name_or_path, Path(name_or_path))
    if not path.is_file():
        near = difflib.get_close_matches(name_or_path, experiments(), n=3, cutoff=0.5) or sorted(experiments())
        raise UserError(f"No experiment file '{name_or_path}', and none of that name is shipped: {', '.join(near)}?")
    content = load_yaml_mapping(path, example="models: [cnn]")
    if "recipes" in content:
        content = content | {"recipes": resolve_relative(content["recipes"], path.parent)}
    return validate({"name": path.stem, **content}, str(path))


def bundled_experiment(datasets: str | Sequence[str]) -> Experiment:
    """Return the bundled experiment that has the name of the dataset, or else one with all models on the datasets."""
    name = datasets if isinstance(datasets, str) else ",".join(datasets)
    if name in experiments():
        return read(name)
    return validate({"name": "custom", "datasets": datasets}, "the flags")


def validate(content: Mapping[str, Any], source: str) -> Experiment:
    """An experiment from keys and values; UserError with the nearest key for a misspelt one."""
    try:
        return Experiment.model_validate(dict(content))
    except ValidationError as error:
        raise UserError(f"{source}: {format_validation_error(error, Experiment)}") from None


def save(experiment: Experiment, folder: Path) -> Path:
    """Write a resolved experiment as YAML to <folder>/<name>.yaml; `--experiment` reads it back.

    UserError where the folder cannot be written.
    """
    path = folder / f"{experiment.name}.yaml"
    text = yaml.safe_dump(experiment.model_dump(), sort_keys=False, allow_unicode=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise write_error(path, error, "Make room there, or name another folder with --results-dir.") from None
    return path


def split_names(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def overlay(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the second one last: of dotted and nested keys for the same thing, the last one counts."""
    return {key: value for key, value in under.items() if key not in over} | dict(over)


def resolve_relative(recipes: Any, folder: Path) -> Any:
    """Recipe files are looked for beside the experiment that names them, then where the command was given."""
    parts = split_names(recipes)
    if not isinstance(parts, list):
        return recipes
    return [str(folder / part) if isinstance(part, str) and (folder / part).is_file() else part for part in parts]
