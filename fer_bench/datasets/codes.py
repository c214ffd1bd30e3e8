"""Classes as numbers in tables and lists. Lists that count from 0, from 1, or other classes look alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from fer_bench.core.errors import UserError
from fer_bench.datasets.emotions import canonical_emotion

NUMBER = re.compile(r"[-+]?\d{1,9}(\.\d{0,9})?")
# Fewer labels may lack a class by chance.
MIN_LABELS = 20


class LabelParser:
    """Parses the labels of one file and checks its codes as a whole.

    A number that is no code is never a mistake in one line alone: the whole list may be shifted, so `check` raises for
    it, whether invalid lines are skipped or not.

    Args:
        where: The file, for messages.
        emotions: Code → name of its class, the codes in order. Names are understood, too.
    """

    def __init__(self, where: object, emotions: Mapping[int, str]) -> None:
        self._where = where
        self._emotions = dict(emotions)
        self._codes: Counter[int] = Counter()
        self._unknown: tuple[str, str] | None = None  # the first number that is no code, and its line

    def parse(self, text: str, line: str) -> str | None:
        """Return the class of a code or a name; None if the text is neither.

        Args:
            text: Such as 3, 3.0, happy, Happiness.
            line: Where it stands, such as "line 2".
        """
        text = text.strip()
        if not NUMBER.fullmatch(text):
            emotion = canonical_emotion(text)
            return emotion if emotion in self._emotions.values() else None
        number = float(text)
        self._codes[int(number)] += 1
        if number in self._emotions:
            return self._emotions[int(number)]
        self._unknown = self._unknown or (text, line)
        return None

    @property
    def has_unknown(self) -> bool:
        """Whether any number was no code, so that `check` will raise."""
        return self._unknown is not None

    @property
    def expected(self) -> str:
        """What the codes are, such as `0 (angry) to 6 (neutral)`."""
        first, last = min(self._emotions), max(self._emotions)
        return f"{first} ({self._emotions[first]}) to {last} ({self._emotions[last]})"

    def check(self) -> None:
        """Raise UserError if a number is no code, or if the codes seem to be those of other classes."""
        first, last = min(self._emotions), max(self._emotions)
        missing = [f"{code} ({self._emotions[code]})" for code in (first, last) if not self._codes[code]]
        if self._unknown:
            text, line = self._unknown
            problem = f"{self._where}, {line}: unknown label {text!r}, the codes are {self.expected}"
        elif missing and self._codes.total() >= MIN_LABELS:
            problem = f"{self._where} has no label {' and '.join(missing)}, the codes are {self.expected}"
        else:
            return
        raise UserError(f"{problem}. {self._explain(first, last)} --skip-invalid does not skip such labels.")

    def _explain(self, first: int, last: int) -> str:
        lowest, highest = min(self._codes), max(self._codes)
        if lowest < first and highest < last:
            change = f"add {first - lowest} to each"
        elif lowest > first and highest > last:
            change = f"subtract {lowest - first} from each"
        elif self._unknown and sum(self._codes[code] for code in self._codes if code not in self._emotions) <= 1:
            return "Correct or remove it."
        else:
            shifted = f"counted from {lowest}, or " if lowest > first else ""
            return (
                f"They may be {shifted}numbers of other classes: write the names of the classes instead of numbers, "
                f"such as {self._emotions[first]}."
            )
        return f"The codes seem to be counted from {lowest}, not from {first}: {change}."
