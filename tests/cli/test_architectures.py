"""The commands on architectures, from the command line to their exit status."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
from fer_bench.contract import run
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES


@pytest.fixture
def nets(tmp_path):
    """A folder with an architecture that passes the contract and one that fails it."""
    folder = tmp_path / "nets"
    folder.mkdir()
    said = CliRunner().invoke(cli, ["new-architecture", "zoo_good", "--folder", str(folder)], catch_exceptions=False).output
    assert f"--extra-architectures {folder / 'zoo_good.py'}" in said
    good = (folder / "zoo_good.py").read_text()
    bad = good.replace("zoo_good", "zoo_bad").replace("parameters=94_247", "parameters=94_248")
    (folder / "zoo_bad.py").write_text(bad.replace("float32", "float").replace('."""', '"""'))
    with ARCHITECTURES.temporary():
        yield folder


def test_check_marks_every_check_and_says_what_is_wrong(nets):
    arguments = ["check", "zoo_*", "--backend", "tensorflow", "--extra-architectures", str(nets)]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "tensorflow 1/2 zoo_bad: fails docs, params" in result.output
    assert "tensorflow 2/2 zoo_good: passes" in result.output
    (bad,) = [line for line in lines if line.startswith("zoo_bad  ")]
    (good,) = [line for line in lines if line.startswith("zoo_good ")]
    assert (bad.count("✓"), bad.count("✗")) == (7, 2)
    assert (good.count("✓"), good.count("✗")) == (9, 0)
    assert (
        "params: it declares num_parameters=94_248 but has 94_247 at its default recipe's input size" in result.output
    )


def test_check_of_what_keeps_the_contract_is_a_success(nets, monkeypatch):
    outcome = run.CheckResult("zoo_good", "docs", None, 0.1)
    monkeypatch.setattr(run, "run_checks_on_backend", lambda backend, names, extra_architectures: iter([outcome]))
    monkeypatch.setattr(run, "installed_backends", lambda: ["tensorflow", "jax"])
    result = CliRunner().invoke(cli, ["check", "zoo_good", "--extra-architectures", str(nets)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "Contract on tensorflow" in result.output and "Contract on jax" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vgg91"], "Did you mean 'vgg19'"),
        ([], "or --all"),
        (["cnn", "--all"], "or --all"),
        (["cnn", "--backend", "torch"], "'torch' is not installed"),
    ],
)
def test_what_cannot_be_checked_is_said_at_once(arguments, said, monkeypatch):
    monkeypatch.setattr(run, "installed_backends", lambda: ["tensorflow"])
    monkeypatch.setattr(run, "run_checks_on_backend", lambda *_: pytest.fail("it began"))
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(cli, ["check", *arguments], catch_exceptions=False)


def test_a_backend_that_cannot_start_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(run, "ROOT", run.ROOT / "nowhere")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="backend .jax. stopped"):
        list(run.run_checks_on_backend("jax", ["cnn"]))


def test_list_takes_names():
    result = CliRunner().invoke(cli, ["list", "vgg1?", "cnn"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "VGG16 without" in result.output and "VGG19 without" in result.output and "resnet50" not in result.output
    with pytest.raises(UserError, match="Did you mean 'vgg19'"):
        CliRunner().invoke(cli, ["list", "vgg91"], catch_exceptions=False)
