"""Formatting of numbers and names for people. NaN is shown as a dash."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNKNOWN = "–"


def percent(mean: float, sd: float = float("nan")) -> str:
    """Return a fraction as a percentage with its standard deviation if known: `63.42 ± 0.31`."""
    return _mean_and_sd(100 * mean, 100 * sd, ".2f")


def millions(parameters: float) -> str:
    """Return a number of parameters: `1.33 M`, or below 100,000 `12.3 k`."""
    if math.isnan(parameters):
        return UNKNOWN
    return f"{parameters / 1e6:.2f} M" if parameters >= 1e5 else f"{parameters / 1e3:.1f} k"


def duration(seconds: float, approximate: bool = False) -> str:
    """Return a time in two units at most: `42.1 s`, `3 min 07 s`, `1 h 24 min`; approximate: `42 s`, `3 min`."""
    if math.isnan(seconds):
        return UNKNOWN
    if seconds < (90 if approximate else 59.95):
        return f"{seconds:.0f} s" if approximate else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if approximate:
        minutes, rest = round(seconds / 60), 0
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left:02d} min"
    return f"{minutes} min" if approximate else f"{minutes} min {rest:02d} s"


def time_to_target(seconds: float, reached: str) -> str:
    """Return the time to a target, and how many trials reached it if not all did: `3 min 07 s (2 of 3)`.

    seconds: Infinite for a miss, which is `not reached`.
    """
    if math.isnan(seconds):
        return UNKNOWN
    time = "not reached" if math.isinf(seconds) else duration(seconds)
    count, _, total = reached.partition(" of ")
    return time if total in (count, "1") else f"{time} ({reached})"


def rate(per_second: float) -> str:
    """Return images per second, with at least three digits."""
    if math.isnan(per_second):
        return UNKNOWN
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


def mean_count(value: float) -> str:
    """Return a count, with one decimal if it is a mean over unequal seeds."""
    if math.isnan(value):
        return UNKNOWN
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def interval(low: float, high: float) -> str:
    """Return an interval of fractions as percentages: `61.8–65.0`."""
    return UNKNOWN if math.isnan(low) or math.isnan(high) else f"{100 * low:.1f}–{100 * high:.1f}"


def decimal(mean: float, sd: float = float("nan")) -> str:
    """Return a number with its standard deviation if known: `1.042 ± 0.012`."""
    return _mean_and_sd(mean, sd, ".3f")


def decimal_interval(low: float, high: float) -> str:
    """Return an interval of numbers, which may be negative: `0.981 to 1.034`."""
    return UNKNOWN if math.isnan(low) or math.isnan(high) else f"{low:.3f} to {high:.3f}"


def operations(flops: float) -> str:
    """Return a number of floating-point operations: `30.95 G`, or below 100 million `1.23 M`."""
    if math.isnan(flops):
        return UNKNOWN
    return f"{flops / 1e9:.2f} G" if flops >= 1e8 else f"{flops / 1e6:.2f} M"


def megabytes(size: float) -> str:
    """Return a size in bytes as MiB, with at least three digits: `0.683 MiB`."""
    if math.isnan(size):
        return UNKNOWN
    mebibytes = size / 2**20
    return f"{mebibytes:,.0f} MiB" if mebibytes >= 100 else f"{mebibytes:.3g} MiB"


def milliseconds(seconds: float) -> str:
    """Return a short time: `12.3 ms`."""
    return UNKNOWN if math.isnan(seconds) else f"{1000 * seconds:.1f} ms"


def slug(text: str) -> str:
    """Return a text that can be part of a file name or a label."""
    return re.sub(r"[^\w.=]+", "-", text).strip("-.") or "unnamed"


def one_line(text: str) -> str:
    """Return a text without line breaks and repeated spaces."""
    return " ".join(text.split())


def split_names(text: str) -> list[str]:
    """Return the names in a text that are separated by commas."""
    return [name for part in text.split(",") if (name := part.strip())]


def list_first(names: Sequence[str], count: int) -> str:
    """Return the first names and the number of the others: `a, b and 3 more`."""
    return ", ".join(names[:count]) + (f" and {len(names) - count:,} more" if len(names) > count else "")


def plural(number: int, noun: str) -> str:
    """Return a count with its noun: `1 seed`, `3,589 test images`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known names, or all of them if none is near.

    >>> did_you_mean("vgg", ["vgg16", "vgg19", "cnn"])
    "Did you mean 'vgg19' or 'vgg16'?"
    """
    names = list(known)
    if near := difflib.get_close_matches(name.lower(), [other.lower() for other in names], n=3, cutoff=0.5):
        nearest = [other for lower in dict.fromkeys(near) for other in names if other.lower() == lower]
        return f"Did you mean {' or '.join(map(repr, nearest))}?"
    return f"Choose from: {', '.join(names) or 'none'}."


def same_spelling(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that a name stands for: itself, else all that differ in case and separators only.

    A plus sign may be written as such or as a word, and between two words not at all.

    >>> same_spelling("MobileNet-V2", ["mobilenet", "mobilenet_v2"])
    ['mobilenet_v2']
    """
    names = list(known)
    if name in names:
        return [name]
    wanted = _spellings(name)
    return [other for other in names if wanted & _spellings(other)]


def _spellings(name: str) -> set[str]:
    letters = re.sub(r"[\s_-]+", "", name.casefold())
    return {letters.replace("+", "plus"), re.sub(r"\+(?=.)", "", letters).replace("+", "plus")} - {""}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as one level with dotted keys: `{"optimizer": {"name": "adam"}}` as `optimizer.name`."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _mean_and_sd(mean: float, sd: float, form: str) -> str:
    if math.isnan(mean):
        return UNKNOWN
    return f"{mean:{form}}" + ("" if math.isnan(sd) else f" ± {sd:{form}}")
