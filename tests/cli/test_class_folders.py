"""Class folders and selected classes from the command line."""

import numpy as np
import pytest
from PIL import Image

from fer_bench.core.errors import UserError
from fer_bench.runner import make_experiment


@pytest.fixture
def write(tmp_path):
    """Return a function that writes random images below the data folder, and that folder."""
    rng = np.random.default_rng(5)

    def write(*paths: str):
        for path in paths:
            file = tmp_path / "data" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8)).save(file)
        return tmp_path / "data"

    return write


def test_persons_are_classes_only_on_request(run, write):
    data_dir = write("AF01/AF01ANS.png", "AF01/AF01HAS.png", "AM02/AM02ANS.png", "AM02/AM02HAS.png")
    output = run("data", "list", "folder", "--data-dir", data_dir, status=1)
    assert "AF01, AM02" in output and "persons" in output and "--accept-classes" in output
    assert "AF01  AM02  all" in run("data", "list", "folder", "--data-dir", data_dir, "--accept-classes")


def test_data_lists_selected_classes(run, write):
    data_dir = write(*(f"{name}/{i}.png" for name in ("happy", "sad", "fear") for i in range(2)))
    output = run("data", "list", "folder~classes=happy+sad", "--data-dir", data_dir)
    assert "happy  sad  all" in output and "4 of 6 images" in output and "fear" not in output.splitlines()[1]


def test_classes_select_from_every_dataset():
    fields = {"models": ["cnn_small"], "datasets": ["fer2013"], "protocols": ["official", "cross:fer2013->jaffe"]}
    experiment = make_experiment(None, {}, None, "happy, sad", **fields)
    assert experiment.datasets == ["fer2013~classes=happy+sad"]
    assert experiment.protocols == ["official", "cross:fer2013~classes=happy+sad->jaffe~classes=happy+sad"]
    with pytest.raises(UserError, match="already"):
        make_experiment(None, {}, None, "happy,sad", **fields | {"datasets": ["fer2013~classes=happy+fear"]})


def test_protocols_for_folders_without_a_test_split(run, write, tmp_path):
    data_dir = write(*(f"{split}/{name}/0.png" for split in ("train", "val") for name in ("happy", "sad")))
    with pytest.raises(UserError, match=r"no test images.*holdout-80-10-10"):
        run("data", "split", "folder", "--data-dir", data_dir, "--output", tmp_path / "split.json")
