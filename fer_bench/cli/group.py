"""The group of all commands. Without a command, its options are those of `sweep`."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import rich_click as click
from click.exceptions import Exit

from fer_bench import __version__
from fer_bench.cli import (
    architectures,
    audit,
    card,
    compare,
    data,
    demo,
    ensemble,
    explain,
    export,
    predict,
    prepare,
    results,
    robustness,
    share,
    status,
    train,
)
from fer_bench.cli.flag_hints import hint
from fer_bench.core.console import make_printable
from fer_bench.core.errors import UserError
from fer_bench.core.progress import ProgressBar

DEFAULT_COMMAND = "sweep"
COMMANDS = {
    "Train": (train.sweep, train.train, status.status),
    "Results": (
        results.report,
        results.evaluate,
        results.visualize,
        compare.compare,
        ensemble.ensemble,
        robustness.robustness,
        share.share,
        share.verify,
    ),
    "Use a model": (
        predict.predict,
        explain.explain,
        export.export,
        card.card,
        demo.demo,
    ),
    "Data": (data.data, prepare.prepare, data.show_augmentation),
    "Architectures": (architectures.list_, architectures.check, architectures.new_architecture),
}
HELP_STYLE = {
    "theme": "default-slim",
    "max_width": 100,
    "commands_before_options": True,
    "text_paragraph_linebreaks": "\n\n",
    "padding_helptext_first_line": (0, 0, 1, 0),
    "options_table_help_sections": ["help", "required"],
}
WEIGHTS_HINT = (
    "--weights is auto, imagenet or random, for initial weights. Score a trained model with evaluate --model-file, "
    "name a folder of ImageNet weights with --weights-dir."
)
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "rich_help_config": HELP_STYLE}


def _typed(option: str) -> str:
    """Return an unknown option as it was typed: click takes -lr for -l and -r."""
    is_short = len(option) == 2
    return next((word for word in sys.argv[1:] if is_short and re.fullmatch(f"{option}[a-z]+", word)), option)


class _MainGroup(click.RichGroup):
    """A group that runs its default command if the first argument is an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command on a console of any encoding."""
        for stream in (sys.stdout, sys.stderr):
            make_printable(stream)
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A flag that other programs have is answered by what it is called here."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            command = error.ctx.command if error.ctx else self
            if text := hint(_typed(error.option_name), command, self.commands):
                raise UserError(text) from None
            raise
        except click.BadParameter as error:
            if error.param and error.param.name == "weights":
                raise UserError(WEIGHTS_HINT) from None
            raise

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Add the options of the default command to the commands and options of the group."""
        super().format_options(ctx, formatter)
        default = self.commands[DEFAULT_COMMAND]
        default.format_options(click.RichContext(default, parent=ctx), formatter)


@click.group(cls=_MainGroup, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="fer-bench")
def cli() -> None:
    """Train facial expression recognition models under fixed protocols and compare them.

    Examples:

        python benchmark.py --models all
        python benchmark.py --models 'vgg*',cnn --seeds 3
        python benchmark.py --experiment first_hour --data-dir DIR

    Options without a command are those of sweep.
    """


for panel, commands in COMMANDS.items():
    cli.add_panel(click.RichCommandPanel(panel, commands=[str(command.name) for command in commands]))
    for command in commands:
        cli.add_command(command)
for command in (audit.audit, audit.split):
    data.data.add_command(command)


def main() -> None:
    """Run the command line. A UserError exits with status 2, Ctrl-C with 130, SIGTERM with 143."""
    try:
        try:
            sys.exit(cli.main(standalone_mode=False))
        finally:
            ProgressBar.close()
    except Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UserError as error:
        click.echo(f"fer-bench: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:  # such as `… | head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # such as a path that is too long
        if error.filename is None:
            raise
        click.echo(f"fer-bench: {error.strerror}: {error.filename}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt) as stop:
        is_other = len(sys.argv) > 1 and sys.argv[1] in cli.commands and sys.argv[1] not in (DEFAULT_COMMAND, "train")
        resume = "" if is_other else " Recorded trials are kept; run the same command to resume."
        click.echo(f"\nInterrupted.{resume}", err=True)
        # click turns KeyboardInterrupt, and thus Terminated, into Abort, and rich-click hides its cause.
        sys.exit(getattr(stop, "exit_status", getattr(stop.__context__, "exit_status", 130)))
