"""What follows a sweep and its trials: one class with Keras-style hooks. Imports no Keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fer_bench.records.schema import Epoch, Record
from fer_bench.training.planned_trial import PlannedTrial


class Callback:
    """Base class of everything that follows a sweep. Override the hooks that you need.

    An exception that a hook raises ends the sweep.
    """

    def on_sweep_begin(self, trials: Sequence[PlannedTrial]) -> None:
        """Called before the first trial."""

    def on_sweep_end(self, stop_reason: str) -> None:
        """Called after the last trial, also after an exception."""

    def on_poll(self) -> None:
        """Called about once per second while trials run in other processes."""

    def on_trial_begin(self, planned: PlannedTrial) -> None:
        """Called when a trial starts, also when it starts again after it lost its node or its memory."""

    def on_trial_delegated(self, planned: PlannedTrial) -> None:
        """Called when a trial is met that another sweep runs or has recorded."""

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        """Called after a training step; worker processes report a few steps per second only.

        Args:
            planned: The trial.
            step: Number of the step in its epoch, from 1.
            steps: Number of steps per epoch.
            loss: Training loss of the step.
        """

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        """Called after an epoch and its validation."""

    def on_trial_end(self, planned: PlannedTrial, record: Record) -> None:
        """Called when a trial ends, whatever its status."""


class CallbackList(Callback):
    """Passes each event on to several callbacks, in their order."""

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self._callbacks = list(callbacks)

    def on_sweep_begin(self, trials: Sequence[PlannedTrial]) -> None:
        for callback in self._callbacks:
            callback.on_sweep_begin(trials)

    def on_sweep_end(self, stop_reason: str) -> None:
        for callback in self._callbacks:
            callback.on_sweep_end(stop_reason)

    def on_poll(self) -> None:
        for callback in self._callbacks:
            callback.on_poll()

    def on_trial_begin(self, planned: PlannedTrial) -> None:
        for callback in self._callbacks:
            callback.on_trial_begin(planned)

    def on_trial_delegated(self, planned: PlannedTrial) -> None:
        for callback in self._callbacks:
            callback.on_trial_delegated(planned)

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        for callback in self._callbacks:
            callback.on_step_end(planned, step, steps, loss)

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        for callback in self._callbacks:
            callback.on_epoch_end(planned, epoch)

    def on_trial_end(self, planned: PlannedTrial, record: Record) -> None:
        for callback in self._callbacks:
            callback.on_trial_end(planned, record)
