"""fer-bench: a leaderboard for facial expression recognition that can be rerun.

The public API. Each name is imported when it is first used, so that `import fer_bench` takes milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fer_bench.core.errors import UserError as UserError
    from fer_bench.records.store import load as load_records
    from fer_bench.registry.architectures import list_architectures as list_architectures
    from fer_bench.registry.architectures import register_architecture as register_architecture
    from fer_bench.runner import BenchmarkResult as BenchmarkResult
    from fer_bench.runner import run_benchmark as run_benchmark

# Public name → module and the name there.
_EXPORTS = {
    "BenchmarkResult": ("fer_bench.runner", "BenchmarkResult"),
    "UserError": ("fer_bench.core.errors", "UserError"),
    "list_architectures": ("fer_bench.registry.architectures", "list_architectures"),
    "list_datasets": ("fer_bench.datasets.registry", "list_datasets"),
    "load_dataset": ("fer_bench.datasets.registry", "load_dataset"),
    "load_records": ("fer_bench.records.store", "load"),
    "register_architecture": ("fer_bench.registry.architectures", "register_architecture"),
    "run_benchmark": ("fer_bench.runner", "run_benchmark"),
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'fer_bench' has no attribute '{name}'")
    module, attribute = _EXPORTS[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
