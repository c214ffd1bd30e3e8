"""Entries that installed packages bring: files found through entry points, and read without being run."""

from __future__ import annotations

import importlib.util
import logging
from importlib.machinery import PathFinder
from pathlib import Path

from fer_bench.registry.registry import Registry


def scan_entry_points(registry: Registry, group: str) -> None:
    """Add the entries of every module or package that an entry point of the group names.

    A package that is broken costs a warning with its name, and nothing of it is added: whoever has it installed may
    not want it just now.
    """
    from importlib.metadata import entry_points  # takes longer to import than all else here

    for point in entry_points(group=group):
        try:
            registry.scan(_file_of(point.module), package=point.module)
        except Exception as error:  # whatever an installed package may get wrong
            package = point.dist.name if point.dist else point.name
            logging.getLogger("fer_bench").warning(
                "fer-bench: warning: the package '%s' brings no %s '%s': %s", package, registry.kind, point.name, error
            )


def _file_of(module: str) -> Path:
    """The file of a module, or the folder of a package, without importing what stands above it."""
    name, *inner = module.split(".")
    spec = importlib.util.find_spec(name)
    for part in inner:
        folders = spec.submodule_search_locations if spec else None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, folders) if folders else None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ModuleNotFoundError(f"there is no Python file for its module '{module}'")
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
