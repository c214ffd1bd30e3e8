"""Atomic writing."""

import pytest

from fer_bench.core.files import atomic_write, write_atomically


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
    with pytest.raises(OSError):
        write_atomically(tmp_path / "file" / "inner", b"")
