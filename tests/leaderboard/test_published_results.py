"""What others report: the shipped file says all that it must, and a mistake in it is told."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fer_bench.config import bundled
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS
from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.published_results import FILE, read, reported
from fer_bench.registry.architectures import ARCHITECTURES

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
- {model: Net, value: 70.5, metric: accuracy, dataset: fer2013, protocol: unknown, views: "1", badge: clean, source: S}
"""


def test_every_figure_names_things_that_there_are():
    claims = reported()
    assert len(claims) >= 15
    assert {c["dataset"] for c in claims} <= set(DATASETS.names())
    assert {c["metric"] for c in claims} <= set(METRICS)
    assert {c["architecture"] for c in claims} - {None} <= set(ARCHITECTURES.names())
    assert {c["recipe"] for c in claims} - {None} <= set(bundled.recipes())
    assert not [c for c in claims if c["recipe"] and not c["architecture"]]
    told = [(c["model"], c["value"], c["source"]) for c in claims]
    assert len(set(told)) == len(told)


def test_each_badge_is_explained_at_the_head_of_the_file():
    head = FILE.read_text(encoding="utf-8").split("\n\n")[0]
    explained = re.findall(r"^#   (\S.*?)  +\S", head, re.MULTILINE)
    assert {c["badge"] for c in reported()} <= set(explained)
    for badge in explained:
        assert read_text(GOOD.replace("clean", badge))[0].badge == badge


def test_figures_of_a_dataset_or_an_architecture():
    assert {c["dataset"] for c in reported("ckplus")} == {"ckplus"}
    (vggnet,) = reported(architecture="vgg_fer")
    assert (vggnet["value"], vggnet["badge"], vggnet["recipe"]) == (73.28, "PublicTest as test", "khaireddin2021")
    assert reported("fer2013", "vgg_fer") == [vggnet]
    assert reported("synthetic") == reported(architecture="nobody") == []


def test_what_is_handed_out_is_the_readers_own():
    reported("ckplus")[0]["value"] = 100
    assert all(claim["value"] < 100 for claim in reported())


def test_a_wheel_holds_the_file():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert FILE.name in tool["package-data"]["fer_bench"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read_text(text: str):
    Path("claims.yaml").write_text(text, encoding="utf-8")
    return read(Path("claims.yaml"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD.replace("clean", "excellent"), "0.badge: Input should be 'clean', 'selected on test'"),
        (GOOD.replace("source: S", "cite: S"), "0.source: Field required"),
        (GOOD.replace("70.5", "0.705e3"), "0.value: Input should be less than 100"),
        (GOOD.replace("source: S", "source: S, url: example.org"), "0.url: "),
        (GOOD + "- {model", "is not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(text, sentence):
    with pytest.raises(UserError, match=r"^claims\.yaml") as raised:
        read_text(text)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)
