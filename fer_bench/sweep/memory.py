"""Trials that ran out of memory, and may be tried with half a batch at a time."""

from __future__ import annotations

import re

from fer_bench.records.schema import Record
from fer_bench.sweep.queue import Turn

# How TensorFlow, JAX, Torch and Python say it, and how a process looks that the system has ended for it.
OUT_OF_MEMORY = re.compile(
    r"^(ResourceExhaustedError|MemoryError|\w*OutOfMemoryError)\b"
    r"|RESOURCE_EXHAUSTED|[Oo]ut of memory|was ended by SIGKILL"
)


def out_of_memory(record: Record) -> bool:
    """Whether a trial failed for want of memory; one whose process the system ended is taken to have."""
    return record.status == "failed" and OUT_OF_MEMORY.search(record.reason) is not None


def fits_in_halves(turn: Turn, record: Record) -> bool:
    """Whether a trial is to be tried once more with half a batch at a time, which its recipe must allow."""
    allowed = turn.planned.trial.recipe.get("out_of_memory") == "halve"
    return allowed and turn.accumulate == 1 and turn.planned.trial.recipe["batch_size"] > 1 and out_of_memory(record)
