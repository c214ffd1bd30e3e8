"""The metadata of a model card, in the YAML format of the Hugging Face hub, and the terms of the training data.

The format: https://github.com/huggingface/hub-docs/blob/main/modelcard.md. The hub checks `model-index`, `datasets` and
`license` when a folder is uploaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import yaml

from fer_bench.core.text import one_line
from fer_bench.datasets.registry import DATASETS
from fer_bench.leaderboard.column import Values
from fer_bench.protocols.registry import source_datasets
from fer_bench.records.schema import PRETRAINED, Trial

SEQUENCE_DIMENSIONS = 3  # (time, height, width)
LIBRARIES = {".keras": "keras", ".onnx": "onnx", ".tflite": "tflite"}  # the hub's names, by suffix of the model file
NO_TERMS = "See the terms of the dataset."


@dataclass(frozen=True)
class Data:
    """A dataset that a model was trained or tested on.

    Attributes:
        name: Its registered name, without face crop and classes.
        title: How papers call it.
        source: Where it comes from; an address, or a few words.
        terms: What is known of its license, one sentence.
        description: Its size and its paper.
    """

    name: str
    title: str
    source: str = ""
    terms: str = NO_TERMS
    description: str = ""

    @property
    def url(self) -> str:
        return self.source if self.source.startswith("http") else ""


def describe_data(name: str) -> Data:
    """Return what is known of a dataset; of an unregistered one only its name."""
    base = name.partition("~")[0]
    if base not in DATASETS:
        return Data(base, base)
    entry = DATASETS.get(base)
    terms = entry.options.get("terms", NO_TERMS)
    return Data(entry.name, entry.options["title"], entry.options["source"], terms, one_line(entry.doc))


def training_data(trial: Trial) -> list[Data]:
    """Return the datasets whose faces a model has seen in training, the last training first."""
    kind = trial.initial_weights.partition(":")[0]
    pretraining = [kind.removeprefix(PRETRAINED).strip()] if kind.startswith(PRETRAINED) else []
    return [describe_data(name) for name in (source_datasets(trial.dataset)[0], *pretraining)]


def metadata(trial: Trial, values: Values, file_name: str, image_shape: Sequence[int]) -> str:
    """Return the metadata as YAML.

    Args:
        trial: The trial of the model.
        values: Its line of the leaderboard's frame.
        file_name: The name of the model file.
        image_shape: ([time,] height, width) of its images.
    """
    trained_on, tested_on = training_data(trial), describe_data(source_datasets(trial.dataset)[-1])
    task = "video-classification" if len(image_shape) == SEQUENCE_DIMENSIONS else "image-classification"
    library = LIBRARIES.get(PurePath(file_name).suffix, "keras")
    dataset = {
        "type": _identifier(tested_on.name),
        "name": f"{trial.dataset}, protocol {trial.protocol}",
        "split": "test",
    }
    metrics = [
        {"type": "accuracy", "name": "Accuracy", "value": _round(values["accuracy"]), "verified": False},
        {
            "type": "f1",
            "name": "Macro F1",
            "value": _round(values["macro_f1"]),
            "args": {"average": "macro"},
            "verified": False,
        },
    ]
    result = {"task": {"type": task, "name": "Facial expression recognition"}, "dataset": dataset, "metrics": metrics}
    datasets = [_identifier(data.name) for data in trained_on if data.url]
    content: dict[str, Any] = {
        **_license(trial, trained_on),
        "library_name": library,
        "pipeline_tag": task,
        "tags": [library, "facial-expression-recognition", "emotion-recognition", "fer-bench", trial.architecture],
        **({"datasets": datasets} if datasets else {}),
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": trial.architecture, "results": [result]}],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def _license(trial: Trial, trained_on: Sequence[Data]) -> dict[str, str]:
    """Return the license, named after the terms of the training data, which decide how the model may be used."""
    linked = next((data for data in trained_on if data.url), None)
    if linked:
        return {"license": "other", "license_name": f"terms-of-{_identifier(linked.name)}", "license_link": linked.url}
    is_drawn = trial.initial_weights == "random" and all(data.name.startswith("synthetic") for data in trained_on)
    return {"license": "mit" if is_drawn else "unknown"}


def _identifier(name: str) -> str:
    """Return a name of the letters that the hub allows."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")


def _round(value: float) -> float:
    return round(float(value), 4)
