"""Atomic writing."""

import pytest

from fer_bench.core.errors import UserError
from fer_bench.core.files import (
    atomic_path,
    atomic_write,
    check_output_folder,
    unique_name,
    write_atomically,
    writing,
)


def test_a_file_is_written_with_its_missing_folders(tmp_path):
    file = tmp_path / "new" / "file.txt"
    write_atomically(file, "größer")
    assert file.read_text(encoding="utf-8") == "größer"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_exception_leaves_the_earlier_file_and_nothing_else(tmp_path, error):
    file = tmp_path / "file.txt"
    file.write_text("old")
    with pytest.raises(error), atomic_write(file, sync=True) as writer:
        writer.write(b"new")
        raise error
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_earlier_file_is_visible_until_the_end(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("old")
    with atomic_write(file) as writer:
        writer.write(b"new")
        writer.flush()
        assert file.read_text() == "old"
    assert file.read_text() == "new"


def test_a_folder_that_cannot_be_created_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        write_atomically(tmp_path / "file" / "inner", b"")


@pytest.mark.parametrize(
    ("error", "keep", "content"),
    [(KeyboardInterrupt, True, "new"), (KeyboardInterrupt, False, "old"), (ValueError, True, "old")],
)
def test_a_file_is_kept_on_an_interrupt_if_requested(tmp_path, error, keep, content):
    file = tmp_path / "film.mp4"
    file.write_text("old")
    with pytest.raises(error), atomic_path(file, keep_on_interrupt=keep, suffix=".mp4") as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".mp4"
        raise error
    assert file.read_text() == content
    assert list(tmp_path.iterdir()) == [file]


def test_a_block_that_writes_no_file_replaces_nothing(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("old")
    with atomic_path(file):
        pass
    assert file.read_text() == "old"


def test_a_file_cannot_replace_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="folder cannot be written: Is a directory"), writing(tmp_path / "folder"):
        write_atomically(tmp_path / "folder", "text")
    assert [*tmp_path.iterdir()] == [tmp_path / "folder"]


def test_the_folder_of_an_option_is_no_file(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "v1.onnx").mkdir()
    for folder, message in ((tmp_path / "file", "is a file"), (tmp_path / "film.mp4", "looks like a file.*film.$")):
        with pytest.raises(UserError, match=f"--output .*{message}"):
            check_output_folder(folder, "--output")
    for folder in (tmp_path, tmp_path / "new", tmp_path / "run-1.5", tmp_path / "v1.onnx"):
        check_output_folder(folder, "--output")


def test_names_that_are_used_get_a_number():
    used: set[str] = set()
    names = [unique_name(stem, ".png", used) for stem in ("a", "A", "b", "a")]
    assert names == ["a.png", "A-2.png", "b.png", "a-3.png"]
