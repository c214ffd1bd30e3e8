"""The experiments and recipes that come with the project. Imports nothing, so that listing them is light."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "experiments"


def experiments() -> dict[str, Path]:
    """Name → YAML file."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def recipes() -> dict[str, Path]:
    """Name → YAML file."""
    return {path.stem: path for path in sorted((FOLDER / "recipes").glob("*.yaml"))}
