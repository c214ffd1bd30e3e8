"""Folders beside the package in a checkout, and inside it when installed. Imports only the standard library."""

from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parents[1]


def bundled_dir(name: str) -> Path:
    """Return the folder `architectures` or `experiments`."""
    inside = PACKAGE_DIR / name
    return inside if inside.is_dir() else PACKAGE_DIR.parent / name
