"""The documentation site builds without warnings, is complete, and needs no other host."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from code_blocks import commands
from made_up_records import RecordMaker
from PIL import Image

import fer_bench
from fer_bench.cli.group import cli
from fer_bench.config import bundled
from fer_bench.config.recipe import Augmentation, Backbone, Optimizer, Pretraining, Recipe, Schedule
from fer_bench.core.errors import UserError
from fer_bench.protocols.registry import PROTOCOLS
from fer_bench.records import load
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sharing.pack import write_pack

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
EXTERNAL = re.compile(r"(https?:)?//")
NOT_LOADED = {"canonical", "prev", "next", "alternate"}  # relations of links that a browser does not fetch


class LoadedFiles(HTMLParser):
    """Collects the addresses of scripts, styles, fonts and images of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag in LOADED and attributes.get("rel") not in NOT_LOADED:
            self.found.append(attributes.get(LOADED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site. `--strict` fails on a broken link, a missing anchor, and a page outside the navigation."""
    pytest.importorskip("mkdocs", reason="the extra docs is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.strip() == ""
    return folder


def page(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_the_site_loads_nothing_from_other_hosts(site):
    external = []
    for file in site.rglob("*.html"):
        parser = LoadedFiles()
        parser.feed(file.read_text(encoding="utf-8"))
        external += [(file.name, address) for address in parser.found if EXTERNAL.match(address)]
    for file in site.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import )[\"']?([^)\"']+)", file.read_text(encoding="utf-8"))
        external += [(file.name, address) for address in addresses if EXTERNAL.match(address)]
    assert external == []


def test_every_field_of_a_recipe_is_described(site):
    text = page(site, "recipe-fields")
    for model in (Recipe, Augmentation, Backbone, Optimizer, Pretraining, Schedule):
        assert [name for name in model.model_fields if f"<code>{name}</code>" not in text and name not in text] == []


def test_every_named_recipe_has_a_section(site):
    text = page(site, "named-recipes")
    assert [name for name in bundled.recipes() if f'id="{name}"' not in text] == []


def test_every_command_and_public_name_has_a_section(site):
    commands = page(site, "commands")
    assert [name for name in cli.commands if f'id="{name}"' not in commands] == []
    names = [name for name in fer_bench.__all__ if not name.startswith("_")]
    api = page(site, "api")
    assert [name for name in names if f'href="#fer_bench.{name}"' not in api] == []


def test_every_reference_leaderboard_has_a_page(site):
    files = sorted((ROOT / "results" / "reference").glob("*.csv"))
    assert files
    for file in files:
        text = page(site, f"reference/{file.stem}")
        assert "<table>" in text and f'src="{file.stem}-' in text


def test_the_page_of_fast_compares_its_order_with_that_of_a_full_training(site):
    assert re.search(r"Spearman.s rank correlation is −?-?[01]\.\d\d", page(site, "fast"))


def test_every_architecture_has_a_page_with_its_results(site):
    assert [
        name for name in ARCHITECTURES.names() if f'<h1 id="{name}"' not in page(site, f"architectures/{name}")
    ] == []
    assert 'href="../reference/fer2013_h200.html"' in page(site, "architectures/cnn")


def test_submissions_have_pages_by_themselves_and_together(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "scripts"))
    from submission_pages import submission_pages

    assert submission_pages(tmp_path / "none") == {}
    make = RecordMaker(tmp_path / "results")
    for name, model in {"first": "cnn", "second": "vgg16"}.items():
        make(model)
        write_pack(
            [one for one in load(make.results) if one.record.trial.architecture == model], tmp_path / f"{name}.zip"
        )
    pages = submission_pages(tmp_path)
    assert {path.removeprefix("submissions/") for path in pages} == {
        *("first.md", "second.md", "all.md", "first-page.html", "second-page.html", "all-page.html")
    }
    text = pages["submissions/all.md"]
    assert (
        "[first.zip](first.zip), [second.zip](second.zip)" in text
        and "vgg16" in text
        and "Benchmark version 1." in text
    )
    assert "vgg16" not in pages["submissions/first.md"]
    (tmp_path / "second.zip").write_bytes(b"damaged")
    submission_pages.cache_clear()
    with pytest.raises(UserError, match="no file of `share`"):
        submission_pages(tmp_path)


def test_every_protocol_is_explained():
    text = (DOCS / "protocols.md").read_text(encoding="utf-8")
    assert [name for name in PROTOCOLS.names() if f"`{name}" not in text] == []


def test_pictures_are_small():
    for file in (DOCS / "gallery").glob("*.png"):
        assert file.stat().st_size < 200_000, file
        assert Image.open(file).width <= 1280


COMMANDS = [
    pytest.param(command, id=f"{file.name}-{number}")
    for file in [ROOT / "README.md", ROOT / "data" / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")]
    for number, command in enumerate(commands(file))
]


@pytest.fixture
def without_effect(monkeypatch):
    """Let the commands parse their arguments and do nothing."""
    for command in [cli, *cli.commands.values(), *cli.commands["data"].commands.values()]:
        monkeypatch.setattr(command, "callback", lambda **arguments: None)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_pages_exist(command, without_effect):
    """A name of a command or an option that does not exist, and a value that it does not take, is an error."""
    arguments = shlex.split(command.removesuffix("&").replace("…", ""), comments=True)[2:]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, f"{command}: {result.output}{result.exception}"
