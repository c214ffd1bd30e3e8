"""One generic registry, for architectures, datasets and protocols.

An entry is a decorated function::

    @register_dataset("fer2013", ...)
    def fer2013(...):
        \"\"\"One line.\"\"\"

`Registry.scan` reads names, literal keywords and docstrings from the syntax tree of a file without running it, so
that listing entries takes milliseconds although the files import Keras. A file is imported when the function of one
of its entries is first requested.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean, same_spelling

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A registered function and its description.

    Attributes:
        doc: The docstring.
        module: Dotted name to import; None for a single file outside any package.
        options: Keywords of the decorator.
    """

    name: str
    doc: str
    file: Path
    line: int
    function: str
    module: str | None
    options: dict[str, Any]

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return self.doc.strip().split("\n")[0]


class Registry:
    """A mapping from names to entries of one kind. Registering a name twice is an error."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.decorator_name = f"register_{kind}"
        self._entries: dict[str, Entry] = {}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._pending_loaders: list[Callable[[], None]] = []

    def add_lazy_loader(self, load: Callable[[], None]) -> None:
        """Call `load`, which adds entries, when entries are first requested, in the order of the calls."""
        self._pending_loaders.append(load)

    def _load_pending(self) -> None:
        while self._pending_loaders:
            self._pending_loaders.pop(0)()

    @contextmanager
    def temporary(self) -> Iterator[Registry]:
        """Remove at the end of the block the entries that it added."""
        self._load_pending()
        before = dict(self._entries)
        try:
            yield self
        finally:
            self._entries = before
            # Functions of older entries stay: Python does not import their files again.
            self._functions = {name: function for name, function in self._functions.items() if name in before}

    def __iter__(self) -> Iterator[Entry]:
        self._load_pending()
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: object) -> bool:
        self._load_pending()
        return name in self._entries

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return [entry.name for entry in self]

    def spelling(self, name: str) -> str:
        """Return the registered name that differs in case and separators only; an unknown name unchanged."""
        known = same_spelling(name, self.names())
        return known[0] if len(known) == 1 else name

    def get(self, name: str) -> Entry:
        """Return the entry of that name, in any spelling. Raise UserError with the nearest names if there is none."""
        name = self.spelling(name)
        if name not in self:
            raise self._unknown_name(name)
        return self._entries[name]

    def match(self, pattern: str) -> list[str]:
        """Return the sorted names that a name, a shell pattern such as `vgg*`, or `all` stands for."""
        if pattern.lower() == "all":
            return self.names()
        spelled = re.sub(r"[\s_-]", "?", pattern.lower())  # a separator stands for any separator
        names = fnmatch.filter(self.names(), pattern) or fnmatch.filter(self.names(), self.spelling(pattern))
        names = names or [name for name in self.names() if fnmatch.fnmatch(name.lower(), spelled)]
        if not names:
            raise self._unknown_name(pattern)
        return names

    def function(self, name: str) -> Callable[..., Any]:
        """Return the entry's function. The first call imports its file."""
        entry = self.get(name)
        name = entry.name
        if name not in self._functions:
            _import(entry)
        if name not in self._functions:  # the import does not reach the decorator
            raise UserError(f"{entry.file} names the {self.kind} '{name}' but does not register it when imported.")
        return self._functions[name]

    def register(self, name: str, **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that adds a function under a name."""

        def add(function: Function) -> Function:
            code, doc = function.__code__, inspect.getdoc(function) or ""
            file, line = Path(code.co_filename).resolve(), code.co_firstlineno
            self._add(Entry(name, doc, file, line, function.__name__, function.__module__, options))
            self._functions[name] = function
            return function

        return add

    def scan(self, path: Path, package: str | None = None) -> None:
        """Add the entries of a Python file, or of every file in a folder, without running them.

        If any file is invalid, no entry is added.

        Args:
            path: The file or folder.
            package: Import name of the file or folder; None for files outside any package.

        Raises:
            UserError: A file does not parse, an option is not a literal, or a name is used twice.
        """
        path = path.resolve()
        if not path.exists():
            raise UserError(f"No {self.kind} file or folder at {path}.")
        before = dict(self._entries)
        try:
            for file in _files(path, package):
                for entry in self._read(file.resolve(), _module_name(file, path, package)):
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
                    (name,) = [ast.literal_eval(argument) for argument in call.args]
                    options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
                    if not isinstance(name, str):
                        raise TypeError(name)
                except (ValueError, TypeError):
                    raise UserError(
                        f"{file}, line {call.lineno}: @{self.decorator_name} takes one name and literal options, "
                        "because entries are listed without importing their files."
                    ) from None
                doc = ast.get_docstring(node) or ""
                yield Entry(name, doc, file, node.lineno, node.name, module, options)

    def _add(self, entry: Entry) -> None:
        """Add an entry, unless the same function is registered already. Raise UserError if another has its name."""
        known = self._entries.get(entry.name)
        if known is None:
            self._entries[entry.name] = entry
        elif (known.file, known.function) != (entry.file, entry.function):
            raise UserError(
                f"The {self.kind} '{entry.name}' is registered twice: "
                f"{known.file}:{known.line} and {entry.file}:{entry.line}. Rename one of them."
            )

    def _unknown_name(self, name: str) -> UserError:
        known = same_spelling(name, self.names()) or self.names()
        return UserError(f"Unknown {self.kind} '{name}'. {did_you_mean(name, known)}")


def _files(path: Path, package: str | None) -> list[Path]:
    """Return the Python files to read; in a package also the `__init__.py` of each subpackage."""
    if not path.is_dir():
        return [path]
    return sorted([*path.glob("*.py"), *(path.glob("*/__init__.py") if package else ())])


def _module_name(file: Path, scanned: Path, package: str | None) -> str | None:
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
    sys.modules[name] = module  # inspect and pickle look up classes here
    spec.loader.exec_module(module)


def _decorator_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
