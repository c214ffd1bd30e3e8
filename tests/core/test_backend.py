"""The environment that is set before Keras is imported."""

import os
import platform

import pytest

from fer_bench.core.backend import ONEDNN_VARIABLE, choose_backend
from fer_bench.core.errors import UserError


@pytest.mark.parametrize(
    ("machine", "given", "expected"),
    [("x86_64", None, "1"), ("AMD64", None, "1"), ("x86_64", "0", "0"), ("arm64", None, None)],
)
def test_convolutions_use_onednn_unless_the_user_says_otherwise(monkeypatch, machine, given, expected):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    environment = {} if given is None else {ONEDNN_VARIABLE: given}
    monkeypatch.setattr("os.environ", {"KERAS_BACKEND": "tensorflow", **environment})
    choose_backend()
    assert os.environ.get(ONEDNN_VARIABLE) == expected


def test_an_unknown_backend_is_an_error():
    with pytest.raises(UserError, match="mxnet"):
        choose_backend("mxnet")
