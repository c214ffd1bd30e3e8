"""The predict command on images and videos of drawn faces, with an ONNX model and a kept one."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from portraits import blank, portrait

from fer_bench.cli import cli
from fer_bench.core.errors import UserError
from fer_bench.inference.predict.video import FaceTracker

LABELS = ["happy", "sad"]
SIZE = 8


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """An ONNX model that finds bright faces happy, with its preprocessing beside it."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    folder = tmp_path_factory.mktemp("model")
    kernel = np.array([[1.0, -1.0]], np.float32).repeat(SIZE * SIZE, axis=0) / SIZE**2
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "brightness",
        [value("pixels", TensorProto.FLOAT, ["images", SIZE, SIZE, 1])],
        [value("logits", TensorProto.FLOAT, ["images", 2])],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(np.array([-0.25, 0.25], np.float32), "bias"),
        ],
    )
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    content = f"input_size: {SIZE}\nscaling: 0..1\nlabels: [{', '.join(LABELS)}]\noutputs: logits\n"
    (folder / "m.yaml").write_text(content)
    return folder / "m.onnx"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    cv2.imwrite(str(folder / "face.png"), portrait(3)[0])
    cv2.imwrite(str(folder / "[red] blank.png"), blank())
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (256, 256))
    for step in range(8):
        writer.write(cv2.cvtColor(np.roll(portrait(3)[0], step, axis=1), cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_become_a_table_a_csv_file_and_annotated_copies(run, photos, model_file, tmp_path):
    common = ["predict", photos, "--model-file", model_file]
    output = run(*common, "--csv", tmp_path / "f.csv", "--annotate", tmp_path / "copies")
    assert "happy" in output and "no face found" in output and "1 image of 2 without a face" in output
    blank_row, face = read_csv(tmp_path / "f.csv")
    assert blank_row["file"].endswith("blank.png") and blank_row["face"] == blank_row["label"] == ""
    assert [face["face"], face["label"]] == ["1", "happy"] and float(face["happy"]) == float(face["probability"]) > 0.5
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["[red] blank.png", "face.png"]
    assert len({path.name for path in tmp_path.iterdir()}) == 2  # no temporary file
    run(*common, "--strict", status=1)


def test_json_is_all_of_the_standard_output(photos, model_file, film):
    arguments = ["predict", str(photos), str(film), "--model-file", str(model_file), "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    blank_image, face, *frames = json.loads(done.stdout)
    assert blank_image["faces"] == [] and list(face["faces"][0]["box"]) == ["x", "y", "width", "height"]
    assert face["faces"][0]["probabilities"]["happy"] == face["faces"][0]["probability"]
    assert [frame["frame"] for frame in frames] == list(range(8))
    assert "no face found" in done.stderr and "frames per second" in done.stderr


def test_an_unreadable_file_is_named_and_the_others_are_predicted(run, photos, model_file, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    output = run("predict", bad, photos / "face.png", "--model-file", model_file, status=1)
    assert "bad.png cannot be read" in output and "happy" in output
    (tmp_path / "bad.mp4").write_bytes(b"not a film")
    output = run("predict", tmp_path / "bad.mp4", photos / "face.png", "--model-file", model_file, status=1)
    assert "bad.mp4 cannot be read" in output and "happy" in output
    output = run("predict", bad, "--model-file", model_file, "--annotate", tmp_path / "copies", status=1)
    assert "Written" not in output and not (tmp_path / "copies").exists()


def test_outputs_that_cannot_be_written_are_named_before_any_work(run, photos, model_file, tmp_path):
    (tmp_path / "file").write_text("")
    for option, path, message in (
        ("--csv", tmp_path, "is a folder. Name a file"),
        ("--csv", tmp_path / "file" / "f.csv", "cannot be written"),
        ("--annotate", tmp_path / "file", "is a file. Name a folder"),
        ("--annotate", tmp_path / "copy.png", "looks like a file"),
    ):
        with pytest.raises(UserError, match=message):
            run("predict", photos, "--model-file", model_file, option, path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_ends_the_command(run, film, model_file, tmp_path, monkeypatch):
    """It is no problem of the video, after which the next file would be predicted."""

    def write(self, rows):
        raise UserError("f.csv cannot be written: No space left on device.")

    monkeypatch.setattr("fer_bench.inference.predict.files.CsvFile.write", write)
    with pytest.raises(UserError, match="No space left"):
        run("predict", film, film, "--model-file", model_file, "--csv", tmp_path / "f.csv")
    assert [*tmp_path.iterdir()] == []


def test_a_video_that_ends_too_early_is_reported(run, film, model_file, tmp_path):
    """An AVI file says at its start how many frames it has."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (256, 256))
    for _ in range(30):
        writer.write(cv2.cvtColor(portrait(3)[0], cv2.COLOR_GRAY2BGR))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    output = run("predict", path, film, "--model-file", model_file, "--csv", tmp_path / "f.csv", status=1)
    assert "damaged or incomplete: it ends after" in output and "of 30 frames" in output
    rows = read_csv(tmp_path / "f.csv")
    assert 8 + 10 <= len(rows) <= 8 + 20  # what it has is predicted, and the other video
    assert "incomplete" not in run("predict", film, "--model-file", model_file)


def test_a_video_has_a_row_per_frame_and_face(run, film, model_file, tmp_path):
    output = run(
        "predict", film, "--model-file", model_file, "--csv", tmp_path / "f.csv", "--annotate", tmp_path / "new"
    )
    assert "8 frames, 8 with a face; happy 100.00 %" in output
    rows = read_csv(tmp_path / "f.csv")
    assert [row["frame"] for row in rows] == [str(number) for number in range(8)]
    assert {row["face"] for row in rows} == {"1"} and rows[-1]["seconds"] == "0.7"
    capture = cv2.VideoCapture(str(tmp_path / "new" / "film.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 8


def test_an_interrupt_leaves_whole_files(run, film, model_file, tmp_path, monkeypatch):
    track, calls = FaceTracker.__call__, []

    def interrupted(self, *arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return track(self, *arguments)

    monkeypatch.setattr(FaceTracker, "__call__", interrupted)
    output = run(
        *("predict", film, "--model-file", model_file, "--csv", tmp_path / "f.csv", "--annotate", tmp_path), status=130
    )
    assert "Interrupted" in output and len(read_csv(tmp_path / "f.csv")) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv", "film.mp4"]
    assert cv2.VideoCapture(str(tmp_path / "film.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_the_best_model_of_the_folder_is_named(run, working_dir, architectures_file, data_dir, photos):
    with pytest.raises(UserError, match="no trained model"):
        run("predict", photos, "--results-dir", working_dir)
    common = ["--extra-architectures", architectures_file]
    train = ["train", "--model", "cli_tiny", "--epochs", "1", "--executor", "in-process", "--data-dir", data_dir]
    assert "Keeps the best model of each row" in run(*train, *common)
    output = run("predict", photos, *common)
    assert "Model: cli_tiny on fer2013" in output and "Faces: haar" in output
    assert "drawn" not in output


def test_what_contradicts_is_refused(run, photos, model_file):
    for arguments, message in (
        ([], "Name images"),
        ([photos, "--model", "cnn", "--model-file", model_file], "either --model"),
        ([photos, "--preprocessing", model_file], "--model-file"),
        (["--camera", "99", "--headless", "--model-file", model_file], "Camera 99"),
        ([photos, "--model-file", photos], "a folder without a model"),
        ([photos, "--model-file", photos / "face.png"], "is a PNG image, not a model"),
        ([photos, "--model-file", photos / "none.onnx"], "does not exist"),
        ([photos, "--results-dir", photos / "none"], "no trained model"),
    ):
        with pytest.raises(UserError, match=message):
            run("predict", *arguments)
    with pytest.raises(UserError, match="predict PATH"):
        run("sweep", "--image", photos)


def test_an_onnx_model_imports_no_tensorflow(photos, model_file, imported_backends):
    arguments = ["predict", photos / "face.png", "--model-file", model_file]
    assert imported_backends(*arguments) == set()
