"""`python -m fer_bench.contract NAME… [--extra-architectures PATH]`: a line of JSON for each outcome, on KERAS_BACKEND."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from fer_bench.contract.run import DONE, OUTCOME, check
from fer_bench.registry.architectures import ARCHITECTURES


@click.command()
@click.argument("names", nargs=-1)
@click.option("--extra-architectures", "outside", type=click.Path(path_type=Path), multiple=True)
def main(names: tuple[str, ...], outside: tuple[Path, ...]) -> None:
    """Check architectures for a parent process that has another backend."""
    for path in outside:
        ARCHITECTURES.scan(path)
    for name in names:
        for outcome in check(name):
            print(OUTCOME + json.dumps(asdict(outcome)), flush=True)
        print(DONE + name, flush=True)


if __name__ == "__main__":
    main()
