"""The machine of a trial and its memory use."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("tensorflow", "keras", "numpy", "opencv-python", "jax", "torch")
CPUINFO = Path("/proc/cpuinfo")


def describe_machine(backend: str) -> dict[str, Any]:
    """Return processor, cores available to this process, memory in bytes, accelerator, system and versions."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_bytes": _memory(),
        "accelerator": ", ".join(_accelerators(backend)) or "none",
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def describe_hardware() -> dict[str, Any]:
    """Return processor, cores and visible NVIDIA devices, without importing a backend."""
    return {"processor": _processor(), "cores": _cores(), "accelerator": ", ".join(_nvidia_devices())}


def may_have_fast_bfloat16() -> bool:
    """Return whether bfloat16 may be faster than float32: on a GPU, or on a processor that does not emulate it."""
    if _nvidia_devices():
        return True
    try:
        flags = CPUINFO.read_text()
    except OSError:  # another system than Linux: unknown
        return True
    # Any AVX-512, because containers hide newer flags; without it cnn_small trained 35 times slower.
    return bool(re.search(r"\b(avx512\w*|amx_\w+|avx_ne_convert|bf16)\b", flags))


def precision_unsupported(precision: str, backend: str) -> str | None:
    """Return the reason why this machine cannot train at a precision, or None if it can."""
    if precision == "mixed_float16" and not _accelerators(backend):
        return "mixed_float16 needs a GPU, and this machine has none: use mixed_bfloat16 or float32."
    return None


def reset_peak_memory() -> None:
    """Reset the peak memory of this process, so that it measures one trial. Linux only."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_bytes() -> int | None:
    """Return the peak resident memory of this process since the last reset; None if the system does not report it."""
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


def _processor() -> str:
    """Return the processor's name; of x86 also family and model, as virtual machines give several the same name."""
    try:
        fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", CPUINFO.read_text(), re.M))
    except OSError:
        fields = {}
    name = fields.get("model name", "").strip() or platform.processor() or platform.machine()
    numbers = [f"{key.split()[-1]} {fields[key].strip()}" for key in ("cpu family", "model") if key in fields]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _nvidia_devices() -> list[str]:
    """Return the files of the NVIDIA devices, or what CUDA_VISIBLE_DEVICES leaves of them."""
    files = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return files if visible is None or not files else [name for name in visible.split(",") if name not in ("", "-1")]


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
