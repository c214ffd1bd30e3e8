"""Named recipes: YAML files in the repository or of the user that override how models are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fer_bench.config import bundled
from fer_bench.config.validation import validate
from fer_bench.config.yaml_file import load_yaml_mapping
from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean, same_spelling
from fer_bench.registry.architectures import ARCHITECTURES, Architecture

DEFAULT = "default"  # each architecture's own recipe, which has no file


class NamedRecipe(BaseModel):
    """A named set of overrides of the base recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[^/\\,]+$")  # in leaderboard rows; default: the file's name
    description: str = ""
    standalone: bool = False  # ignore the recipes of the architectures
    recipe: dict[str, Any] = Field(default_factory=dict)  # overrides of the architecture's, or of the base recipe
    per_model: dict[str, dict[str, Any]] = Field(default_factory=dict)  # name or pattern → overrides

    def layers(self, architecture: Architecture) -> list[dict[str, Any]]:
        """Return the overrides of the base recipe for an architecture; later ones take precedence."""
        own = [layer for pattern, layer in self.per_model.items() if architecture.name in ARCHITECTURES.match(pattern)]
        return [*([] if self.standalone else [architecture.recipe]), self.recipe, *own]


def normalize_path(name_or_path: str) -> str:
    """Return the name of a recipe of the repository, or the absolute path of a file; unknown names unchanged."""
    path = Path(name_or_path).expanduser()
    if name_or_path == DEFAULT or name_or_path in bundled.recipes() or not path.is_file():
        return name_or_path
    names = {file.resolve(): name for name, file in bundled.recipes().items()}
    return names.get(path.resolve(), str(path.absolute()))


def read(name_or_path: str) -> NamedRecipe:
    """Read a recipe by its name in the repository or from a file. Raise UserError if it is invalid."""
    if name_or_path == DEFAULT:
        return NamedRecipe(name=DEFAULT, description="Each architecture's own recipe.")
    reserved = [DEFAULT, *bundled.recipes()]
    path = bundled.recipes().get(name_or_path, Path(name_or_path).expanduser())
    if not path.is_file() and (known := same_spelling(name_or_path, reserved)):
        return read(known[0])
    if not path.is_file():
        raise UserError(f"No recipe or file '{name_or_path}'. {did_you_mean(name_or_path, reserved)}")
    content = load_yaml_mapping(path, example="recipe: {epochs: 20}")
    recipe = validate(NamedRecipe, {"name": path.stem, **content}, path)
    try:
        for pattern in recipe.per_model:
            ARCHITECTURES.match(pattern)  # otherwise a misspelled model would be ignored
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if name_or_path not in reserved and recipe.name in reserved:
        raise UserError(f"{path}: '{recipe.name}' is the name of a recipe in the repository. Choose another name.")
    return recipe


def read_all(names_or_paths: list[str]) -> list[NamedRecipe]:
    """Read each recipe once. Raise UserError if two have the same name, which would mix their rows."""
    recipes = [read(name) for name in dict.fromkeys(names_or_paths)]
    names = [recipe.name for recipe in recipes]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"Two of the recipes are named '{duplicate}'. Rename one of the files.")
    return recipes
