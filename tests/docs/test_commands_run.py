"""The commands of the README and of the pages on sweeps and on using a model run, on made-up data."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from code_blocks import blocks, commands
from portraits import portrait
from small_fer2013 import write_fer2013

from fer_bench.cli.group import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "use.md", ROOT / "docs" / "sweeps.md"]
# Hours of training, a camera, and a page that stays until somebody ends it, which the tests of `demo` open.
NOT_RUN = ("--models all --seeds", "first_hour", "--camera", "benchmark.py demo")
COMMANDS = [
    pytest.param(line, id=f"{page.stem}: {line.partition('#')[0].strip()}")
    for page in PAGES
    for line in commands(page)
    if not any(text in line.partition("#")[0] for text in NOT_RUN)
]
EXPERIMENT = "models: [cnn_fast]\ndatasets: [fer2013]\nrecipe: {epochs: 1, batch_size: 16}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with everything that the commands name, and three trained models."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "data").mkdir()
    write_fer2013(folder / "data")
    picture = portrait()[0]
    for name in ("photo.jpg", "holiday/one.jpg", "scans/one.png", "faces/one.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
    for number in range(30):
        file = folder / "data" / "folder" / ("happy", "sad", "angry")[number % 3] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), picture)
    film = cv2.VideoWriter(str(folder / "film.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (256, 256))
    for _ in range(3):
        film.write(np.repeat(picture[..., None], 3, axis=-1))
    film.release()
    (folder / "mine.yaml").write_text(EXPERIMENT)
    (code,) = blocks(PAGES[0], "python")
    (folder / "my_net.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_BENCH_CACHE", str(folder / "cache"))
        run("--models cnn,vgg16,vgg19 --datasets fer2013 --epochs 1 --batch-size 16 --weights random")
        for copy in ("results-a", "results-b"):
            shutil.copytree("results", copy)
        yield folder


def run(arguments: str) -> str:
    result = CliRunner().invoke(cli, shlex.split(arguments, comments=True), catch_exceptions=False)
    assert result.exit_code == 0, f"{arguments}: {result.output}"
    return result.output


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs(folder, command):
    assert run(command.removeprefix("python benchmark.py").replace("DIR", "data"))
