"""The packages of a wheel. Everything else is in pyproject.toml.

What a checkout has beside `fer_bench` lies inside it once installed, where it cannot collide with other packages.
"""

from setuptools import find_namespace_packages, setup

FOLDERS = {
    "fer_bench.architectures": "architectures",
    "fer_bench.experiments": "experiments",
    "fer_bench.experiments.recipes": "experiments/recipes",
}

packages = find_namespace_packages(include=["fer_bench*"], exclude=["*__pycache__*"])
setup(packages=[*packages, *FOLDERS], package_dir=FOLDERS)
