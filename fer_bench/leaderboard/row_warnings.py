"""What is implausible about a row: warnings about its predictions, and whether it may have seen the test images."""

from __future__ import annotations

import pandas as pd

from fer_bench.core.text import percent
from fer_bench.datasets.emotions import LABEL_ORDERS, canonical_label
from fer_bench.datasets.face_crop.spec import SEPARATOR
from fer_bench.evaluation.contamination import SplitAccuracy, Verdict, judge
from fer_bench.evaluation.plausibility import check_predictions, describe_order, find_better_order
from fer_bench.leaderboard.rows import LeaderboardRow, SeedResult
from fer_bench.records.schema import EXTERNAL, TrainingCheck, Trial

# The best accuracies that are reported for all classes of these datasets, with whatever data and number of models:
# FER2013, an ensemble of seven networks (Pham, Vu & Tran, ICPR 2020), 76.8 %; FER+ and RAF-DB, 92 to 93 %.
LIMITS = {"fer2013": 0.77, "ferplus": 0.93, "rafdb": 0.94}
MIN_CLASSES = 7  # the limits do not apply to fewer classes, which are easier
SUSPICIONS: dict[Verdict, str] = {
    "no gap": "no gap between training and test: perhaps trained on the test images",
    "test lead": "far better on test than on validation: perhaps trained on the test images",
}
WRONG_SETTINGS = "Is the scaling wrong, or were the weights not loaded?"
COLLAPSED = "Did the training collapse?"
BELOW = "Perhaps it was trained on the test images: it is ranked below the others."
NOTES: dict[Verdict, str] = {
    "no gap": f"Better than any published result, without a gap between training and test. {BELOW}",
    "test lead": f"Far better on test than on validation. {BELOW}",
    "above the limit": "Better than any published result. Ask what it was trained on.",
    "small gap": "Hardly a gap between training and test, unusual at this accuracy. Ask what it was trained on.",
}


def suspicion(row: LeaderboardRow) -> str:
    """Return why a row is ranked below the others, a badge; empty if it is not."""
    return SUSPICIONS.get(_verdict(row), "")


def is_trusted(frame: pd.DataFrame) -> pd.Series:
    """Return per line whether its scores can be ranked: not if the model may have been trained on the test images."""
    return frame["suspicion"].isna() if "suspicion" in frame else pd.Series(True, frame.index)


def training_accuracy(row: LeaderboardRow) -> float | None:
    """Return the accuracy of an external model on a sample of the training images; None if unknown."""
    check = _training_check(row)
    return check.accuracy if check else None


def row_warnings(row: LeaderboardRow) -> list[str]:
    """Return sentences on what is implausible about a row; those of some seeds only name the seeds."""
    by_sentence: dict[str, list[int]] = {}
    for seed in row.seeds:
        for sentence in _seed_warnings(row.trial, seed):
            by_sentence.setdefault(sentence, []).append(seed.seed)
    sentences = list(dict.fromkeys(sentence for record in row.records for sentence in record.warnings))
    for sentence, seeds in by_sentence.items():
        some = f"Seed {', '.join(map(str, seeds))}: " if len(seeds) < len(row.seeds) else ""
        sentences.append(some + sentence)
    if verdict := _verdict(row):
        sentences.append(f"{NOTES[verdict]} Accuracies: {_accuracies(row)}.")
    return sentences


def _seed_warnings(trial: Trial, seed: SeedResult) -> list[str]:
    record = seed.records[0]
    validation = seed.validation_confusion if seed.validation_images else None
    cause = WRONG_SETTINGS if trial.external else COLLAPSED
    sentences = check_predictions(record.classes, seed.confusion, validation, cause)
    if validation is None or record.warnings or record.training_check:
        return sentences  # the orders were compared when the model was scored
    classes = [canonical_label(name) for name in record.classes]
    settings = trial.recipe.get(EXTERNAL)  # of an ensemble it is a list
    labels = settings.get("labels") or () if isinstance(settings, dict) else classes
    order = find_better_order(classes, validation, [name for name in labels if name in classes], LABEL_ORDERS)
    if order:
        sentences.append(f"{describe_order(order)} Check the labels of the {'model' if trial.external else 'dataset'}.")
    return sentences


def _training_check(row: LeaderboardRow) -> TrainingCheck | None:
    return next((record.training_check for record in row.records if record.training_check), None)


def _verdict(row: LeaderboardRow) -> Verdict:
    limit, check = LIMITS.get(row.trial.dataset.partition(SEPARATOR)[0]), _training_check(row)
    if limit is None or check is None or not row.seeds or len(row.records[0].classes) < MIN_CLASSES:
        return ""
    seed = row.seeds[0]
    validation = SplitAccuracy(seed.validation_accuracy, seed.validation_images) if seed.validation_images else None
    test = SplitAccuracy(seed.scores["accuracy"], seed.test_images)
    return judge(SplitAccuracy(check.accuracy, check.images), validation, test, limit, check.neighbor_accuracy)


def _accuracies(row: LeaderboardRow) -> str:
    seed = row.seeds[0]
    accuracies = {
        "training": training_accuracy(row),
        "validation": seed.validation_accuracy if seed.validation_images else None,
        "test": seed.scores["accuracy"],
    }
    return ", ".join(f"{split} {percent(value)} %" for split, value in accuracies.items() if value is not None)
