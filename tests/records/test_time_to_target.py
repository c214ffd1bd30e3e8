"""Time to target: which accuracies are targets, and when a trial reaches one."""

import math

import pytest
from sample_records import make_epoch, make_record

from fer_bench.core.errors import UserError
from fer_bench.records.time_to_target import parse_targets, seconds_to_target, target_name


def test_targets_are_sorted_and_each_once():
    assert parse_targets("0.65, 0.6,0.65") == parse_targets([0.65, 0.6]) == (0.6, 0.65)
    assert parse_targets(0.6) == parse_targets("0.60") == (0.6,)
    assert [target_name(target) for target in (0.6, 0.625, 1)] == ["60", "62.5", "100"]


@pytest.mark.parametrize("targets", ["0", "1.5", "abc", "60", "", "0.6,nan", "-0.6", [0.6, 60], [], "0.6;0.65"])
def test_anything_else_is_refused_with_an_example(targets):
    with pytest.raises(UserError, match=r"0\.60 for 60 %"):
        parse_targets(targets)


def test_the_time_ends_with_the_first_epoch_that_reaches_the_target():
    record = make_record(history=[make_epoch(1, 0.5), make_epoch(2, 0.75), make_epoch(3, 0.6)])
    first = record.history[0].train_seconds + record.history[0].validation_seconds
    assert [seconds_to_target(record, target) for target in (0.5, 0.6, 0.75)] == [first, 2 * first, 2 * first]
    assert seconds_to_target(record, 0.76) == math.inf
    assert math.isnan(seconds_to_target(make_record(), 0.5))
