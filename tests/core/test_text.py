"""Formatting of numbers and names."""

import pytest

from fer_bench.core.text import (
    decimal,
    did_you_mean,
    duration,
    flatten,
    interval,
    list_first,
    mean_count,
    megabytes,
    millions,
    milliseconds,
    operations,
    percent,
    rate,
    same_spelling,
    time_to_target,
)


def test_numbers_are_formatted_for_people():
    nan = float("nan")
    assert [percent(0.63421, 0.0031), percent(0.63421), percent(nan)] == ["63.42 ± 0.31", "63.42", "–"]
    assert [millions(138_357_544), millions(12_345), millions(nan)] == ["138.36 M", "12.3 k", "–"]
    assert [duration(s) for s in (42.13, 59.97, 187, 5025, nan)] == [
        "42.1 s",
        "1 min 00 s",
        "3 min 07 s",
        "1 h 23 min",
        "–",
    ]
    assert [duration(s, approximate=True) for s in (42.13, 187, 5025)] == ["42 s", "3 min", "1 h 24 min"]
    assert [rate(v) for v in (12.34, 1234.5, nan)] == ["12.3", "1,234", "–"]
    assert [mean_count(v) for v in (30, 29.5, nan)] == ["30", "29.5", "–"]
    assert [interval(0.6181, 0.6499), interval(nan, nan)] == ["61.8–65.0", "–"]
    assert [decimal(1.0421, 0.0123), decimal(1.0421), decimal(nan)] == ["1.042 ± 0.012", "1.042", "–"]
    assert [operations(v) for v in (30.95e9, 1.234e6, nan)] == ["30.95 G", "1.23 M", "–"]
    assert [megabytes(v) for v in (528 * 2**20, 700_000, nan)] == ["528 MiB", "0.668 MiB", "–"]
    assert [milliseconds(v) for v in (0.01234, nan)] == ["12.3 ms", "–"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("vgg", "Did you mean 'vgg19' or 'vgg16'?"), ("resnet", "Choose from: vgg16, vgg19, cnn.")],
)
def test_near_names_are_suggested_and_otherwise_all_names(name, hint):
    assert did_you_mean(name, ["vgg16", "vgg19", "cnn"]) == hint


def test_lists_have_a_limit():
    assert [list_first(["a", "b", "c"], count) for count in (1, 3)] == ["a and 2 more", "a, b, c"]


def test_nested_mappings_are_flattened_to_dotted_keys():
    assert flatten({"epochs": 3, "optimizer": {"name": "adam", "rate": {"end": 0}}}) == {
        "epochs": 3,
        "optimizer.name": "adam",
        "optimizer.rate.end": 0,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("VGG19", ["vgg19"]),
        ("MobileNetV2", ["mobilenet_v2"]),
        ("mini-xception", ["mini_xception"]),
        ("ResNet-50", ["resnet50"]),
        ("CK+", ["ckplus"]),
        ("CK+ neutral", ["ckplus+neutral"]),
        ("FER+", ["ferplus"]),
        ("a-b", ["a_b", "A b"]),
        ("A b", ["A b"]),
        ("vgg1", []),
        ("", []),
        ("--", []),
    ],
)
def test_names_in_any_spelling(name, expected):
    known = ["vgg19", "mobilenet", "mobilenet_v2", "mini_xception", "resnet50", "ckplus", "ckplus+neutral", "ferplus"]
    assert same_spelling(name, [*known, "a_b", "A b"]) == expected


def test_near_names_in_any_case():
    assert did_you_mean("VGG91", ["vgg19", "cnn"]) == "Did you mean 'vgg19'?"
    assert "'VGG19'" in did_you_mean("vgg91", ["VGG19", "cnn"])


def test_a_missed_target_is_not_a_time():
    inf, nan = float("inf"), float("nan")
    times = [(42.13, "3 of 3"), (187, "2 of 3"), (inf, "1 of 3"), (inf, "0 of 1"), (nan, None)]
    assert [time_to_target(*time) for time in times] == [
        "42.1 s",
        "3 min 07 s (2 of 3)",
        "not reached (1 of 3)",
        "not reached",
        "–",
    ]
