"""Ctrl-C ends a sweep, even if a library swallows its exception."""

import os
import signal
import sys
import threading

import pytest

from fer_bench import records
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.interrupt import Terminated, deferred_interrupts
from fer_bench.sweep.run import run


@pytest.fixture(autouse=True)
def in_the_foreground():
    """Handle Ctrl-C as at a terminal, whatever started the tests; check that the handler is restored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def send_and_swallow(number=signal.SIGINT):
    """Send a signal and swallow its exception, as a finalizer does."""
    try:
        os.kill(os.getpid(), number)
        threading.Event().wait(5)
    except KeyboardInterrupt:
        return
    pytest.fail("the signal did not arrive")


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_swallowed_interrupt_is_raised_at_the_next_check(number, error):
    with deferred_interrupts() as check:
        check()
        send_and_swallow(number)
        with pytest.raises(error):
            check()


def test_an_interrupt_in_a_finalizer_is_not_printed(monkeypatch):
    printed = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: printed.append(lost.exc_type))

    class Interrupted:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(5)

    class Broken:
        def __del__(self):
            raise ValueError("an error of its own")

    with deferred_interrupts() as check:
        Interrupted()
        Broken()
        with pytest.raises(KeyboardInterrupt):
            check()
    assert printed == [ValueError]


@pytest.mark.parametrize("hook", ["on_step_end", "on_epoch_end", "on_trial_end"])
def test_a_sweep_ends_after_a_swallowed_interrupt(plan_of, tmp_path, callback, monkeypatch, hook, instant_executor):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])
    monkeypatch.setattr(callback, hook, lambda *event: send_and_swallow())
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, [callback], executor=instant_executor)
    assert len(records.load(tmp_path)) == (1 if hook == "on_trial_end" else 0)
    assert callback.events[-1] == ("sweep end", "interrupted")


def test_an_error_that_an_interrupt_causes_is_no_failed_trial(plan_of, tmp_path, monkeypatch):
    def broken(inputs, recipe):
        send_and_swallow()
        raise RuntimeError("a kernel was cancelled")

    monkeypatch.setattr(ARCHITECTURES, "function", lambda name: broken)
    with pytest.raises(KeyboardInterrupt):
        run(plan_of(models=["tiny"]).trials, tmp_path)
    assert len(records.load(tmp_path)) == 0


def test_a_background_job_continues_to_ignore_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_interrupts() as check:
        os.kill(os.getpid(), signal.SIGINT)
        check()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
