"""The model card of a made-up record; as a whole it is compared with golden/model_card.md."""

from pathlib import Path

import pytest
import yaml
from made_up_records import CLASSES, RecordMaker
from test_golden import golden_text

from fer_bench.core.errors import UserError
from fer_bench.records import StoredRecord, load
from fer_bench.records.kept_models import describe_model
from fer_bench.records.store import PREDICTIONS_FILE
from fer_bench.report.model_card import CardModel, render_card


def card_model(make: RecordMaker, folder: Path, **changes) -> CardModel:
    """Return the model of a record, with the other records of its row."""
    found = list(load(make.results))
    (stored,) = (one for one in found if one.path == folder)
    predictions = {"test": stored.predictions("test")}
    info = describe_model(stored.record, predictions, changes.pop("image_shape", (48, 48)), "best")
    same_row = [one for one in found if one.record.trial.row_id == info.row]
    known = {
        "file_name": "model.keras",
        "sha256": "ab" * 32,
        "custom_layers": {"fer_bench.layers": ["CBAM"]},
    } | changes
    return CardModel(stored=stored, info=info, same_row=same_row, **known)


def read_metadata(card: str) -> dict:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_card(make):
    make("cnn", 1, accuracy=0.5)
    text = render_card(card_model(make, make("cnn", warnings=["Everything is 'happy'."])))
    assert text == golden_text("model_card.md", text)


def test_metadata_are_those_of_the_hub(make):
    """The rules of modelcard.md in huggingface/hub-docs: required keys of a result, and identifiers as names."""
    content = read_metadata(render_card(card_model(make, make("cnn"))))
    assert content["library_name"] == "keras" and content["pipeline_tag"] == "image-classification"
    assert content["license"] == "other" and content["license_link"].startswith("https://")
    assert content["datasets"] == ["fer2013"]
    (index,) = content["model-index"]
    (result,) = index["results"]
    assert index["name"] == "cnn" and result["task"]["type"] == "image-classification"
    assert result["dataset"]["type"] == "fer2013" and result["dataset"]["split"] == "test"
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values.keys() == {"accuracy", "f1"} and all(0 < value < 1 for value in values.values())
    assert not any(metric["verified"] for metric in result["metrics"])


def test_scores_are_those_of_the_model_itself(make):
    make("cnn", 1, accuracy=0.2)
    model = card_model(make, make("cnn", accuracy=0.9))
    test = model.stored.predictions("test")
    accuracy = float((test.probabilities.argmax(axis=1) == test.labels).mean())
    text = render_card(model)
    assert read_metadata(text)["model-index"][0]["results"][0]["metrics"][0]["value"] == pytest.approx(
        accuracy, abs=1e-4
    )
    assert f"{100 * accuracy:.2f}" in text and "2 seeds" in text


@pytest.mark.parametrize(
    ("dataset", "weights", "expected"),
    [
        ("synthetic", "random", {"license": "mit"}),
        ("folder", "random", {"license": "unknown"}),
        ("their_faces", "random", {"license": "unknown"}),
        ("synthetic", "imagenet:01", {"license": "unknown"}),
        ("ckplus+neutral~haar", "random", {"license_name": "terms-of-ckplus-neutral", "datasets": ["ckplus-neutral"]}),
        ("jaffe", "pretrained on fer2013:01", {"license_name": "terms-of-jaffe", "datasets": ["jaffe", "fer2013"]}),
        ("fer2013->jaffe", "random", {"license_name": "terms-of-fer2013", "datasets": ["fer2013"]}),
    ],
)
def test_license_and_datasets(make, dataset, weights, expected):
    content = read_metadata(render_card(card_model(make, make("cnn", dataset=dataset, weights=weights))))
    assert content | expected == content
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for name in content.get("datasets", []))


def test_input_of_crops_and_sequences(make):
    text = render_card(card_model(make, make("cnn", recipe={"crop": 40})))
    assert "40×40" in text and "np.zeros((1, 40, 40, 1)" in text
    text = render_card(card_model(make, make("vgg19"), image_shape=(3, 48, 48)))
    assert "np.zeros((1, 3, 48, 48, 1)" in text and "fer_bench.load_model" not in text
    assert read_metadata(text)["pipeline_tag"] == "video-classification"


@pytest.mark.parametrize("suffix", ["keras", "onnx", "tflite"])
def test_code_is_python(make, suffix):
    text = render_card(card_model(make, make("cnn"), file_name=f"cnn.{suffix}"))
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    for block in blocks:
        compile(block, "card", "exec")
    assert str(CLASSES) in blocks[-1] and f"cnn.{suffix}" in blocks[-1]


def test_unreadable_predictions(make):
    model = card_model(make, make("cnn"))
    (model.stored.path / PREDICTIONS_FILE).write_bytes(b"PK")
    with pytest.raises(UserError, match="no scores"):
        render_card(CardModel(StoredRecord(model.stored.record, model.stored.path), *list(vars(model).values())[1:]))
