"""What of a machine each of several trials at a time gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Cores, and accelerators by the names that CUDA_VISIBLE_DEVICES takes; none named: all there are."""

    cores: frozenset[int]
    devices: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a process that is to see no more."""
        return {"CUDA_VISIBLE_DEVICES": ",".join(self.devices)} if self.devices else {}


def available_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def visible_devices(accelerator: str) -> list[str]:
    """Accelerators by the names that CUDA_VISIBLE_DEVICES takes, of a machine as `describe_machine` tells of it."""
    if accelerator == "none":
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(accelerator.count(",") + 1)]


def shares_of(cores: Sequence[int], count: int, devices: Sequence[str] = (), each: int = 1) -> list[Share]:
    """Equal shares, one for each of `count` trials at a time; of more trials than cores, or devices, some share one.

    With devices every share has `each` of them.
    """
    width = max(1, len(cores) // count)
    return [
        Share(
            frozenset(cores[(place * width + i) % len(cores)] for i in range(width)),
            tuple(devices[(place * each + i) % len(devices)] for i in range(each)) if devices else (),
        )
        for place in range(count)
    ]
