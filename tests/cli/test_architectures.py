"""The commands list, check and new-architecture."""

from __future__ import annotations

import sys
from itertools import chain

import pytest

from fer_bench.contract import run as checks
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES


@pytest.fixture
def nets(run, tmp_path):
    """A folder with an architecture that passes the contract and one that fails it."""
    folder = tmp_path / "nets"
    folder.mkdir()
    output = run("new-architecture", "zoo_good", "--folder", folder)
    assert f"--extra-architectures {folder / 'zoo_good.py'}" in output
    good = (folder / "zoo_good.py").read_text()
    bad = good.replace("zoo_good", "zoo_bad").replace("parameters=94_247", "parameters=94_248")
    (folder / "zoo_bad.py").write_text(bad.replace("float32", "float").replace('."""', '"""'))
    with ARCHITECTURES.temporary():
        yield folder


def test_check_marks_every_check_and_explains_failures(run, nets, monkeypatch):
    def run_here(backend, names, extra_architectures):
        return chain.from_iterable(map(checks.run_checks, names))

    monkeypatch.setattr(checks, "run_checks_on_backend", run_here)  # another process takes seconds to start
    output = run("check", "zoo_*", "--backend", "tensorflow", "--extra-architectures", nets, status=1)
    lines = output.splitlines()
    assert "tensorflow 1/2 zoo_bad: fails docs, params" in output
    assert "tensorflow 2/2 zoo_good: passes" in output
    (bad,) = [line for line in lines if line.startswith("zoo_bad  ")]
    (good,) = [line for line in lines if line.startswith("zoo_good ")]
    assert (bad.count("✓"), bad.count("✗")) == (8, 2)
    assert (good.count("✓"), good.count("✗")) == (10, 0)
    assert "params: it declares num_parameters=94_248 but has 94_247" in output


def test_check_succeeds_if_all_checks_pass(run, nets, monkeypatch):
    result = checks.CheckResult("zoo_good", "docs", None, 0.1)
    monkeypatch.setattr(checks, "run_checks_on_backend", lambda backend, names, extra_architectures: iter([result]))
    monkeypatch.setattr(checks, "installed_backends", lambda: ["tensorflow", "jax"])
    output = run("check", "zoo_good", "--extra-architectures", nets)
    assert "Contract on tensorflow" in output and "Contract on jax" in output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["vgg91"], "vgg19"),
        ([], "--all"),
        (["cnn", "--all"], "--all"),
        (["cnn", "--backend", "torch"], "torch"),
    ],
)
def test_an_invalid_request_is_refused_before_any_check(run, arguments, reason, monkeypatch):
    monkeypatch.setattr(checks, "installed_backends", lambda: ["tensorflow"])
    monkeypatch.setattr(checks, "run_checks_on_backend", lambda *_: pytest.fail("a check ran"))
    with pytest.raises(UserError, match=reason):
        run("check", *arguments)


def test_a_backend_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(checks, "PACKAGE_DIR", checks.PACKAGE_DIR / "no" / "where")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="jax"):
        list(checks.run_checks_on_backend("jax", ["cnn"]))


def test_list_accepts_names_and_patterns(run):
    output = run("list", "vgg1?", "cnn")
    assert "VGG16 without" in output and "VGG19 without" in output and "resnet50" not in output
    with pytest.raises(UserError, match="vgg19"):
        run("list", "vgg91")
