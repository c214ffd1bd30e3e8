"""The group of all commands; the default one is the sweep: `python benchmark.py --models all`."""

from __future__ import annotations

import sys

import click

from fer_bench import __version__
from fer_bench.cli import architectures, audit, compare, data, ensemble, prepare, results, robustness, status, train
from fer_bench.core.errors import UserError

DEFAULT_COMMAND = "sweep"
COMMANDS = (
    train.sweep,
    train.train,
    status.status,
    results.evaluate,
    results.report,
    results.visualize,
    compare.compare,
    ensemble.ensemble,
    robustness.robustness,
    data.data,
    prepare.prepare,
    data.show_augmentation,
    architectures.list_,
    architectures.check,
    architectures.new,
)


class _MainGroup(click.Group):
    """A group whose options, given without a command, are those of the default command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sweep = self.commands[DEFAULT_COMMAND]
        rows = [row for p in sweep.params if (row := p.get_help_record(ctx))]
        with formatter.section("Options of the default command, sweep"):
            formatter.write_dl(rows)


@click.group(cls=_MainGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fer-bench")
def cli() -> None:
    """Train facial expression recognition models under fixed protocols and compare them.

    \b
    python benchmark.py --models all                  every architecture, on what data there is
    python benchmark.py --models 'vgg*',cnn --seeds 3
    python benchmark.py --experiment fer2013_short --data-dir DIR
    """


for command in COMMANDS:
    cli.add_command(command)
for command in (audit.audit, audit.split):
    data.data.add_command(command)


def main() -> None:
    """Entry point: a UserError is one sentence and status 2, Ctrl-C is status 130, SIGTERM 143."""
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UserError as error:
        click.echo(f"fer-bench: {error}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt) as stop:
        click.echo("\nInterrupted. What is recorded stays; the same command goes on from there.", err=True)
        # Of KeyboardInterrupt, and so of Terminated, click has made an Abort.
        sys.exit(getattr(stop.__cause__ or stop, "exit_status", 130))
