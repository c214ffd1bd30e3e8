"""Why a model cannot be loaded, as raised by the modules that know neither its file nor the others'."""

from __future__ import annotations

from fer_bench.core.errors import UserError

SAVE_AGAIN = "Save the model with built-in Keras layers only, or as ONNX"


class Unsupported(UserError):
    """A reason that completes "FILE is not opened because", without a full stop, and what to do about it."""

    def __init__(self, reason: str, remedy: str = SAVE_AGAIN) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy
