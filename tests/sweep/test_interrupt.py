"""Ctrl-C ends a sweep, even where a library has swallowed it."""

import os
import signal
import sys
import threading

import pytest

from fer_bench import records
from fer_bench.sweep.interrupt import noticed
from fer_bench.sweep.run import run


@pytest.fixture(autouse=True)
def in_the_foreground():
    """As at a terminal, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # nothing stays behind
    signal.signal(signal.SIGINT, before)


def press_and_lose():
    """Ctrl-C where its exception goes nowhere, as in a finaliser."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)
    except KeyboardInterrupt:
        return
    pytest.fail("the signal did not arrive")


def test_a_lost_interrupt_is_raised_at_the_next_check():
    with noticed() as check:
        check()
        press_and_lose()
        with pytest.raises(KeyboardInterrupt):
            check()


def test_one_that_a_finaliser_loses_is_not_printed(monkeypatch):
    printed = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: printed.append(lost.exc_type))

    class Pressed:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(5)

    class Broken:
        def __del__(self):
            raise ValueError("an error of its own")

    with noticed() as check:
        Pressed()
        Broken()
        with pytest.raises(KeyboardInterrupt):
            check()
    assert printed == [ValueError]


@pytest.mark.parametrize("when", ["step", "epoch", "ends"])
def test_a_sweep_ends_after_an_interrupt_that_was_lost(plan_of, tmp_path, watcher, monkeypatch, when):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])
    usual = getattr(watcher, when)
    monkeypatch.setattr(watcher, when, lambda *event: (usual(*event), press_and_lose()))
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, watcher)
    assert len(records.load(tmp_path)) == (1 if when == "ends" else 0)


def test_an_error_that_an_interrupt_has_become_is_no_failed_trial(plan_of, tmp_path, watcher, monkeypatch):
    def broken(*event):
        press_and_lose()
        raise RuntimeError("a kernel was cancelled")

    monkeypatch.setattr(watcher, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        run(plan_of(models=["tiny"]).trials, tmp_path, watcher)
    assert len(records.load(tmp_path)) == 0


def test_a_background_job_goes_on_ignoring_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with noticed() as check:
        os.kill(os.getpid(), signal.SIGINT)
        check()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
