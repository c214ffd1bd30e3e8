"""Names of the leaderboard's rows and their recipes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from fer_bench.config.recipe_names import disambiguate, hidden_changes, shorten_recipe
from fer_bench.leaderboard.rows import LeaderboardRow

MAX_VARIANT_LENGTH = 40  # characters; the row's id replaces a longer variant


def label_rows(rows: Iterable[LeaderboardRow]) -> dict[str, dict[str, str]]:
    """Return the names of rows, by row id.

    `label` is the shortest name that is unique in the row's section; `variant` distinguishes rows of the same
    architecture and recipe name; `short_recipe` is the recipe's short name, and `recipe_changes` what it omits.
    """
    models: dict[tuple[str | int, ...], list[LeaderboardRow]] = defaultdict(list)
    for row in rows:
        models[(*row.section, row.trial.architecture)].append(row)
    return {row.id: _names(row, model) for model in models.values() for row in model}


def _names(row: LeaderboardRow, model: list[LeaderboardRow]) -> dict[str, str]:
    """Return the names of a row among all rows of its architecture and section."""
    name = row.trial.recipe_name
    same_recipe = [other for other in model if other.trial.recipe_name == name]
    variant = _variant(row, same_recipe)
    all_names = {other.trial.recipe_name for other in model}
    short = _short_name(name, {full: full for full in all_names}, row)
    recipe = f" {_short_name(name, disambiguate(all_names), row)}" if len(all_names) > 1 else ""
    return {
        "label": f"{row.trial.architecture}{recipe}" + (f" ({variant})" if variant else ""),
        "variant": variant,
        "short_recipe": short,
        "recipe_changes": "" if short == name else hidden_changes(name),
    }


def _short_name(name: str, recipes: Mapping[str, str], row: LeaderboardRow) -> str:
    """Return a recipe's short name, with the row's id if another recipe of the model has the same short name."""
    short = shorten_recipe(recipes[name])
    unique = sum(shorten_recipe(other) == short for other in recipes.values()) == 1
    return short if unique else f"{short} (row {row.id[:6]})"


def _variant(row: LeaderboardRow, same_recipe: list[LeaderboardRow]) -> str:
    """Return how a row differs from others of its architecture and recipe name; empty if there are no others."""
    if len(same_recipe) == 1:
        return ""
    all_fields, fields = [_identity_fields(other) for other in same_recipe], _identity_fields(row)
    text = ", ".join(value for key, value in fields.items() if len({other.get(key) for other in all_fields}) > 1)
    return text if 0 < len(text) <= MAX_VARIANT_LENGTH else f"row {row.id[:6]}"


def _identity_fields(row: LeaderboardRow) -> dict[str, str]:
    """Return everything that two rows of a recipe name can differ in, as it is shown."""
    trial = row.trial
    return {
        "weights": f"{row.weights} {trial.initial_weights.partition(':')[2][:6]}".rstrip(),
        "backend": trial.backend,
        "source": f"source {trial.source_digest[:6]}",
        "procedure": f"procedure {trial.procedure_version}",
        **{f"recipe.{key}": f"{key}={value}" for key, value in trial.recipe.items() if key != "pretraining"},
    }
