"""Sentences on what a table rests on: the protocol, the numbers of images, the machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fer_bench.core.errors import UserError
from fer_bench.core.text import plural
from fer_bench.leaderboard.leaderboard import machine_text
from fer_bench.protocols.registry import FILE, PROTOCOLS
from fer_bench.records.schema import Record

SELECTION = (
    "Whatever the protocol, the epoch is chosen on validation images; the test images are predicted once, afterwards."
)
READING = (
    "Scores are in per cent on the test images: mean over seeds, ± the standard deviation over seeds where there are "
    "several. Columns that no row of a table has are left away there. Training time is wall-clock without building, "
    "tracing, downloading or predicting. leaderboard.csv holds the same numbers as fractions and seconds."
)


def protocol_text(protocol: str) -> str:
    """What a protocol is, in the words of its registry entry; a split file says so, an unknown one too."""
    if protocol.startswith(FILE):
        return f"The split was read from a file, made from the protocol {protocol.removeprefix(FILE)}."
    try:
        entry = PROTOCOLS.get(protocol.partition("@")[0])
    except UserError:
        return f"The protocol {protocol} is not known to this version."
    return " ".join((entry.doc or entry.summary).replace("`", "").split())


def images_text(records: Iterable[Record]) -> str:
    """How many images of each part a trial had, as `28,709 training, …`; ranges where folds differ."""
    parts: dict[str, list[int]] = {}
    for record in records:
        for part, number in record.samples.items():
            parts.setdefault(part, []).append(number)
    counts = [f"{_range(numbers)} {part}" for part, numbers in parts.items()]
    return f"Images of a trial: {', '.join(counts)}." if counts else ""


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def machines(records: Iterable[Record]) -> Counter[str]:
    """Machines in one line each → how many trials ran there, the most used first."""
    return Counter(dict(Counter(machine_text(record.machine) for record in records).most_common()))


def machine_paragraph(found: Counter[str]) -> str:
    """What the times of the tables were taken on."""
    if len(found) == 1:
        text, trials = next(iter(found.items()))
        who = f"All {trials:,} trials" if trials > 1 else "The one trial"
        return f"{who} ran on {text}. Times and throughput hold for that machine alone."
    return (
        f"The trials ran on {plural(len(found), 'machine')}, which differ in hardware or in the versions of libraries. "
        "Times of different machines cannot be compared; the details of a row name its own."
    )
