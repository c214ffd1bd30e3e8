"""The experiments, recipes and trackers that come with the project. Imports nothing, so that listing them is light."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "experiments"


def experiments() -> dict[str, Path]:
    """Name → YAML file."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def trackers() -> list[str]:
    """Names of what `--tracker` takes."""
    files = (Path(__file__).resolve().parents[1] / "sweep" / "tracking").glob("*.py")
    return sorted(file.stem for file in files if file.stem not in ("__init__", "tracker"))


def recipes() -> dict[str, Path]:
    """Name → YAML file."""
    return {path.stem: path for path in sorted((FOLDER / "recipes").glob("*.yaml"))}
