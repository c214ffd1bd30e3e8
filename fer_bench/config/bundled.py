"""Names and files of the experiments, recipes and trackers in the repository. Imports only the standard library."""

from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def experiments() -> dict[str, Path]:
    """Return the YAML file of each experiment by name."""
    return _yaml_files(_ROOT / "experiments")


def recipes() -> dict[str, Path]:
    """Return the YAML file of each named recipe by name."""
    return _yaml_files(_ROOT / "experiments" / "recipes")


def trackers() -> list[str]:
    """Return the values of `--tracker`."""
    files = (_ROOT / "fer_bench" / "sweep" / "tracking").glob("*.py")
    return sorted(file.stem for file in files if file.stem not in ("__init__", "tracker"))


def _yaml_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
