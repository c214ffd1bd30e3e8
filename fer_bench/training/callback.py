"""Who follows a trial. Apart from training, so that following one needs no Keras."""

from __future__ import annotations

from typing import Protocol

from fer_bench.records.schema import Epoch


class TrainingCallback(Protocol):
    """Whoever wants to follow a trial."""

    def on_step_end(self, step: int, steps: int, loss: float) -> None: ...

    def on_epoch_end(self, epoch: Epoch, epochs: int) -> None: ...
