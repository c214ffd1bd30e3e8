"""Hooks of a sweep."""

import pytest

from fer_bench.training.callback import Callback, CallbackList

HOOKS = {name: getattr(Callback, name).__code__.co_argcount - 1 for name in vars(Callback) if name.startswith("on_")}


class Recorder(Callback):
    """Appends its name and the arguments of each event to a list."""

    def __init__(self, name, events):
        for hook in HOOKS:
            setattr(self, hook, lambda *event, hook=hook: events.append((name, hook, event)))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_list_passes_each_event_on_in_order(hook):
    events = []
    event = tuple(range(HOOKS[hook]))
    getattr(CallbackList([Recorder("first", events), Recorder("second", events)]), hook)(*event)
    assert events == [("first", hook, event), ("second", hook, event)]


def test_an_exception_passes_through_and_stops_the_list():
    class Broken(Callback):
        def on_poll(self):
            raise ZeroDivisionError

    events = []
    with pytest.raises(ZeroDivisionError):
        CallbackList([Recorder("first", events), Broken(), Recorder("last", events)]).on_poll()
    assert events == [("first", "on_poll", ())]


@pytest.mark.parametrize("hook", HOOKS)
def test_the_hooks_of_the_base_class_do_nothing(hook):
    assert getattr(Callback(), hook)(*range(HOOKS[hook])) is None
