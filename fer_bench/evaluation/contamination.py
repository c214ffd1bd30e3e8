"""Whether somebody else's model was perhaps trained on the test images, from its accuracy on each split.

A model that never saw the test labels cannot predict the wrong ones among them, so its test accuracy has a limit, and
it is better on its training images. A model that was trained on all images reaches any accuracy and has no such gap. A
weak model has no gap either, and is never suspected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scipy.special import betaincinv

NO_GAP = 0.01  # training minus test accuracy; a gap is significantly larger, by two standard errors
NEAR_LIMIT = 0.07  # so far below the limit a missing gap is a warning: good honest models have 5 to 25 points
TEST_LEAD = 0.025  # test minus validation accuracy, which honest models have at most; a lead is four errors larger
TAIL = 1e-3  # one-sided error of the lower bound that must exceed the limit

Verdict = Literal["", "small gap", "above the limit", "no gap", "test lead"]
SUSPECTED = ("no gap", "test lead")  # the verdicts that put a model below the others


@dataclass(frozen=True)
class SplitAccuracy:
    """The accuracy on some images of a split, a fraction."""

    accuracy: float
    images: int

    @property
    def variance(self) -> float:
        """Of the accuracy; never zero, since nobody is certain after a few images."""
        smoothed = (self.accuracy * self.images + 1) / (self.images + 2)
        return smoothed * (1 - smoothed) / self.images

    @property
    def lower_bound(self) -> float:
        """Clopper and Pearson's one-sided lower bound, Biometrika 26, 1934."""
        correct = round(self.accuracy * self.images)
        return float(betaincinv(correct, self.images - correct + 1, TAIL)) if correct else 0.0


def judge(
    training: SplitAccuracy,
    validation: SplitAccuracy | None,
    test: SplitAccuracy,
    limit: float,
    neighbor_accuracy: float,
) -> Verdict:
    """Return whether a model is suspected of having been trained on the test images.

    Args:
        training: Of the training split or a sample of it.
        validation: None if the protocol has no validation split.
        test: Of the test split.
        limit: The best accuracy that models reach on this dataset without test images, a fraction.
        neighbor_accuracy: Test accuracy of copying the label of the nearest training image. The better this works,
            the easier are these images or the more copies are among them, and the higher is the limit: at least half
            of the errors of such copying can be avoided.

    Returns:
        "no gap": the accuracy is above the limit and hardly lower than on training images. "test lead": it is far above
        that on validation. Otherwise "above the limit", or "small gap" if it is near the limit without a gap.
    """
    limit, published = max(limit, (1 + neighbor_accuracy) / 2), limit
    above, has_gap = test.lower_bound > limit, _exceeds(training, test, NO_GAP, z=2)
    if above and not has_gap:
        return "no gap"
    if validation and _exceeds(test, validation, TEST_LEAD, z=4):
        return "test lead"
    if above:
        return "above the limit"
    near = limit == published and test.lower_bound > limit - NEAR_LIMIT
    return "small gap" if near and not has_gap else ""


def _exceeds(first: SplitAccuracy, second: SplitAccuracy, margin: float, z: float) -> bool:
    error = (first.variance + second.variance) ** 0.5
    return first.accuracy - second.accuracy > margin + z * error
