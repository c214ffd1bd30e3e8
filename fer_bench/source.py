"""A digest of the source that decides what a registered function does.

It covers the function and, through calls and references, every definition that it reaches in its own file and in
the files beside it. Comments, docstrings, formatting, the decorator and whatever the function does not reach have no
part in it, so a better comment or a new neighbour retrains nothing.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def digest(file: Path, function: str) -> str:
    """SHA-256 of the normalised source reachable from a function of a file: 64 hexadecimal digits."""
    seen: dict[tuple[Path, str], str] = {}
    waiting = [(file, function)]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        code, referenced = _definition(*place)
        seen[place] = code
        waiting.extend(referenced)
    text = "\n".join(f"{path.name}:{name}\n{code}" for (path, name), code in sorted(seen.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _definition(file: Path, name: str) -> tuple[str, list[tuple[Path, str]]]:
    """The normalised code of a top-level name, and the top-level names that it refers to."""
    definitions, imported = _names(file)
    node = definitions.get(name)
    if node is None:
        return "", []
    used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - {name}
    here = [(file, n) for n in used if n in definitions]
    elsewhere = [imported[n] for n in used if n in imported]
    return ast.dump(node), here + elsewhere


@cache
def _names(file: Path) -> tuple[dict[str, ast.AST], dict[str, tuple[Path, str]]]:
    """Top-level definitions of a file, and the names it imports from files in its own folder."""
    definitions: dict[str, ast.AST] = {}
    imported: dict[str, tuple[Path, str]] = {}
    for node in _normalised(ast.parse(file.read_text(encoding="utf-8"))).body:
        if isinstance(node, _DEFINITIONS):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            definitions.update({t.id: node for t in targets if isinstance(t, ast.Name)})
        elif isinstance(node, ast.ImportFrom) and node.module:
            beside = file.parent / f"{node.module.rpartition('.')[2]}.py"
            if beside.is_file():
                imported.update({a.asname or a.name: (beside, a.name) for a in node.names})
    return definitions, imported


def _normalised(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITIONS):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            node.decorator_list = [d for d in node.decorator_list if "register_architecture" not in ast.dump(d)]
    return tree
