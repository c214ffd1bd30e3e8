"""Sentences about the context of a table: protocol, number of images, machines."""

from __future__ import annotations

from collections.abc import Iterable

from fer_bench.core.errors import UserError
from fer_bench.core.text import plural
from fer_bench.leaderboard.leaderboard import Leaderboard
from fer_bench.protocols.class_subset import whole_protocol
from fer_bench.protocols.registry import FILE_PREFIX, PROTOCOLS
from fer_bench.records.schema import Record
from fer_bench.report.tables import DIFFERENT_MACHINES

SELECTION_TEXT = (
    "Under every protocol, the epoch is selected on validation images, and test images are predicted once, afterwards."
)
COLUMNS_TEXT = (
    "Scores are percentages on the test images: the mean over seeds ± the standard deviation over seeds. A table omits "
    "columns for which it has no values. Training time is wall-clock time without building, compiling, downloading and "
    "predicting. leaderboard.csv contains the same numbers as fractions and seconds."
)


def protocol_text(protocol: str) -> str:
    """Return the description of a protocol from its registry entry, of a split file, or of an unknown protocol."""
    whole, subset = whole_protocol(protocol)
    if subset:
        return f"Only images of {subset} are scored: no figure compares with one of all classes. {protocol_text(whole)}"
    if protocol.startswith(FILE_PREFIX):
        return f"The split is read from a file, made from the protocol {protocol.removeprefix(FILE_PREFIX)}."
    try:
        entry = PROTOCOLS.get(protocol.partition("@")[0])
    except UserError:
        return f"The protocol {protocol} is unknown to this version of fer-bench."
    return " ".join((entry.doc or entry.summary).replace("`", "").split())


def images_text(records: Iterable[Record]) -> str:
    """Return the images per trial by split: `28,709 training, …`; ranges if folds differ."""
    by_split: dict[str, list[int]] = {}
    for record in records:
        for split, number in record.samples.items():
            by_split.setdefault(split, []).append(number)
    counts = [f"{_range(numbers)} {split}" for split, numbers in by_split.items()]
    return f"Images per trial: {', '.join(counts)}." if counts else ""


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def machines_text(leaderboard: Leaderboard) -> str:
    """Return a paragraph on the machines that measured the times."""
    machines = leaderboard.count_machines()
    if len(machines) == 1:
        ((_, text, trials),) = machines
        subject = f"All {trials:,} trials" if trials > 1 else "The only trial"
        return f"{subject} ran on {text}. Times and throughput apply to this machine only."
    return (
        f"The trials ran on {plural(len(machines), 'machine')} with different hardware or library versions. "
        f"{DIFFERENT_MACHINES} The details of a row name its machine."
    )
