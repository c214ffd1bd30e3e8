"""The progress bar of a first read."""

import io

from fer_bench.core.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_that_finally_disappears(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    bar = ProgressBar()
    bar("reading fer2013.csv", 43, 100)
    assert "reading fer2013.csv" in terminal.getvalue() and "43%" in terminal.getvalue()
    bar("reading fer2013.csv", 100, 100)
    assert terminal.getvalue().endswith("\x1b[2K")  # erases the line


def test_a_bar_can_be_closed_before_it_is_full(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    ProgressBar()("reading", 1, 2)
    ProgressBar.close()
    assert terminal.getvalue().endswith("\x1b[2K")
    ProgressBar.close()


def test_a_log_shows_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", log := io.StringIO())
    bar = ProgressBar()
    bar("reading", 1, 2)
    bar("reading", 2, 2)
    assert log.getvalue() == ""
