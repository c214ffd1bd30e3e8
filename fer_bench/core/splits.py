"""The names of the three splits, in the order of their numbers in datasets and folds."""

SPLITS = ("training", "validation", "test")
