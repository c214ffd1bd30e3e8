"""The page of the demo: which models it offers, and what it answers."""

from __future__ import annotations

import socket
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from made_up_models import CLASSES
from portraits import blank, portrait

from fer_bench.cli import cli
from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop.detect import HaarDetector
from fer_bench.inference import demo
from fer_bench.inference.saved_models import list_models, select_model


def color(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None], 3, axis=-1)


@pytest.fixture
def models(keep, tmp_path):
    keep(seed=0, accuracy=0.6, architecture="weak")
    keep(seed=0, accuracy=0.9, architecture="strong")
    keep(seed=1, accuracy=1.0, architecture="lost", saved=False)
    return demo.model_titles(list_models(tmp_path / "results"))


def test_kept_models_are_offered_the_best_one_first(models):
    strong, weak = models
    assert strong.startswith("strong, default, made official: ") and strong.endswith(": 90.00 %")
    assert weak.startswith("weak")


def test_each_row_is_offered_once_with_its_best_model_by_validation(keep, tmp_path):
    """--keep-models all keeps one model per seed and fold."""
    keep(seed=0, accuracy=0.6)
    keep(seed=1, accuracy=0.8)
    keep(seed=2, accuracy=0.7)
    keep(seed=0, accuracy=0.5, recipe_name="longer", recipe={"tta": "1", "crop": None, "epochs": 60})
    models = list_models(tmp_path / "results")
    assert [stored.record.trial.seed for stored, _ in models] == [1, 0]
    assert models[0] == select_model(tmp_path / "results", "tiny")  # as `predict` chooses


def test_the_largest_face_is_classified_and_explained(models):
    page = demo.Demo(models)
    picture = color(portrait(1)[0])
    answer = page.answer(picture, page.titles[0])
    assert [*answer.probabilities] == CLASSES and sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert answer.picture.shape == picture.shape and (answer.picture != picture).any()  # a box
    assert answer.heat is not None and answer.heat.shape == (256, 256, 3) and answer.heat.dtype == np.uint8
    assert answer.text.startswith("1 face:")
    nobody = page.answer(color(blank()), page.titles[0])
    assert (nobody.probabilities, nobody.heat) == ({}, None) and "No face" in nobody.text


def test_the_way_of_finding_faces_can_be_chosen(models):
    picture = color(portrait(1)[0])
    whole = demo.Demo(models, {"detector": "none"}).answer(picture, next(iter(models)))
    assert whole.text.startswith("1 face:")
    missing = demo.Demo(models, {"detector": "yunet"}).answer(picture, next(iter(models)))
    assert "--yunet-model" in missing.text and missing.probabilities == {}


def test_a_face_is_found_in_every_example():
    pictures = demo.example_pictures()
    assert len(pictures) == 7
    assert all(len(HaarDetector().find_all(picture[..., 0], False)) == 1 for picture in pictures)


def test_the_page_is_built_and_a_port_in_use_is_named(models):
    page = demo.build_page(demo.Demo(models))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UserError, match="--port"):
            demo.serve(page, other.getsockname()[1])


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    result = CliRunner().invoke(cli, ["demo", "--results-dir", str(tmp_path)])
    assert isinstance(result.exception, UserError) and "no trained model" in str(result.exception)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match="demo"):
        demo.import_gradio()
