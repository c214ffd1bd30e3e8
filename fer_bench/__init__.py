"""fer-bench: a leaderboard for facial expression recognition that can be rerun.

The public API. Each name is imported when it is first used, so that `import fer_bench` takes milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fer_bench.registry.architectures import register_architecture as register_architecture

_MODULES = {
    "register_architecture": "fer_bench.registry.architectures",
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fer_bench' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
