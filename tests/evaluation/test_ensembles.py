"""Ensembles: soft votes, weights and greedy selection on validation."""

import numpy as np
import pytest
from scipy.special import softmax

from fer_bench.evaluation.ensembles import greedy_selection, soft_vote, validation_weights


def members(skills: list[float], samples: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, samples)
    logits = rng.normal(0, 1, (len(skills), samples, 5))
    logits[:, np.arange(samples), labels] += np.array(skills)[:, None]
    return labels, softmax(logits, axis=2).astype(np.float32)


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def test_a_soft_vote_is_the_mean():
    two = np.array([[[0.6, 0.4], [0.2, 0.8]], [[0.2, 0.8], [0.4, 0.6]]])
    assert soft_vote(two) == pytest.approx(np.array([[0.4, 0.6], [0.3, 0.7]]))
    assert soft_vote(two, [3, 1]) == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))


def test_a_soft_vote_is_more_accurate_than_its_members():
    labels, probabilities = members([1.5, 1.5, 1.5, 1.5])
    assert accuracy(labels, soft_vote(probabilities)) > max(accuracy(labels, one) for one in probabilities) + 0.03


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0]])
def test_invalid_weights_are_an_error(weights):
    with pytest.raises(ValueError, match="weights"):
        soft_vote(np.full((2, 3, 2), 0.5), weights)


def test_validation_weights_have_the_lowest_log_loss():
    labels, probabilities = members([2.0, 1.0, 0.0])
    weights = validation_weights(labels, probabilities)
    assert weights.sum() == pytest.approx(1) and weights.min() >= 0
    lowest = log_loss(labels, soft_vote(probabilities, weights))
    for other in np.random.default_rng(0).dirichlet(np.ones(3), 300):
        assert lowest <= log_loss(labels, soft_vote(probabilities, other)) + 1e-9
    # At the optimum, the mean of p_member / p_vote is 1 for every member with a weight.
    vote = soft_vote(probabilities, weights)
    every = np.arange(len(labels))
    ratios = (probabilities[:, every, labels] / vote[every, labels]).mean(axis=1)
    assert ratios[weights > 1e-6] == pytest.approx(1, abs=1e-4) and ratios.max() < 1 + 1e-4


def test_a_member_without_skill_gets_no_weight_and_equal_members_share_it():
    labels, probabilities = members([3.0, 0.0])
    assert validation_weights(labels, probabilities)[1] < 0.05
    assert validation_weights(labels, probabilities[[0, 0]]) == pytest.approx([0.5, 0.5])


def test_greedy_selection_adds_the_best_member_at_every_step():
    labels, probabilities = members([1.0, 1.6, 0.2, 1.5])
    selected = greedy_selection(labels, probabilities, 5)
    assert len(selected) == 5
    for step, member in enumerate(selected):
        votes = [soft_vote(probabilities[[*selected[:step], other]]) for other in range(4)]
        assert accuracy(labels, votes[member]) == max(accuracy(labels, vote) for vote in votes)
    assert accuracy(labels, soft_vote(probabilities[selected])) > max(accuracy(labels, one) for one in probabilities)


def test_greedy_selection_by_hand():
    # Alone, A and B are correct on 3 of 4. With C, which corrects A's error, A is correct on all.
    labels = np.array([0, 0, 0, 0])
    a, b, c = [0.9, 0.9, 0.9, 0.4], [0.6, 0.6, 0.6, 0.3], [0.45, 0.45, 0.45, 0.7]
    probabilities = np.stack([np.stack([np.array(p), 1 - np.array(p)], axis=1) for p in (a, b, c)])
    assert greedy_selection(labels, probabilities, 2) == [0, 2]


def test_a_member_may_be_selected_again():
    labels, probabilities = members([2.0])
    assert greedy_selection(labels, probabilities, 3) == [0, 0, 0]


def test_an_empty_ensemble_is_an_error():
    labels, probabilities = members([1.0])
    with pytest.raises(ValueError, match="member"):
        greedy_selection(labels, probabilities, 0)
