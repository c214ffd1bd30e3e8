"""The explain command, from training to figures of images and of the dataset."""

import re

import cv2
import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.records import load
from fer_bench.records.heat_maps import read


def test_a_trained_model_is_explained(run, working_dir, architectures_file, data_dir, empty_figures, monkeypatch):
    monkeypatch.setattr("fer_bench.report.heat_maps.fit_layout", lambda *_: None)
    common = ["--extra-architectures", architectures_file, "--data-dir", data_dir]
    run("train", "--model", "cli_tiny", "--epochs", "2", "--executor", "in-process", *common)
    output = run("explain", "--model", "cli_tiny", "--samples", "1", *common)
    assert "occlusion" in output and "7 images" in output
    (stored,) = load("results")
    measured = read(stored.path)
    assert (measured.key, measured.num_images) == (stored.record.trial.key, [1] * 7)
    assert {path.suffix for path in stored.path.glob("heat_maps.*")} == {".json", ".png", ".svg"}
    run("report")
    page = (working_dir / "results" / "leaderboard.html").read_text()
    assert re.search(r'"heat_maps":\{"figure":"records/[^"]+/heat_maps.png","text":"[^"]+","maps":\[\["angry",1', page)

    image = np.full((48, 48), 200, np.uint8)
    cv2.imwrite("bright.png", image)
    (working_dir / "text.png").write_text("no image")
    options = ["--model", "cli_tiny", "--detector", "none", "--class", "happy", *common]
    assert "happy" in run("explain", "bright.png", *options)
    assert (working_dir / "explanations" / "bright.png").is_file()
    (working_dir / "other").mkdir()
    cv2.imwrite("other/bright.png", image)
    run("explain", "bright.png", "other/bright.png", "--output", "new", *options)
    assert sorted(path.name for path in (working_dir / "new").glob("*.png")) == ["bright-2.png", "bright.png"]
    with pytest.raises(UserError, match="--yunet-model"):
        run("explain", "bright.png", "--model", "cli_tiny", "--detector", "yunet", *common)
    with pytest.raises(UserError, match=r"text\.png cannot be read"):
        run("explain", "bright.png", "text.png", *options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "cnn", "--model-file", "m.keras"], "either"),
        (["--preprocessing", "p.yaml"], "require --model-file"),
        (["none.png"], "does not exist"),
        (["--class", "happy"], "--class is for images"),
        (["image.png", "--model", "cnn,vgg16"], "one --model"),
        (["image.png", "--model-file", "m.onnx", "--dataset", "jaffe"], "Omit them"),
        (["--model", "cnn", "--output", "figures"], "are for images"),
        (["--model", "cnn", "--no-align"], "are for images"),
        (["image.png", "--output", "heat.png"], "looks like a file"),
        (["--model", "cnn"], "no trained model"),
        ([], "no trained model"),
    ],
)
def test_invalid_arguments_fail(run, working_dir, arguments, message):
    cv2.imwrite("image.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(UserError, match=message):
        run("explain", *arguments)
