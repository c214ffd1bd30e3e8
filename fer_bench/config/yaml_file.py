"""Read YAML files that people wrote, with one sentence for each of the usual mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line


class _Loader(yaml.SafeLoader):
    """Refuses a key that is written twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f"the key '{repeated}' is written twice", None)
        return super().construct_mapping(node, deep)


def load_yaml_mapping(path: Path, example: str) -> dict[str, Any]:
    """Read a YAML file of keys and values, in UTF-8 or UTF-16 with a byte order mark.

    Raises:
        UserError: The file cannot be read or has another content; the message ends with the example.
    """
    try:
        data = path.read_bytes()
        content = yaml.load(data, _Loader)  # a SafeLoader; it recognizes byte order marks
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UserError(f"{path} {_explain(data, error)}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold keys and values, such as '{example}'.")
    return content


def _explain(data: bytes, error: Exception) -> str:
    if isinstance(error, yaml.scanner.ScannerError) and "'\\t'" in str(error) and error.problem_mark:
        return f"is not valid YAML: line {error.problem_mark.line + 1} has a tab. Use spaces instead."
    if isinstance(error, yaml.constructor.ConstructorError) and error.problem_mark is None:
        return f"is not valid YAML: {error.problem}."
    if b"\0" in data[:1024] or data.startswith((b"\x89HDF", b"PK\x03\x04")):
        return "is no text in UTF-8. Name a YAML file, or save it as UTF-8."
    if isinstance(error, UnicodeDecodeError | yaml.reader.ReaderError):
        return "is not valid YAML: it is not text in UTF-8. Save it as UTF-8 in an editor."
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"is not valid YAML: line {error.problem_mark.line + 1}: {one_line(error.problem or '')}."
    return f"is not valid YAML: {one_line(str(error))[:200]}."
