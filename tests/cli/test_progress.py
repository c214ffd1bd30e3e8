"""The bar of a first read."""

import io

from fer_bench.cli.progress import ERASE, ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is_and_at_last_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    bar = ProgressBar()
    bar("reading fer2013.csv", 43, 100)
    assert "reading fer2013.csv" in terminal.getvalue() and "43%" in terminal.getvalue()
    bar("reading fer2013.csv", 44, 100)  # too soon to be drawn again
    assert "44%" not in terminal.getvalue()
    bar("reading fer2013.csv", 100, 100)
    assert terminal.getvalue().endswith(ERASE)


def test_a_log_sees_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", log := io.StringIO())
    ProgressBar()("reading", 1, 2)
    assert log.getvalue() == ""
