"""The machine a trial ran on, and the memory that it took."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("tensorflow", "keras", "numpy", "opencv-python", "jax", "torch")


def describe_machine(backend: str) -> dict[str, Any]:
    """Processor, cores that this process may use, memory in bytes, accelerator, versions."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory(),
        "accelerator": ", ".join(_accelerators(backend)) or "none",
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def precision_unsupported(precision: str, backend: str) -> str | None:
    """Why this machine cannot train at a precision, in one sentence; None where it can."""
    if precision == "mixed_float16" and not _accelerators(backend):
        return "mixed_float16 needs a GPU, and this machine has none: use mixed_bfloat16 or float32."
    return None


def reset_peak_memory() -> None:
    """Start the process' peak anew, so that a trial is not charged with the one before it. Linux alone."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process since the last reset; None where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _accelerators(backend: str) -> list[str]:
    if backend == "tensorflow":
        from fer_bench.training.tensorflow_backend import accelerators

        return accelerators()
    if backend == "jax":
        from fer_bench.training.jax_backend import accelerators

        return accelerators()
    return []
