"""Names of recipes with the settings that differ from them, such as `default, epochs=3`, and shorter ones."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fer_bench.core.text import plural

MAX_SHORT_NAME_LENGTH = 40  # characters
MAX_CHANGE_LENGTH = 30  # characters; a longer change is counted instead


def split_recipe_name(name: str) -> tuple[str, list[str]]:
    """Split `default, epochs=3, dropout=0` into the named recipe and the settings that differ from it."""
    base, *changes = re.split(r", (?=[\w.]+=)", name)
    return base, changes


def shorten_recipe(name: str) -> str:
    """Return `default`, `default, epochs=3` or `default + 3 changes`."""
    base, changes = split_recipe_name(name)
    if len(base) > MAX_SHORT_NAME_LENGTH:
        base = f"{base[: MAX_SHORT_NAME_LENGTH - 1].rstrip()}…"
    if not changes:
        return base
    if len(changes) == 1 and len(changes[0]) <= MAX_CHANGE_LENGTH:
        return f"{base}, {changes[0]}"
    return f"{base} + {plural(len(changes), 'change')}"


def hidden_changes(name: str) -> str:
    """Return what the short name omits: the changes, or the whole name if that itself is shortened."""
    base, changes = split_recipe_name(name)
    return ", ".join(changes) if len(base) <= MAX_SHORT_NAME_LENGTH else name


def disambiguate(recipe_names: Iterable[str]) -> dict[str, str]:
    """Return recipe names without the changes that all of them share, by full name."""
    split = {name: split_recipe_name(name) for name in recipe_names}
    shared = set.intersection(*(set(changes) for _, changes in split.values()))
    return {
        name: ", ".join([base, *(change for change in changes if change not in shared)])
        for name, (base, changes) in split.items()
    }
