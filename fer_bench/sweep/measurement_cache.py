"""What was measured on a machine, in a file of the cache."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FIELDS = ("processor", "cores", "accelerator")  # of a machine that decide how fast it is


class Remembered:
    """Numbers by key, of one machine and whatever else they depend on. A file that cannot be read is begun anew."""

    def __init__(self, file: Path, machine: Mapping[str, Any], *depends: Any) -> None:
        self._file = file
        self._place = json.dumps([*(machine.get(field) for field in FIELDS), *depends])

    def read(self) -> dict[str, float]:
        return self._all().get(self._place, {})

    def write(self, numbers: Mapping[str, float]) -> None:
        """Add to what is remembered. What cannot be written is measured again."""
        found = self._all()
        found[self._place] = found.get(self._place, {}) | dict(numbers)
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(found, indent=1))
            part.replace(self._file)
        except OSError:
            return

    def _all(self) -> dict[str, dict[str, float]]:
        try:
            found = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
