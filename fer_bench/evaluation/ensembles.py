"""Ensembles of recorded predictions: votes of class probabilities, weighted or chosen on validation alone."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from fer_bench.evaluation.checks import validated_predictions


def soft_vote(probabilities: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Weighted mean of the members' class probabilities: (samples, classes), rows that sum to 1.

    probabilities: (members, samples, classes); weights: (members,) of any sum, equal where there are none.
    ValueError where a weight is negative, or all are zero.
    """
    members = np.asarray(probabilities, dtype=np.float64)
    weights = np.ones(len(members)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(members),) or weights.min() < 0 or not weights.sum() > 0:
        raise ValueError(f"{len(members)} members need as many weights, none negative and not all zero")
    members = members / members.sum(axis=-1, keepdims=True)
    return np.tensordot(weights / weights.sum(), members, axes=1)


def validation_weights(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The weights whose vote has the least log loss on validation: (members,), none negative, of sum 1.

    labels: (samples,) int; probabilities: (members, samples, classes), of the validation samples. The loss is convex in
    the weights, so there is one best vote and no start to choose (stacked density estimation: Smyth & Wolpert, Linearly
    Combining Density Estimators via Stacking, Machine Learning 36, 1999). ValueError as for `checked`.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    true = probabilities[:, np.arange(len(labels)), labels]
    true = np.maximum(true, np.finfo(np.float64).eps)  # as the log loss is clipped
    members = len(true)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        voted = weights @ true
        return -np.log(voted).mean(), -(true / voted).mean(axis=1)

    found = minimize(
        loss,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.clip(found.x, 0, None)
    return weights / weights.sum()


def greedy(labels: np.ndarray, probabilities: np.ndarray, size: int) -> list[int]:
    """Members chosen one by one, each the one that makes the vote most accurate on validation: `size` indices.

    labels: (samples,) int; probabilities: (members, samples, classes), of the validation samples. A member may be
    chosen again, and so weigh more. Of equally accurate votes the one of lower log loss is taken, then the first.
    Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004. ValueError as for `checked`, or where `size`
    is below one.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    if size < 1:
        raise ValueError("an ensemble needs one member at least")
    chosen: list[int] = []
    total = np.zeros(probabilities.shape[1:])
    for _ in range(size):
        votes = (_worth(labels, total + member) for member in probabilities)
        chosen.append(max(enumerate(votes), key=lambda vote: (vote[1], -vote[0]))[0])
        total = total + probabilities[chosen[-1]]
    return chosen


def _worth(labels: np.ndarray, total: np.ndarray) -> tuple[int, float]:
    """Right samples, then minus the log loss (less a constant)."""
    true = total[np.arange(len(labels)), labels]
    return int((total.argmax(axis=1) == labels).sum()), float(np.log(np.maximum(true, np.finfo(np.float64).eps)).sum())
