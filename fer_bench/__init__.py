"""fer-bench: a leaderboard for facial expression recognition that can be rerun.

The public API. Each name is imported when it is first used, so that `import fer_bench` takes milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = [
    "BenchmarkResult",
    "UserError",
    "__version__",
    "audit_dataset",
    "check_architecture",
    "export_model",
    "list_architectures",
    "list_datasets",
    "load_dataset",
    "load_model",
    "load_records",
    "register_architecture",
    "run_benchmark",
]

if TYPE_CHECKING:
    from fer_bench.api import (
        audit_dataset,
        check_architecture,
        list_architectures,
        list_datasets,
        load_dataset,
    )
    from fer_bench.core.errors import UserError
    from fer_bench.inference.export.export import export_model
    from fer_bench.inference.trained_model import load_model
    from fer_bench.records.store import load as load_records
    from fer_bench.registry.architectures import register_architecture
    from fer_bench.runner import BenchmarkResult, run_benchmark

_MODULES = {
    "BenchmarkResult": "fer_bench.runner",
    "UserError": "fer_bench.core.errors",
    "audit_dataset": "fer_bench.api",
    "check_architecture": "fer_bench.api",
    "export_model": "fer_bench.inference.export.export",
    "list_architectures": "fer_bench.api",
    "list_datasets": "fer_bench.api",
    "load_dataset": "fer_bench.api",
    "load_model": "fer_bench.inference.trained_model",
    "load_records": "fer_bench.records.store",
    "register_architecture": "fer_bench.registry.architectures",
    "run_benchmark": "fer_bench.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fer_bench' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), "load" if name == "load_records" else name)


def __dir__() -> list[str]:
    return sorted(__all__)
