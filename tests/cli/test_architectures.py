"""The commands list, check and new-architecture."""

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
    command = ["new-architecture", "zoo_good", "--folder", str(folder)]
    output = CliRunner().invoke(cli, command, catch_exceptions=False).output
    assert f"--extra-architectures {folder / 'zoo_good.py'}" in output
    good = (folder / "zoo_good.py").read_text()
    bad = good.replace("zoo_good", "zoo_bad").replace("parameters=94_247", "parameters=94_248")
    (folder / "zoo_bad.py").write_text(bad.replace("float32", "float").replace('."""', '"""'))
    with ARCHITECTURES.temporary():
        yield folder


def test_check_marks_every_check_and_explains_failures(nets):
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


def test_check_succeeds_if_all_checks_pass(nets, monkeypatch):
    result = run.CheckResult("zoo_good", "docs", None, 0.1)
    monkeypatch.setattr(run, "run_checks_on_backend", lambda backend, names, extra_architectures: iter([result]))
    monkeypatch.setattr(run, "installed_backends", lambda: ["tensorflow", "jax"])
    done = CliRunner().invoke(cli, ["check", "zoo_good", "--extra-architectures", str(nets)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "Contract on tensorflow" in done.output and "Contract on jax" in done.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["vgg91"], "vgg19"),
        ([], "--all"),
        (["cnn", "--all"], "--all"),
        (["cnn", "--backend", "torch"], "torch"),
    ],
)
def test_an_invalid_request_is_refused_before_any_check(arguments, reason, monkeypatch):
    monkeypatch.setattr(run, "installed_backends", lambda: ["tensorflow"])
    monkeypatch.setattr(run, "run_checks_on_backend", lambda *_: pytest.fail("a check ran"))
    with pytest.raises(UserError, match=reason):
        CliRunner().invoke(cli, ["check", *arguments], catch_exceptions=False)


def test_a_backend_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(run, "ROOT", run.ROOT / "nowhere")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="jax"):
        list(run.run_checks_on_backend("jax", ["cnn"]))


def test_list_accepts_names_and_patterns():
    result = CliRunner().invoke(cli, ["list", "vgg1?", "cnn"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "VGG16 without" in result.output and "VGG19 without" in result.output and "resnet50" not in result.output
    with pytest.raises(UserError, match="vgg19"):
        CliRunner().invoke(cli, ["list", "vgg91"], catch_exceptions=False)
