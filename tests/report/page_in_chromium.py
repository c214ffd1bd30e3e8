"""The page that the browser tests open, and its elements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from chromium import find, texts, wait
from made_up_records import RecordMaker, exact, made_up, write_heat_maps
from selenium.webdriver.common.by import By

from fer_bench.records.schema import Predictions
from fer_bench.report.write import read_leaderboard, write_leaderboard

HOSTILE = "<img src=x onerror=\"document.title='taken'\"></script>"
RECIPE_CHANGES = "epochs=20, optimizer.name=sgd"
NUM_ROWS = 4  # of fer2013: cnn, vgg19, a hostile one, one that failed


def write_page(results: Path) -> str:
    """Write a page with three tables (four rows, a failed row, synthetic faces with a warning) and return its URL."""
    make = RecordMaker(results)
    make("cnn", seed=0, accuracy=0.5, seconds=40)
    make("cnn", seed=1, accuracy=0.52, seconds=44)
    vgg19 = {"parameters": 20_000_000, "weights": "imagenet:0123", "recipe_name": f"default, {RECIPE_CHANGES}"}
    write_heat_maps(make("vgg19", accuracy=0.7, seconds=900, **vgg19))
    predictions = made_up(300, 0.4, 5)
    ids = np.array([f"{HOSTILE} {i}" for i in range(300)])
    hostile = Predictions(ids, predictions.labels, predictions.probabilities)
    make(f"odd {HOSTILE}", test=hostile, seconds=3000, recipe_name=HOSTILE)
    make("resnet50", status="failed", reason=f"out of memory {HOSTILE}", parameters=None)
    make("cnn", dataset="jaffe", status="diverged", reason="loss is NaN", parameters=None)
    make("cnn", dataset="synthetic", samples=60)
    make("constant", dataset="synthetic", test=exact([*range(7)] * 9, [3] * 63, 7))
    write_leaderboard(read_leaderboard(make.results, targets=(0.4, 0.9)), make.results, figures=False)
    return (make.results / "leaderboard.html").as_uri()


def models(browser) -> list[str]:
    return [text.split()[0].rstrip(",") for text in texts(browser, "#section-1 tbody .name")]


def header(browser, key: str):
    return find(browser, f"#section-1 th[data-key={key}]")


def open_details(browser, model: str):
    names = browser.find_elements(By.CSS_SELECTOR, "#section-1 tbody .name")
    names[models(browser).index(model)].click()
    dialog = find(browser, "#details")
    wait(browser, lambda: dialog.is_displayed())
    return dialog
