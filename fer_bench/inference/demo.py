"""A local web page that predicts the expressions in pictures, with the models of a results folder."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fer_bench.config.recipe_names import shorten_recipe
from fer_bench.core.errors import UserError
from fer_bench.core.text import percent, plural
from fer_bench.datasets.images import import_opencv
from fer_bench.datasets.portraits import draw_portrait
from fer_bench.datasets.synthetic import EXPRESSIONS
from fer_bench.inference.explain.heat_maps import explain
from fer_bench.inference.loaded_model import load_record
from fer_bench.inference.predict.annotate import draw_faces
from fer_bench.inference.predict.face_finder import make_face_finder
from fer_bench.inference.predict.images import FacePrediction, find_faces
from fer_bench.inference.saved_models import Members, test_accuracy
from fer_bench.records import StoredRecord

HOST = "127.0.0.1"  # other computers have no access
MAX_LOADED = 4  # models
HEAT_SIDE = 256  # pixels
EXAMPLE_SEED = 4  # OpenCV's cascade finds the faces of these portraits
TITLE = "Facial expressions"
INTRODUCTION = """# Facial expressions
Choose a picture, or take one with the camera. Every face is found and cropped as the model's training images were, and
the model says which expression it shows. The picture stays on this computer.

*A model names the look of a face, not what a person feels, and it is often wrong: not for decisions about people.*
"""
HEAT_LABEL = "Where the model looks"


class Answer(NamedTuple):
    """What the page shows for a picture.

    Attributes:
        picture: The picture (height, width, 3) uint8, RGB, with a box around each face.
        probabilities: Those of the largest face by class; empty without a face.
        heat: Its heat map over the face, (height, width, 3) uint8, RGB; None without a face.
        text: The number of faces, and the time.
    """

    picture: np.ndarray
    probabilities: dict[str, float]
    heat: np.ndarray | None
    text: str


class Demo:
    """Predictions of the models of a results folder; the last models used stay in memory.

    Args:
        models: Models by the titles that the page offers, the best one first.
        crop: How faces are found and cropped, as arguments of `make_face_finder`.
    """

    def __init__(
        self, models: Mapping[str, tuple[StoredRecord, Members]], crop: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self.titles, self._crop = list(models), crop
        self.load = lru_cache(MAX_LOADED)(lambda title: load_record(*models[title]))

    def answer(self, picture: np.ndarray, title: str) -> Answer:
        """Return what the page shows for a picture (height, width, 3) uint8, RGB, and a model."""
        model = self.load(title)
        times = [time.perf_counter()]
        try:
            finder = make_face_finder(model, **self._crop)
        except UserError as error:
            return Answer(picture, {}, None, str(error))
        found = find_faces(model, finder, picture)
        times.append(time.perf_counter())
        if not found:
            return Answer(picture, {}, None, "No face was found. Try a larger face that looks straight ahead.")
        probabilities = model.predict_probabilities([face.pixels for face in found])
        times.append(time.perf_counter())
        explanation = explain(model, found[0].pixels)
        times.append(time.perf_counter())
        boxes = enumerate(zip(found, probabilities, strict=True), start=1)
        faces = [FacePrediction(number, face.box, values) for number, (face, values) in boxes]
        finding, predicting, explaining = (f"{1000 * seconds:.0f} ms" for seconds in np.diff(times))
        return Answer(
            draw_faces(picture[..., ::-1], faces, model.classes)[..., ::-1],
            dict(zip(model.classes, probabilities[0].tolist(), strict=True)),
            _overlay(explanation.face, explanation.heat),
            f"{plural(len(faces), 'face')}: {finding} to find, {predicting} to predict. Heat map: {explaining}.",
        )


def model_titles(models: Sequence[tuple[StoredRecord, Members]]) -> dict[str, tuple[StoredRecord, Members]]:
    """Return models by what the page calls them."""
    titles: dict[str, tuple[StoredRecord, Members]] = {}
    for stored, members in models:
        trial, accuracy = stored.record.trial, percent(test_accuracy(stored))
        recipe = shorten_recipe(trial.recipe_name)
        title = f"{trial.architecture}, {recipe}, {trial.dataset} {trial.protocol}: {accuracy} %"
        titles.setdefault(f"{title} ({trial.row_id})" if title in titles else title, (stored, members))
    return titles


def example_pictures() -> list[np.ndarray]:
    """Return one drawn portrait (256, 256, 3) uint8 of each class."""
    portraits = [draw_portrait(name, np.random.default_rng(EXAMPLE_SEED)) for name in EXPRESSIONS]
    return [np.repeat(portrait[..., None], 3, axis=-1) for portrait in portraits]


def build_page(demo: Demo) -> Any:
    """Return the page as gradio.Blocks.

    Raises:
        UserError: Gradio is not installed.
    """
    gradio = import_gradio()

    def answer(picture: np.ndarray | None, title: str) -> tuple[Any, ...]:
        return (None, None, None, "") if picture is None else tuple(demo.answer(picture, title))

    with gradio.Blocks(title=TITLE, analytics_enabled=False) as page:
        gradio.Markdown(INTRODUCTION)
        with gradio.Row():
            with gradio.Column():
                picture = gradio.Image(label="Picture", sources=["upload", "webcam", "clipboard"], buttons=[])
                model = gradio.Dropdown(demo.titles, value=demo.titles[0], label="Model and its test accuracy")
                gradio.Examples([[example] for example in example_pictures()], [picture], label="Drawn examples")
            with gradio.Column():
                faces = gradio.Image(label="Faces", interactive=False, buttons=["download", "fullscreen"])
                with gradio.Row():
                    label = gradio.Label(label="The largest face", num_top_classes=len(EXPRESSIONS) + 1)
                    heat = gradio.Image(label=HEAT_LABEL, interactive=False, buttons=[], height=HEAT_SIDE)
                text = gradio.Markdown(elem_id="times")
        gradio.on([picture.change, model.change], answer, [picture, model], [faces, label, heat, text], api_name=False)
    return page


def serve(page: Any, port: int) -> str:
    """Start the page's server in the background and return its address.

    Raises:
        UserError: The port is in use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UserError(f"Port {port} is in use. Choose another one with --port.") from None
    gradio = import_gradio()
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    _, address, _ = page.launch(
        server_name=HOST, server_port=port, prevent_thread_lock=True, quiet=True, share=False, ssr_mode=False,
        footer_links=[], theme=theme,
    )  # fmt: skip
    return str(address)


def import_gradio() -> Any:
    """Import gradio, which then sends nothing to anybody. Raises UserError if it is not installed."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1")
    try:
        import gradio
    except ImportError as error:
        raise UserError(f"The demo needs gradio ({error}). Install it: pip install 'fer-bench[demo]'.") from None
    return gradio


def _overlay(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a heat map over a face, (256, 256, 3) uint8, RGB."""
    cv2 = import_opencv()
    gray = face if face.ndim == 2 else face.mean(axis=-1).astype(np.uint8)
    large = cv2.resize(gray, (HEAT_SIDE, HEAT_SIDE), interpolation=cv2.INTER_CUBIC)[..., None]
    smooth = np.clip(cv2.resize(heat, (HEAT_SIDE, HEAT_SIDE), interpolation=cv2.INTER_CUBIC), 0, 1)
    color = cv2.applyColorMap((255 * smooth).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = 0.15 + 0.5 * smooth[..., None]
    return ((1 - opacity) * large + opacity * color).astype(np.uint8)
