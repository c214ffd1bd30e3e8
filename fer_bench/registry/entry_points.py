"""Entries from installed packages: their files are found through entry points and read without being run."""

from __future__ import annotations

import importlib.util
import logging
from importlib.machinery import PathFinder
from pathlib import Path

from fer_bench.registry.registry import Registry


def scan_entry_points(registry: Registry, group: str) -> None:
    """Add the entries of every module or package that an entry point of the group names.

    A broken package adds nothing and is logged as a warning, because it may be installed for another purpose.
    """
    from importlib.metadata import entry_points  # slower to import than everything else here

    for point in entry_points(group=group):
        try:
            registry.scan(_locate(point.module), package=point.module)
        except Exception as error:  # an installed package may be broken in any way
            package = point.dist.name if point.dist else point.name
            logging.getLogger("fer_bench").warning(
                "fer-bench: warning: skipped %s '%s' of the package '%s': %s", registry.kind, point.name, package, error
            )


def _locate(module: str) -> Path:
    """Return the file of a module, or the folder of a package, without importing its parent packages."""
    name, *inner = module.split(".")
    spec = importlib.util.find_spec(name)
    for part in inner:
        folders = spec.submodule_search_locations if spec else None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, folders) if folders else None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ModuleNotFoundError(f"there is no Python file for its module '{module}'")
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
