"""Average ranks of models over the sections of a leaderboard."""

from __future__ import annotations

import pandas as pd

from fer_bench.evaluation.significance import average_ranks

SECTION = ["dataset", "protocol", "fingerprint"]
SAME = ["model", "recipe_kind", "weights", "backend"]  # what makes two rows of different datasets the same model
DRAWN = "synthetic"  # drawn faces are no benchmark


def average_ranks_of(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Accuracies of the models that every section has, with their average rank; and the rank for each row of the frame.

    The first has a row for each model (`SAME`, the recipe by the name before its departures), a column for each section
    (its dataset and protocol) and `average_rank`, best first; it is empty where there are fewer than two datasets or
    two such models. A section of one row ranks nobody and is left out, as are drawn faces; a model that a section has
    twice stands with all of its recipe. The second is NaN where a row was not ranked. Demšar, JMLR 7, 2006.
    """
    scored = frame[frame["accuracy"].notna() & (frame["dataset"] != DRAWN)].copy()
    scored["recipe_kind"] = scored["recipe"].str.split(",").str[0]
    twice = scored.duplicated([*SECTION, *SAME], keep=False)
    ambiguous = scored.set_index(SAME).index.isin(scored[twice].set_index(SAME).index)
    full = scored["recipe"].where(scored["variant"] == "", scored["recipe"] + " (" + scored["variant"] + ")")
    scored["recipe_kind"] = scored["recipe_kind"].where(~ambiguous, full)
    scored["section"] = scored["dataset"] + ", " + scored["protocol"] + _versions(scored)
    scored = scored[scored.groupby("section")["model"].transform("size") > 1]
    nobody = pd.DataFrame(), pd.Series(float("nan"), frame.index)
    if scored["dataset"].nunique() < 2:
        return nobody
    table = scored.pivot(index=SAME, columns="section", values="accuracy").dropna()
    if len(table) < 2:
        return nobody
    table["average_rank"] = average_ranks(table.to_numpy())
    ranks = table["average_rank"].reindex(pd.MultiIndex.from_frame(scored[SAME])).to_numpy()
    return table.sort_values("average_rank", kind="stable"), pd.Series(ranks, scored.index).reindex(frame.index)


def _versions(scored: pd.DataFrame) -> pd.Series:
    """What tells two versions of a dataset under one protocol apart."""
    several = scored.groupby(["dataset", "protocol"])["fingerprint"].transform("nunique") > 1
    return (" (data " + scored["fingerprint"].str[:8] + ")").where(several, "")
