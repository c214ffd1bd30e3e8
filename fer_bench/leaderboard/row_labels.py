"""What a row is called: as briefly as sets it apart from the others of its section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fer_bench.leaderboard.rows import Row

LONGEST_VARIANT = 40  # characters; beyond, a digest tells two recipes apart
LONGEST_RECIPE = 60  # characters in a label, and so in the name of a figure's file; beyond, the same


def names_of(found: list[Row]) -> dict[str, dict[str, str]]:
    """By identity: the shortest name that no other row of the section has (label), and in what equal names differ."""
    models: dict[tuple, list[Row]] = defaultdict(list)
    for row in found:
        models[(*row.section, row.trial.architecture)].append(row)
    return {row.id: _name(row, alike) for alike in models.values() for row in alike}


def _name(row: Row, model: list[Row]) -> dict[str, str]:
    alike = [r for r in model if r.trial.recipe_name == row.trial.recipe_name]
    variant = _variant(row, alike)
    recipe = "" if len(alike) == len(model) else told_apart([r.trial.recipe_name for r in model])[row.trial.recipe_name]
    if len(recipe) > LONGEST_RECIPE:
        recipe = f"{recipe.partition(',')[0][:LONGEST_RECIPE]} … {row.id[:6]}"
    named = f"{row.trial.architecture} {recipe}".rstrip()
    return {"variant": variant, "label": f"{named} ({variant})" if variant else named}


def told_apart(recipes: Iterable[str]) -> dict[str, str]:
    """Recipes' names → the same without the departures that all of them share."""
    parts = {recipe: recipe.split(", ") for recipe in recipes}
    shared = set.intersection(*(set(departures) for _, *departures in parts.values()))
    return {recipe: ", ".join([name, *(d for d in rest if d not in shared)]) for recipe, (name, *rest) in parts.items()}


def _variant(row: Row, alike: list[Row]) -> str:
    """In what a row differs from those of its model and recipe name; empty where it is the only one."""
    if len(alike) == 1:
        return ""
    fields, mine = [_fields(r) for r in alike], _fields(row)
    text = ", ".join(value for key, value in mine.items() if len({f.get(key) for f in fields}) > 1)
    return text if 0 < len(text) <= LONGEST_VARIANT else f"row {row.id[:6]}"


def _fields(row: Row) -> dict[str, str]:
    """All in which two rows can differ, each as it is shown."""
    trial = row.trial
    return {
        "weights": trial.initial_weights.replace(":", " ")[:15],
        "backend": trial.backend,
        "source": f"source {trial.source_digest[:6]}",
        "procedure": f"procedure {trial.procedure_version}",
        **{f"recipe.{key}": f"{key}={value}" for key, value in trial.recipe.items()},
    }
