"""Numbers as people read them."""

import pytest

from fer_bench.core.text import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (45, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (5340, "1 h 29 min"),
        (5400, "1 h 30 min"),
        (11_100, "3 h 05 min"),
    ],
)
def test_an_approximate_duration_has_few_digits(seconds, text):
    assert duration(seconds, approximate=True) == text
