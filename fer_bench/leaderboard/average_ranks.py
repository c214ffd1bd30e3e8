"""Average ranks of models over the sections of a leaderboard."""

from __future__ import annotations

import pandas as pd

from fer_bench.config.recipe_names import split_recipe_name
from fer_bench.leaderboard.row_warnings import is_trusted
from fer_bench.leaderboard.rows import SECTION, SYNTHETIC
from fer_bench.protocols.class_subset import whole_protocol

MODEL_KEY = ["model", "recipe_kind", "weights", "backend"]  # rows of different datasets that agree in it are one model


def named_recipes(recipes: pd.Series) -> pd.Series:
    """Return the named recipe of each full recipe name."""
    return recipes.map(lambda name: split_recipe_name(name)[0])


def compute_average_ranks(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return the accuracies and average ranks of the models that every section has, and the rank per line of the frame.

    The table has one line per model (`MODEL_KEY`, where `recipe_kind` is the named recipe), best first, one column per
    section, and `average_rank`. It is empty with fewer than two datasets or two such models. Sections with one model
    or some of the classes, and synthetic data are excluded. A model that a section has twice is identified by its full
    recipe. The rank of a line is NaN if its model was not ranked. Demšar, JMLR 7, 2006.

    frame: The leaderboard's.
    """
    nothing = pd.DataFrame(), pd.Series(float("nan"), frame.index)
    all_classes = ~frame["protocol"].map(lambda title: bool(whole_protocol(title)[1])).astype(bool)
    ranked = frame["accuracy"].notna() & is_trusted(frame)
    scored = frame[ranked & (frame["dataset"] != SYNTHETIC) & all_classes].copy()
    if scored["dataset"].nunique() < 2:
        return nothing
    scored["recipe_kind"] = named_recipes(scored["recipe"])
    repeated = scored.duplicated([*SECTION, *MODEL_KEY], keep=False)
    ambiguous = scored.set_index(MODEL_KEY).index.isin(scored[repeated].set_index(MODEL_KEY).index)
    full = scored["recipe"].where(scored["variant"] == "", scored["recipe"] + " (" + scored["variant"] + ")")
    scored["recipe_kind"] = scored["recipe_kind"].where(~ambiguous, full)
    scored["section"] = scored["dataset"] + ", " + scored["protocol"] + _versions(scored)
    scored = scored[scored.groupby("section")["model"].transform("size") > 1]
    if scored["dataset"].nunique() < 2:
        return nothing
    table = scored.pivot(index=MODEL_KEY, columns="section", values="accuracy").dropna()
    if len(table) < 2:
        return nothing
    table["average_rank"] = table.rank(ascending=False).mean(axis=1)  # ties share the mean of their ranks
    ranks = table["average_rank"].reindex(pd.MultiIndex.from_frame(scored[MODEL_KEY])).to_numpy()
    return table.sort_values("average_rank", kind="stable"), pd.Series(ranks, scored.index).reindex(frame.index)


def _versions(scored: pd.DataFrame) -> pd.Series:
    """Return what distinguishes versions of a dataset with the same protocol."""
    groups = scored.groupby(["dataset", "protocol"])
    data = " (data " + scored["fingerprint"].str[:8] + ")"
    benchmark = " (benchmark version " + scored["benchmark_version"].astype(str) + ")"
    return data.where(groups["fingerprint"].transform("nunique") > 1, "") + benchmark.where(
        groups["benchmark_version"].transform("nunique") > 1, ""
    )
