"""Commands on the registry of architectures."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_bench.cli.options import (
    ARCHITECTURE_OPTIONS,
    BACKENDS,
    DATA_OPTIONS,
    PATH,
    add_extra_architectures,
    console,
    make_data_config,
    options,
)
from fer_bench.core.errors import UserError


@click.command("list")
@click.argument("names", nargs=-1)
@options(ARCHITECTURE_OPTIONS, DATA_OPTIONS)
def list_(names: tuple[str, ...], extra_architectures: tuple[Path, ...], data_dir: Path | None) -> None:
    """List architectures, datasets, protocols, recipes and experiments; with NAMES, all about those architectures.

    NAMES may be patterns: 'vgg*'.
    """
    from fer_bench.cli.list_view import print_details, print_listing

    add_extra_architectures(extra_architectures)
    if names:
        print_details(names, console())
    else:
        print_listing(make_data_config(data_dir), console())


@click.command()
@click.argument("names", nargs=-1)
@options(
    [
        click.option("--all", "all_", is_flag=True, help="Every architecture: some minutes for each backend."),
        click.option("--backend", type=click.Choice(BACKENDS), help="Only on this one.  [default: all installed]"),
    ],
    ARCHITECTURE_OPTIONS,
)
def check(names: tuple[str, ...], all_: bool, backend: str | None, extra_architectures: tuple[Path, ...]) -> None:
    """Hold architectures against the contract: `check my_net`, `check 'vgg*'`, `check --all`.

    \b
    docs     its docstring and its description are whole
    builds   at every input size that it names
    output   finite float32 logits, under mixed precision too, that depend on the input
    pixels   uint8 and float pixels agree
    params   as many as it declares
    seeds    one seed gives the same weights, another seed others
    learns   a step of training lowers the loss
    grads    gradients reach every trainable weight
    saves    saved and loaded, it predicts the same
    """
    from fer_bench.contract.run import check_on, installed_backends
    from fer_bench.contract.view import follow, show
    from fer_bench.registry.architectures import ARCHITECTURES

    if bool(names) == all_:
        raise UserError("Name architectures or patterns to check, or --all.")
    add_extra_architectures(extra_architectures)
    chosen = list(dict.fromkeys(n for pattern in names or ["all"] for n in ARCHITECTURES.match(pattern)))
    backends = installed_backends()
    if backend and backend not in backends:
        raise UserError(f"The backend '{backend}' is not installed: there is {', '.join(backends) or 'none'}.")
    terminal = console()
    if not terminal.is_terminal:
        terminal.width = max(terminal.width, 120)  # a log has no edge to wrap at
    boards = {
        b: follow(check_on(b, chosen, extra_architectures), b, len(chosen), terminal)
        for b in ([backend] if backend else backends)
    }
    failed = sum(show(board, b, terminal) for b, board in boards.items())
    sys.exit(1 if failed else 0)


@click.command()
@click.argument("name")
@click.option("--folder", type=PATH, default="architectures", show_default=True, help="Where the file goes.")
def new(name: str, folder: Path) -> None:
    """Write a small, working architecture to begin with."""
    from fer_bench.registry.scaffold import next_steps, write_architecture

    file = write_architecture(name, folder)
    click.echo(next_steps(name, file))
