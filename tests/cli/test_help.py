"""The help of the commands: grouped, and readable on a terminal of 80 columns."""

import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
from fer_bench.cli.group import COMMANDS

PATHS = [[name] for name in cli.commands] + [["data", name] for name in cli.commands["data"].commands]  # type: ignore[attr-defined]


def help_lines(*arguments: str) -> list[str]:
    done = CliRunner().invoke(cli, [*arguments, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert done.exit_code == 0
    return [line.rstrip() for line in done.output.splitlines()]


def test_the_list_of_commands_shows_whole_first_lines_in_groups():
    lines = help_lines()
    assert max(map(len, lines)) <= 80
    for group, commands in COMMANDS.items():
        start = lines.index(f"{group}:") + 1
        for line, command in zip(lines[start:], commands, strict=False):
            first_line = (command.help or "").splitlines()[0]
            assert line.split(maxsplit=1) == [command.name, first_line]


def test_every_command_is_in_a_group():
    assert {command.name for commands in COMMANDS.values() for command in commands} == set(cli.commands)


def test_the_help_without_a_command_shows_the_options_of_sweep():
    lines = help_lines()
    for panel in ("What to train:", "How to train:", "How the sweep runs:", "Data:", "Results:"):
        assert panel in lines
    assert any(line.split()[:2] == ["--models,", "--model"] for line in lines)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_texts_are_whole_sentences(path):
    command = cli
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined,assignment]
    assert (command.help or "").splitlines()[0].endswith(".")
    for parameter in command.params:
        if parameter.param_type_name == "option":
            text = parameter.help  # type: ignore[attr-defined]
            assert text[0].isupper() and text.endswith((".", "…")), parameter.name
            assert "[default:" not in text, parameter.name
