"""Run the contract on the backend KERAS_BACKEND and print one line of JSON per result.

python -m fer_bench.contract NAME… [--extra-architectures PATH]
"""

import json
from dataclasses import asdict
from pathlib import Path

import click

from fer_bench.contract.run import DONE_PREFIX, RESULT_PREFIX, run_checks
from fer_bench.registry.architectures import ARCHITECTURES


@click.command()
@click.argument("names", nargs=-1)
@click.option("--extra-architectures", type=click.Path(path_type=Path), multiple=True)
def main(names: tuple[str, ...], extra_architectures: tuple[Path, ...]) -> None:
    """Check architectures for a parent process that uses another backend."""
    for path in extra_architectures:
        ARCHITECTURES.scan(path)
    for name in names:
        for result in run_checks(name):
            print(RESULT_PREFIX + json.dumps(asdict(result)), flush=True)
        print(DONE_PREFIX + name, flush=True)


if __name__ == "__main__":
    main()
