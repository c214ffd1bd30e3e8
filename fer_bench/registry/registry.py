"""One registry for everything that has a name: architectures, datasets, protocols.

An entry is a decorated function::

    @register_dataset("fer2013", ...)
    def fer2013(...):
        \"\"\"One line.\"\"\"

`Registry.scan` reads names, literal keywords and docstrings from the syntax tree of the files, without
running them, so that listing entries costs milliseconds although their files import Keras. A file is
imported when the function of one of its entries is first called for.
"""

from __future__ import annotations

import ast
import difflib
import fnmatch
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_bench.core.errors import UserError


@dataclass(frozen=True)
class Entry:
    """A named function and its frozen description.

    `options` are the decorator's keywords; `module` is the dotted name to import, None for a lone file.
    """

    name: str
    summary: str
    doc: str
    file: Path
    line: int
    function: str
    module: str | None
    options: dict[str, Any]


class Registry:
    """Names → entries of one kind. A second registration of a name is an error."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.decorator_name = f"register_{kind}"
        self._entries: dict[str, Entry] = {}
        self._functions: dict[str, Callable] = {}
        self._pending_loaders: list[Callable[[], None]] = []

    def add_lazy_loader(self, add: Callable[[], None]) -> None:
        """Call `add` when entries are first asked for: for what takes time to find."""
        self._pending_loaders.append(add)

    def _load_pending(self) -> None:
        while self._pending_loaders:
            self._pending_loaders.pop()()

    def __iter__(self) -> Iterator[Entry]:
        self._load_pending()
        return iter(sorted(self._entries.values(), key=lambda e: e.name))

    def __contains__(self, name: object) -> bool:
        self._load_pending()
        return name in self._entries

    def names(self) -> list[str]:
        self._load_pending()
        return sorted(self._entries)

    def get(self, name: str) -> Entry:
        """The entry of that name; UserError with the nearest names where there is none."""
        self._load_pending()
        try:
            return self._entries[name]
        except KeyError:
            raise UserError(self._unknown_name(name)) from None

    def match(self, pattern: str) -> list[str]:
        """The names that a name, a shell pattern such as `vgg*`, or `all` stands for, in order."""
        if pattern == "all":
            return self.names()
        names = fnmatch.filter(self.names(), pattern)
        if not names:
            raise UserError(self._unknown_name(pattern))
        return names

    def function(self, name: str) -> Callable:
        """The entry's function; imports its file on first use."""
        entry = self.get(name)
        if name not in self._functions:
            _import(entry)
        if name not in self._functions:  # the file holds a decorator that its import does not reach
            raise UserError(f"{entry.file} names the {self.kind} '{name}' but does not register it when imported.")
        return self._functions[name]

    def register(self, name: str, **options: Any) -> Callable[[Callable], Callable]:
        """Decorator that adds a function under a name."""

        def add(function: Callable) -> Callable:
            code = function.__code__
            entry = Entry(
                name=name,
                doc=inspect.getdoc(function) or "",
                summary=_first_line(inspect.getdoc(function)),
                file=Path(code.co_filename).resolve(),
                line=code.co_firstlineno,
                function=function.__name__,
                module=function.__module__,
                options=options,
            )
            known = self._entries.get(name)
            if known is None or (known.file, known.function) != (entry.file, entry.function):
                self._add(entry)
            self._functions[name] = function
            return function

        return add

    def scan(self, path: Path, package: str | None = None) -> None:
        """Add the entries of a Python file, or of every file in a folder, without running them.

        `package` is the import name of the folder or the file, None where files stand for themselves.
        Raises UserError for a file that does not parse, an option that is not a literal, a name used twice; then
        nothing of all of it is added.
        """
        path = path.resolve()
        if not path.exists():
            raise UserError(f"No {self.kind} file or folder at {path}.")
        before = dict(self._entries)
        try:
            for file in _files(path, package):
                for entry in self._read(file.resolve(), _module_of(file, path, package)):
                    known = self._entries.get(entry.name)
                    if known is None or (known.file, known.function) != (entry.file, entry.function):
                        self._add(entry)
        except UserError:
            self._entries = before
            raise

    def _read(self, file: Path, module: str | None) -> Iterator[Entry]:
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        except (SyntaxError, UnicodeDecodeError) as error:
            raise UserError(f"{file} is not valid Python: {error}.") from None
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for call in node.decorator_list:
                if not (isinstance(call, ast.Call) and _decorator_name(call) == self.decorator_name):
                    continue
                try:
                    (name,) = [ast.literal_eval(a) for a in call.args]
                    options = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
                    if not isinstance(name, str):
                        raise TypeError(name)
                except (ValueError, TypeError):
                    raise UserError(
                        f"{file}, line {call.lineno}: @{self.decorator_name} takes one name and literal options, "
                        "so that listing it needs no import."
                    ) from None
                doc = ast.get_docstring(node) or ""
                yield Entry(name, _first_line(doc), doc, file, node.lineno, node.name, module, options)

    def _add(self, entry: Entry) -> None:
        known = self._entries.get(entry.name)
        if known is not None:
            raise UserError(
                f"The {self.kind} '{entry.name}' is registered twice: "
                f"{known.file}:{known.line} and {entry.file}:{entry.line}."
            )
        self._entries[entry.name] = entry

    def _unknown_name(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._entries, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.names()) or 'none'}."
        return f"Unknown {self.kind} '{name}': {hint}"


def _files(path: Path, package: str | None) -> list[Path]:
    """The Python files to read; in a package also the `__init__.py` of each subpackage."""
    if not path.is_dir():
        return [path]
    return sorted([*path.glob("*.py"), *(path.glob("*/__init__.py") if package else ())])


def _module_of(file: Path, scanned: Path, package: str | None) -> str | None:
    if package is None or file == scanned:
        return package
    return ".".join([package, *file.relative_to(scanned).with_suffix("").parts]).removesuffix(".__init__")


def _import(entry: Entry) -> None:
    if entry.module is not None:
        importlib.import_module(entry.module)
        return
    name = f"_fer_bench_{entry.file.stem}"
    spec = importlib.util.spec_from_file_location(name, entry.file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # inspect and pickle look classes up here
    spec.loader.exec_module(module)


def _decorator_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0]
