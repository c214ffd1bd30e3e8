"""The table of columns."""

import subprocess
import sys

from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.column import CSV_ONLY
from fer_bench.leaderboard.columns import BY_KEY, COLUMNS
from fer_bench.records.schema import Costs

NOT_COSTS = {"build_seconds", "compile_seconds", "train_seconds", "validation_seconds", "concurrent_trials"}


def test_columns_have_different_keys_and_explanations():
    keys = [key for column in COLUMNS for key in column.keys]
    assert len(set(keys)) == len(keys)
    assert [column.key for column in COLUMNS if column.views != CSV_ONLY and not column.help.endswith(".")] == []


def test_every_metric_and_every_cost_has_a_column():
    assert set(METRICS) | (set(Costs.model_fields) - NOT_COSTS) <= set(BY_KEY)
    assert all(BY_KEY[name].title == metric.title for name, metric in METRICS.items())


def test_the_table_imports_no_pandas():
    code = "import sys, fer_bench.leaderboard.columns; print({'pandas', 'keras'} & {*sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
