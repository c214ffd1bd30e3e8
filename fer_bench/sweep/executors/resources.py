"""The share of a machine that each of several concurrent trials gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceSlot:
    """Cores, and accelerators as CUDA_VISIBLE_DEVICES names them; without names, all accelerators."""

    cores: frozenset[int]
    devices: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that restrict a process to the slot's accelerators."""
        return {"CUDA_VISIBLE_DEVICES": ",".join(self.devices)} if self.devices else {}


def available_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def visible_devices(accelerator: str) -> list[str]:
    """Return the accelerators of a machine as CUDA_VISIBLE_DEVICES names them.

    Args:
        accelerator: The machine's accelerators as `describe_machine` describes them: "none", or names with commas.
    """
    if accelerator == "none":
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(accelerator.count(",") + 1)]


def split_resources(
    cores: Sequence[int], count: int, devices: Sequence[str] = (), devices_per_slot: int = 1
) -> list[ResourceSlot]:
    """Divide a machine into equal slots. With more slots than cores or devices, several slots share one.

    Args:
        cores: Numbers of the cores.
        count: Number of slots.
        devices: Names of the accelerators.
        devices_per_slot: Number of accelerators per slot.
    """
    width = max(1, len(cores) // count)
    return [
        ResourceSlot(
            frozenset(cores[(index * width + i) % len(cores)] for i in range(width)),
            tuple(devices[(index * devices_per_slot + i) % len(devices)] for i in range(devices_per_slot))
            if devices
            else (),
        )
        for index in range(count)
    ]
