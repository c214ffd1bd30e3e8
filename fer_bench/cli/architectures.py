"""Commands on the registry of architectures."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click

from fer_bench.cli.options import (
    PATH,
    add_extra_architectures,
    console,
    data_dir_option,
    extra_architectures_option,
    make_data_config,
)
from fer_bench.core.backend import BACKENDS
from fer_bench.core.errors import UserError

LOG_WIDTH = 120  # of tables that are not printed to a terminal


@click.command("list")
@click.argument("names", nargs=-1)
@extra_architectures_option()
@data_dir_option
def list_(names: tuple[str, ...], extra_architectures: tuple[Path, ...], data_dir: Path | None) -> None:
    """List architectures, datasets, recipes and experiments.

    With NAMES of architectures, or patterns such as 'vgg*', print all details of these architectures. The list also
    contains the protocols.
    """
    from fer_bench.cli.list_view import print_details, print_listing

    add_extra_architectures(extra_architectures)
    if names:
        print_details(names, console())
    else:
        print_listing(make_data_config(data_dir), console())


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "check_all", is_flag=True, help="Check every architecture: some minutes per backend.")
@click.option("--backend", type=click.Choice(BACKENDS), help="Keras backend. Default: all installed ones.")
@extra_architectures_option()
def check(names: tuple[str, ...], check_all: bool, backend: str | None, extra_architectures: tuple[Path, ...]) -> None:
    """Check architectures against the contract.

    Examples:

        check my_net
        check 'vgg*'
        check --all

    The checks:

        docs     the docstring and the description are complete
        builds   it builds at every input size that it declares
        output   its logits are finite float32, also in mixed precision
        pixels   uint8 and float pixels give the same output
        params   it has as many parameters as it declares
        sizes    weights fit every input size, unless it declares that they do not
        seeds    equal seeds give equal weights, other seeds others
        learns   a training step lowers the loss
        grads    gradients reach every trainable weight
        saves    it predicts the same after saving and loading
    """
    from fer_bench.contract.run import installed_backends, run_checks_on_backend
    from fer_bench.contract.view import collect_results, print_results
    from fer_bench.registry.architectures import ARCHITECTURES

    if bool(names) == check_all:
        raise UserError("Name the architectures or patterns to check, or pass --all.")
    add_extra_architectures(extra_architectures)
    chosen = list(dict.fromkeys(name for pattern in names or ["all"] for name in ARCHITECTURES.match(pattern)))
    backends = installed_backends()
    if backend and backend not in backends:
        raise UserError(f"The backend '{backend}' is not installed. Choose from: {', '.join(backends) or 'none'}.")
    terminal = console()
    if not terminal.is_terminal:
        terminal.width = max(terminal.width, LOG_WIDTH)
    results = {
        name: collect_results(run_checks_on_backend(name, chosen, extra_architectures), name, len(chosen), terminal)
        for name in ([backend] if backend else backends)
    }
    failed = sum(print_results(results_of_backend, name, terminal) for name, results_of_backend in results.items())
    sys.exit(1 if failed else 0)


@click.command("new-architecture")
@click.argument("name")
@click.option(
    "--folder",
    type=PATH,
    metavar="DIR",
    default="architectures",
    help="An existing folder for the file. Default: architectures.",
)
def new_architecture(name: str, folder: Path) -> None:
    """Write a small, working architecture to start from."""
    from fer_bench.registry.scaffold import next_steps, write_architecture

    file = write_architecture(name, folder)
    click.echo(next_steps(name, file))
