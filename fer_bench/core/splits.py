"""The names of the three splits, in the order in which datasets and folds number them."""

SPLITS = ("training", "validation", "test")
