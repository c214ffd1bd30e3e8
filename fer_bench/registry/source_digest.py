"""A digest of the source code that decides what a registered function does.

It covers the function and, through calls and references, every definition that the function reaches in its own file,
in files of the same folder and in `fer_bench.layers`. Comments, docstrings, formatting, the decorator, the
Python version and unreachable code do not change it. A better comment or a new neighbor therefore retrains nothing.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fer_bench.core.bundled import PACKAGE_DIR, bundled_dir

ARCHITECTURES_DIR = bundled_dir("architectures")
LAYERS_MODULE, LAYERS_FILE = "fer_bench.layers", PACKAGE_DIR / "layers.py"  # shared by architectures everywhere

_PACKAGES = ("architectures", "fer_bench")  # whose modules our files import by name
_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
_SHOW_EMPTY = {"show_empty": True} if sys.version_info >= (3, 13) else {}

_Symbol = tuple[Path, str]  # file, top-level name


def digest(file: Path, function: str) -> str:
    """Return the SHA-256 of the normalized source reachable from a function: 64 hexadecimal digits."""
    seen: dict[_Symbol, str] = {}
    waiting = [(file, function)]
    while waiting:
        symbol = waiting.pop()
        if symbol in seen:
            continue
        seen[symbol], referenced = _resolve(*symbol)
        waiting.extend(referenced)
    text = "\n".join(sorted(f"{path.name}:{name}\n{code}" for (path, name), code in seen.items()))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class _Names:
    """The top level of a file: its statements by the names that they define, and its imports from our other files."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=lambda: defaultdict(list))
    imported: dict[str, _Symbol] = field(default_factory=dict)
    modules: dict[str, Path] = field(default_factory=dict)  # "layers" → the file of `from architectures import layers`
    stars: list[Path] = field(default_factory=list)  # files of `from … import *`


def _resolve(file: Path, name: str) -> tuple[str, list[_Symbol]]:
    """Return the normalized code of a top-level name and the top-level names that it refers to."""
    names = _parse_file(file)
    if name not in names.definitions:  # re-exported from another file, or from a library
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
def _parse_file(file: Path) -> _Names:
    names = _Names()
    tree = _normalize(ast.parse(file.read_text(encoding="utf-8")))
    for statement in tree.body:
        for name in _assigned_names(statement):
            names.definitions[name].append(statement)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if path := _find_module(alias.name, file):
                    names.modules[alias.asname or alias.name] = path
        elif isinstance(node, ast.ImportFrom):
            _add_from_import(node, file, names)
    return names


def _add_from_import(node: ast.ImportFrom, file: Path, names: _Names) -> None:
    path = _find_module(node.module, file) if node.module else None
    for alias in node.names:
        if path and alias.name == "*":
            names.stars.append(path)
        elif path:
            names.imported[alias.asname or alias.name] = (path, alias.name)
        elif node.module in (None, *_PACKAGES) and (module := _find_module(f"{node.module or '.'}.{alias.name}", file)):
            names.modules[alias.asname or alias.name] = module


def _find_module(module: str, file: Path) -> Path | None:
    """Return the file of a module that one of our files imports; None for modules of libraries."""
    if module == LAYERS_MODULE:
        return LAYERS_FILE
    package, _, last = module.rpartition(".")
    folders = [ARCHITECTURES_DIR, file.parent] if package == ARCHITECTURES_DIR.name else [file.parent]
    return next((path for folder in folders if (path := folder / f"{last}.py").is_file()), None)


def _assigned_names(statement: ast.stmt) -> set[str]:
    """Return the names that a top-level statement defines or changes, including those inside an `if` or a `try`."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Expr):
        return set()
    nodes = list(ast.walk(statement))
    targets = [t for n in nodes for t in getattr(n, "targets", [getattr(n, "target", None)]) if t is not None]
    stored = {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return stored | {n.name for n in nodes if isinstance(n, _DEFINITIONS)}


def _normalize(tree: ast.Module) -> ast.Module:
    """Remove docstrings, registering decorators and empty type parameters, in place."""
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITIONS):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            node.decorator_list = [d for d in node.decorator_list if "register_architecture" not in ast.dump(d)]
        if not getattr(node, "type_params", True):
            delattr(node, "type_params")  # Python 3.11 has none
    return tree
