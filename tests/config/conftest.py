"""Fixtures of the tests of configuration files."""

import pytest

from fer_bench.core.errors import UserError


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a YAML file and returns its path."""

    def write(text: str, name: str = "mine.yaml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def read_error(written):
    """Return a function that reads an invalid text and returns its error, without the file that it starts with."""

    def read_invalid(read, text: str) -> str:
        path = written(text)
        with pytest.raises(UserError) as raised:
            read(path)
        message = str(raised.value)
        assert message.startswith(path) and "\n" not in message
        return message.removeprefix(path)

    return read_invalid
