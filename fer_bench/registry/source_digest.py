"""A digest of the source that decides what a registered function does.

It covers the function and, through calls and references, every definition that it reaches in its own file, in the
files beside it and in the project's `architectures`. Comments, docstrings, formatting, the decorator, the version of
Python and whatever the function does not reach have no part in it, so a better comment or a new neighbour retrains
nothing.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ARCHITECTURES_DIR = Path(__file__).resolve().parents[2] / "architectures"  # what a file outside may import from

_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
_SHOW_EMPTY = {"show_empty": True} if sys.version_info >= (3, 13) else {}

_Symbol = tuple[Path, str]  # a top-level name of a file


def digest(file: Path, function: str) -> str:
    """SHA-256 of the normalised source reachable from a function of a file: 64 hexadecimal digits."""
    seen: dict[_Symbol, str] = {}
    waiting = [(file, function)]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        code, referenced = _resolve(*place)
        seen[place] = code
        waiting.extend(referenced)
    text = "\n".join(sorted(f"{path.name}:{name}\n{code}" for (path, name), code in seen.items()))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class _File:
    """What the top level of a file holds: statements by the name they give, and imports from other files of ours."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=lambda: defaultdict(list))
    imported: dict[str, _Symbol] = field(default_factory=dict)
    modules: dict[str, Path] = field(default_factory=dict)  # "layers" → the file of `from architectures import layers`
    stars: list[Path] = field(default_factory=list)  # files of `from … import *`


def _resolve(file: Path, name: str) -> tuple[str, list[_Symbol]]:
    """The normalised code of a top-level name, and the top-level names that it refers to."""
    names = _parse_file(file)
    if name not in names.definitions:  # passed on from another file, or not ours
        return "", [names.imported[name]] if name in names.imported else [(star, name) for star in names.stars]
    referenced: list[_Symbol] = []
    for node in (n for statement in names.definitions[name] for n in ast.walk(statement)):
        if isinstance(node, ast.Name) and node.id != name:
            if node.id in names.definitions:
                referenced.append((file, node.id))
            elif node.id in names.imported:
                referenced.append(names.imported[node.id])
            else:
                referenced.extend((star, node.id) for star in names.stars)
        elif isinstance(node, ast.Attribute) and names.modules and ast.unparse(node.value) in names.modules:
            referenced.append((names.modules[ast.unparse(node.value)], node.attr))
    return "\n".join(ast.dump(s, **_SHOW_EMPTY) for s in names.definitions[name]), referenced


@cache
def _parse_file(file: Path) -> _File:
    names = _File()
    tree = _normalize(ast.parse(file.read_text(encoding="utf-8")))
    for statement in tree.body:
        for name in _assigned_names(statement):
            names.definitions[name].append(statement)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if path := _file_of(alias.name, file):
                    names.modules[alias.asname or alias.name] = path
        elif isinstance(node, ast.ImportFrom):
            _add_from(node, file, names)
    return names


def _add_from(node: ast.ImportFrom, file: Path, names: _File) -> None:
    path = _file_of(node.module, file) if node.module else None
    for alias in node.names:
        if path and alias.name == "*":
            names.stars.append(path)
        elif path:
            names.imported[alias.asname or alias.name] = (path, alias.name)
        elif node.module in (None, ARCHITECTURES_DIR.name) and (module := _file_of(f"{ARCHITECTURES_DIR.name}.{alias.name}", file)):
            names.modules[alias.asname or alias.name] = module


def _file_of(module: str, file: Path) -> Path | None:
    """The file of a module that one of our files imports; None for those of libraries."""
    package, _, last = module.rpartition(".")
    folders = [ARCHITECTURES_DIR, file.parent] if package == ARCHITECTURES_DIR.name else [file.parent]
    return next((path for folder in folders if (path := folder / f"{last}.py").is_file()), None)


def _assigned_names(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement defines or changes, those within an `if` or a `try` too."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Expr):
        return set()
    nodes = list(ast.walk(statement))
    targets = [t for n in nodes for t in getattr(n, "targets", [getattr(n, "target", None)]) if t is not None]
    stored = {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return stored | {n.name for n in nodes if isinstance(n, _DEFINITIONS)}


def _normalize(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITIONS):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            node.decorator_list = [d for d in node.decorator_list if "register_architecture" not in ast.dump(d)]
        if not getattr(node, "type_params", True):
            del node.type_params  # Python 3.11 has none
    return tree
