"""Names and files of the experiments, recipes and trackers in the repository. Imports no library."""

from pathlib import Path

from fer_bench.core.bundled import PACKAGE_DIR, bundled_dir

EXPERIMENTS_DIR = bundled_dir("experiments")


def experiments() -> dict[str, Path]:
    """Return the YAML file of each experiment by name."""
    return _yaml_files(EXPERIMENTS_DIR)


def recipes() -> dict[str, Path]:
    """Return the YAML file of each named recipe by name."""
    return _yaml_files(EXPERIMENTS_DIR / "recipes")


def trackers() -> list[str]:
    """Return the values of `--tracker`."""
    files = (PACKAGE_DIR / "sweep" / "tracking").glob("*.py")
    return sorted(file.stem for file in files if file.stem not in ("__init__", "tracker"))


def _yaml_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
