"""Named recipes: YAML files that say how models are trained, shipped with the project or a user's own."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_bench.config import bundled
from fer_bench.config.recipe import format_validation_error
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES, Architecture

DEFAULT = "default"  # what each architecture says of itself: no file


class NamedRecipe(BaseModel):
    """How models are trained, by name. `complete` leaves nothing of an architecture's own recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[^/\\,]+$")  # default: the file's; rows of the leaderboard bear it
    description: str = ""
    standalone: bool = False
    recipe: dict[str, Any] = Field(default_factory=dict)  # laid over the architecture's, or over the base recipe
    per_model: dict[str, dict[str, Any]] = Field(default_factory=dict)  # name or pattern → laid over that

    def layers(self, architecture: Architecture) -> list[dict[str, Any]]:
        """What it puts over the base recipe for an architecture; the last one is on top."""
        own = [layer for pattern, layer in self.per_model.items() if architecture.name in ARCHITECTURES.match(pattern)]
        return [*([] if self.standalone else [architecture.recipe]), self.recipe, *own]


def normalize_path(name_or_path: str) -> str:
    """A recipe as an experiment keeps it: a shipped one's name, or the absolute path of a file."""
    path = Path(name_or_path).expanduser()
    if name_or_path == DEFAULT or name_or_path in bundled.recipes() or not path.is_file():
        return name_or_path  # what is neither is answered when it is read
    names = {file.resolve(): name for name, file in bundled.recipes().items()}
    return names.get(path.resolve(), str(path.absolute()))


def read(name_or_path: str) -> NamedRecipe:
    """A recipe by its shipped name or its file. UserError in one sentence for anything that is wrong with it."""
    if name_or_path == DEFAULT:
        return NamedRecipe(name=DEFAULT, description="What each architecture says of itself.")
    path = bundled.recipes().get(name_or_path, Path(name_or_path).expanduser())
    if not path.is_file():
        raise UserError(_unknown(name_or_path))
    recipe = _validate({"name": path.stem, **load_yaml_mapping(path, example="recipe: {epochs: 20}")}, path)
    if name_or_path not in bundled.recipes() and recipe.name in (DEFAULT, *bundled.recipes()):
        raise UserError(f"{path}: '{recipe.name}' is the name of a shipped recipe; give yours another.")
    return recipe


def load_yaml_mapping(path: Path, example: str) -> dict[str, Any]:
    """What a YAML file holds. UserError, with an example, where that is no mapping."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold keys and values, such as '{example}'.")
    return content


def read_all(names_or_paths: list[str]) -> list[NamedRecipe]:
    """Each recipe once. UserError where two bear one name: their rows could not be told apart."""
    found = [read(one) for one in dict.fromkeys(names_or_paths)]
    names = [recipe.name for recipe in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"Two of the recipes are named '{twice}': give one of the files another name.")
    return found


def _validate(content: dict[str, Any], path: Path) -> NamedRecipe:
    try:
        recipe = NamedRecipe.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {format_validation_error(error, NamedRecipe)}") from None
    for pattern in recipe.per_model:
        try:
            ARCHITECTURES.match(pattern)  # a misspelt model here would be passed over in silence
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    return recipe


def _unknown(name: str) -> str:
    known = [DEFAULT, *bundled.recipes()]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
    return f"No recipe file '{name}', and none of that name is shipped: {hint}"
