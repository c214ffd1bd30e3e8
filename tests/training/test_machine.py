"""What a record says about its machine."""

from __future__ import annotations

import platform

import pytest

from fer_bench.training import machine

X86 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: {model}
model name\t: AMD EPYC
flags\t\t: {flags}

"""
ARM = "processor\t: 0\nCPU implementer\t: 0x41\nFeatures\t: fp asimd bf16\n\n"


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Return a function that makes this machine's file of processors."""
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "CPUINFO", file)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    return file.write_text


@pytest.mark.parametrize("model", [1, 17])
def test_processors_of_one_name_differ_by_family_and_model(processor, model):
    processor(2 * X86.format(model=model, flags="avx2"))
    assert machine.describe_hardware()["processor"] == f"AMD EPYC (family 25, model {model})"


def test_a_processor_without_a_name_has_that_of_its_architecture(processor):
    processor(ARM)
    assert machine.describe_hardware()["processor"] == "aarch64"


def test_another_system_than_linux_has_the_name_that_python_knows(processor):
    assert machine.describe_hardware()["processor"] == "aarch64"


@pytest.mark.parametrize(("flags", "fast"), [("avx2 fma", False), ("avx2 avx512f avx512_bf16", True)])
def test_bfloat16_needs_instructions(processor, flags, fast, monkeypatch):
    monkeypatch.setattr(machine, "_nvidia_devices", list)
    processor(X86.format(model=1, flags=flags))
    assert machine.may_have_fast_bfloat16() is fast
