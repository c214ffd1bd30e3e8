"""`new` writes a file that works, and harms none that is there."""

from __future__ import annotations

import pytest

from fer_bench.contract.checks import CHECKS
from fer_bench.contract.run import check
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES, ARCHITECTURES_DIR, source_digest
from fer_bench.registry.scaffold import next_steps, write_architecture


@pytest.fixture
def forgotten():
    """The registry forgets what a test adds."""
    before = set(ARCHITECTURES.names())
    yield
    for name in set(ARCHITECTURES.names()) - before:
        del ARCHITECTURES._entries[name]
        ARCHITECTURES._functions.pop(name, None)


def test_what_is_written_keeps_the_whole_contract(tmp_path, forgotten):
    file = write_architecture("written_net", tmp_path)
    assert file == tmp_path / "written_net.py"
    ARCHITECTURES.scan(file)
    outcomes = list(check("written_net"))
    assert [o.check for o in outcomes] == list(CHECKS)
    assert [o for o in outcomes if o.complaint or o.skipped] == []


def test_two_of_them_are_told_apart(tmp_path, forgotten):
    for name in ("one_net", "other_net"):
        ARCHITECTURES.scan(write_architecture(name, tmp_path))
    assert source_digest("one_net") != source_digest("other_net")


def test_what_to_do_next_names_the_file_where_it_lies_elsewhere(tmp_path):
    assert f"check my_net --extra-architectures {tmp_path / 'my_net.py'}" in next_steps("my_net", tmp_path / "my_net.py")
    assert "--extra-architectures" not in next_steps("my_net", ARCHITECTURES_DIR / "my_net.py")
    assert "train --model my_net --dataset synthetic" in next_steps("my_net", ARCHITECTURES_DIR / "my_net.py")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-net", "cannot be the name of a function"),
        ("2net", "cannot be the name of a function"),
        ("", "cannot be the name of a function"),
        ("class", "cannot be the name of a function"),
        ("../net", "cannot be the name of a function"),
        ("größe", "cannot be the name of a function"),
        ("vgg16", "is there already: .*vgg.py"),
        ("all", "means something else"),
        ("classifier", "means something else"),
        ("inputs", "means something else"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path, name, said):
    with pytest.raises(UserError, match=said):
        write_architecture(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "my_net.py").write_text("mine")
    with pytest.raises(UserError, match="is there already: nothing was written"):
        write_architecture("my_net", tmp_path)
    assert (tmp_path / "my_net.py").read_text() == "mine"


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        write_architecture("my_net", tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
