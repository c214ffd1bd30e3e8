"""`new-architecture` writes a file that works and never replaces one."""

from __future__ import annotations

import pytest

from fer_bench.contract.checks import CHECKS
from fer_bench.contract.run import run_checks
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES, ARCHITECTURES_DIR, source_digest
from fer_bench.registry.scaffold import next_steps, write_architecture


@pytest.fixture
def temporary_registry():
    with ARCHITECTURES.temporary():
        yield


def test_a_new_architecture_passes_the_contract(tmp_path, temporary_registry):
    file = write_architecture("written_net", tmp_path)
    assert file == tmp_path / "written_net.py"
    ARCHITECTURES.scan(file)
    outcomes = list(run_checks("written_net"))
    assert [o.check for o in outcomes] == list(CHECKS)
    assert [o for o in outcomes if o.problem or o.skipped] == []


def test_two_new_architectures_have_different_digests(tmp_path, temporary_registry):
    for name in ("one_net", "other_net"):
        ARCHITECTURES.scan(write_architecture(name, tmp_path))
    assert source_digest("one_net") != source_digest("other_net")


def test_next_steps_name_a_file_outside_the_architectures_folder(tmp_path):
    assert f"check my_net --extra-architectures {tmp_path / 'my_net.py'}" in next_steps(
        "my_net", tmp_path / "my_net.py"
    )
    assert "--extra-architectures" not in next_steps("my_net", ARCHITECTURES_DIR / "my_net.py")
    assert "train --model my_net --dataset synthetic" in next_steps("my_net", ARCHITECTURES_DIR / "my_net.py")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my-net", "cannot name"),
        ("2net", "cannot name"),
        ("", "cannot name"),
        ("class", "cannot name"),
        ("../net", "cannot name"),
        ("größe", "cannot name"),
        ("vgg16", "exists already"),
        ("all", "another meaning"),
        ("conv_block", "another meaning"),
        ("inputs", "another meaning"),
    ],
)
def test_an_invalid_name_is_an_error(tmp_path, name, reason):
    with pytest.raises(UserError, match=reason):
        write_architecture(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_replaced(tmp_path):
    (tmp_path / "my_net.py").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        write_architecture("my_net", tmp_path)
    assert (tmp_path / "my_net.py").read_text() == "mine"


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        write_architecture("my_net", tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
