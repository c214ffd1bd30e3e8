"""Ensembles of recorded predictions: averages of class probabilities, weighted or selected on validation alone."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from fer_bench.evaluation.checks import validated_predictions
from fer_bench.evaluation.metrics import EPSILON


def soft_vote(probabilities: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the weighted mean of the members' class probabilities: (samples, classes), rows sum to 1.

    Args:
        probabilities: (members, samples, classes) float.
        weights: (members,) of any sum. Default: equal weights.

    Raises:
        ValueError: A weight is negative, or all are zero.
    """
    members = np.asarray(probabilities, dtype=np.float64)
    weights = np.ones(len(members)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(members),) or weights.min() < 0 or not weights.sum() > 0:
        raise ValueError(f"{len(members)} members require as many weights, none negative and not all zero")
    members = members / members.sum(axis=-1, keepdims=True)
    return np.tensordot(weights / weights.sum(), members, axes=1)


def validation_weights(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the weights whose vote has the lowest log loss on validation: (members,), none negative, sum 1.

    The loss is convex in the weights, so the optimum does not depend on a starting point. This is stacked density
    estimation: Smyth & Wolpert, Linearly Combining Density Estimators via Stacking, Machine Learning 36, 1999.

    Args:
        labels: (samples,) int, of the validation samples.
        probabilities: (members, samples, classes) float, of the validation samples.

    Raises:
        ValueError: As `validated_predictions`.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    true = np.maximum(probabilities[:, np.arange(len(labels)), labels], EPSILON)
    members = len(true)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        vote = weights @ true
        return -np.log(vote).mean(), -(true / vote).mean(axis=1)

    optimum = minimize(
        loss,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.clip(optimum.x, 0, None)
    return weights / weights.sum()


def greedy_selection(labels: np.ndarray, probabilities: np.ndarray, size: int) -> list[int]:
    """Select members one by one, each the one that makes the vote most accurate on validation.

    A member may be selected again and so gain weight. Equal accuracies are decided by the log loss, then by the order.
    Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004.

    Args:
        labels: (samples,) int, of the validation samples.
        probabilities: (members, samples, classes) float, of the validation samples.
        size: Number of members to select.

    Returns:
        `size` indices of members.

    Raises:
        ValueError: As `validated_predictions`, or `size` is below one.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    if size < 1:
        raise ValueError("an ensemble requires at least one member")
    selected: list[int] = []
    total = np.zeros(probabilities.shape[1:])
    for _ in range(size):
        scores = [_selection_score(labels, total + member) for member in probabilities]
        selected.append(scores.index(max(scores)))
        total = total + probabilities[selected[-1]]
    return selected


def _selection_score(labels: np.ndarray, total: np.ndarray) -> tuple[int, float]:
    """Return the number of correct samples, then the negative log loss up to a constant; `total` is a sum of votes."""
    true = total[np.arange(len(labels)), labels]
    return int((total.argmax(axis=1) == labels).sum()), float(np.log(np.maximum(true, EPSILON)).sum())
