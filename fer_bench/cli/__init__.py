"""The command line. Commands import what they need when they run, so that `--help` and `list` answer immediately."""

from fer_bench.cli.group import cli, main

__all__ = ["cli", "main"]
