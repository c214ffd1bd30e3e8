"""Muon, whose steps are orthogonal matrices, for convolutions too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

if TYPE_CHECKING:
    _Base = Any
else:
    _Base = keras.optimizers.Muon


class Muon(_Base):
    """Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon) for the kernels of convolutions too.

    Keras uses Muon for kernels of dense layers only. Here the kernel (height, width, inputs, filters) of a convolution
    is the matrix (height · width · inputs, filters), as its author does. The remaining weights make steps of AdamW at
    the same learning rate: biases, normalization layers, the classifier, embeddings, depthwise convolutions, and a
    first convolution on gray pixels. A step of Muon is scaled to the size of those of AdamW (Liu et al., arXiv 2025).
    """

    # One rate for all weights: Keras' Muon has a second one for those that AdamW changes.
    _apply_weight_decay = keras.optimizers.Optimizer._apply_weight_decay

    def _should_use_adamw(self, variable: Any) -> bool:
        if len(variable.shape) == 4:
            return min(variable.shape[-2:]) == 1
        adamw: bool = super()._should_use_adamw(variable)
        return adamw

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        return ops.reshape(super().zeropower_via_newtonschulz5(_to_matrix(x), steps), x.shape)

    def lr_adjust(self, x: Any) -> Any:
        return ops.reshape(super().lr_adjust(_to_matrix(x)), x.shape)


def _to_matrix(kernel: Any) -> Any:
    return ops.reshape(kernel, (-1, kernel.shape[-1]))
