"""The command line. Whatever a command needs is imported inside it: `--help` and `list` must answer at once."""

from fer_bench.cli.group import cli, main

__all__ = ["cli", "main"]
