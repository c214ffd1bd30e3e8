"""Published results: the bundled file is complete, and mistakes in it raise."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fer_bench.config import bundled
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS
from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.published_results import FILE, published_results, read_file
from fer_bench.registry.architectures import ARCHITECTURES

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
- {model: Net, value: 70.5, metric: accuracy, dataset: fer2013, protocol: unknown, views: "1",
   badge: leaky folds, source: S}
"""


def test_every_result_names_known_things():
    results = published_results()
    assert len(results) >= 15
    assert {r.dataset for r in results} <= set(DATASETS.names())
    assert {r.metric for r in results} <= set(METRICS)
    assert {r.architecture for r in results} - {None} <= set(ARCHITECTURES.names())
    assert {r.recipe for r in results} - {None} <= set(bundled.recipes())
    assert not [r for r in results if r.recipe and not r.architecture]
    keys = [(r.model, r.value, r.source) for r in results]
    assert len(set(keys)) == len(keys)


def test_the_header_of_the_file_explains_each_badge():
    head = FILE.read_text(encoding="utf-8").split("\n\n")[0]
    explained = re.findall(r"^#   (\S.*?)  +\S", head, re.MULTILINE)
    assert {r.badge for r in published_results()} <= set(explained)
    for badge in explained:
        assert read_text(GOOD.replace("leaky folds", badge))[0].badge == badge


def test_results_of_a_dataset_or_an_architecture():
    assert {r.dataset for r in published_results("ckplus")} == {"ckplus"}
    (vggnet,) = published_results(architecture="vgg_fer")
    assert (vggnet.value, vggnet.badge, vggnet.recipe) == (73.28, "PublicTest as test", "khaireddin2021")
    assert published_results("fer2013", "vgg_fer") == [vggnet]
    assert published_results("synthetic") == published_results(architecture="nobody") == []


def test_a_wheel_holds_the_file():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert FILE.name in tool["package-data"]["fer_bench.leaderboard"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read_text(text: str):
    Path("results.yaml").write_text(text, encoding="utf-8")
    return read_file(Path("results.yaml"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (GOOD.replace("leaky folds", "excellent"), "0.badge"),
        (GOOD.replace("source: S", "cite: S"), "0.source"),
        (GOOD.replace("70.5", "0.705e3"), "0.value"),
        (GOOD.replace("source: S", "source: S, url: example.org"), "0.url"),
        (GOOD + "- {model", "YAML"),
    ],
)
def test_a_mistake_raises_one_line_with_the_file(text, word):
    with pytest.raises(UserError, match=r"^results\.yaml") as raised:
        read_text(text)
    assert word in str(raised.value) and "\n" not in str(raised.value)
