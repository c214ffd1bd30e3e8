"""The HTML page as a file: what it must and must not contain."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from made_up_records import exact
from page_reader import Page, render_page

from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.leaderboard.published_results import published_results
from fer_bench.records import load
from fer_bench.records.schema import Predictions
from fer_bench.report.markdown import to_markdown
from fer_bench.report.page import columns, explain, render
from fer_bench.report.page.render import leaderboard_page
from fer_bench.report.write import read_leaderboard, write_report

ROOT = Path(__file__).resolve().parents[2]
GOLDEN_FILE = Path(__file__).with_name("page_data.json")
GOLDEN_DETAILS = ("classes", "num_seeds", "confusion", "recipe", "machines")
HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>"


def test_page_data_is_as_in_the_golden_file(make):
    """The golden file has everything but sentences and keys. Delete it to write it anew, and check the difference."""
    labels = [0, 1, 2] * 30
    for dataset, notes in (("fer2013", ()), ("mine", ("leaky: same subjects in training and test",))):
        make("best", dataset=dataset, test=exact(labels, labels), split_notes=notes)
        make("tied", dataset=dataset, test=exact(labels, [1, *labels[1:]]), split_notes=notes)
    changes = {"epochs": 20, "optimizer": {"name": "sgd", "clip": None}}
    recipe_name = "default, epochs=20, optimizer.name=sgd"
    for seed, predicted in enumerate(([0] * 90, [0, 0, *[1] * 88])):
        make("seeds", seed, test=exact(labels, predicted), recipe_name=recipe_name, recipe=changes)
    make("other", machine={"processor": "Other CPU", "cores": 4}, test=exact(labels, [0, *[2] * 89]))
    make("failed", status="failed", reason="out of memory", epochs=2)
    (make("unreadable") / "predictions.npz").write_bytes(b"no archive")
    write_report(make.results, figures=False)
    page = Page((make.results / "leaderboard.html").read_text(encoding="utf-8"))
    data = page.data
    rows = [page.rows(index) for index in range(len(data["sections"]))]
    result = {
        "summary": data["summary"],
        "sections": [
            {key: section[key] for key in ("dataset", "protocol", "split_notes", "failed")}
            | {"rows": [{key: value for key, value in row.items() if key != "id"} for row in of_section]}
            for section, of_section in zip(data["sections"], rows, strict=True)
        ],
        "details": {
            row["label"]: {key: value for key, value in page.details(row).items() if key in GOLDEN_DETAILS}
            for row in rows[0]
        },
        "machines": data["machines"],
        "skipped": [reason for _, reason in data["skipped"]],
        "recipes": data["recipes"],
        "ranks": [data["ranks"]["sections"], data["ranks"]["lines"]],
    }
    if not GOLDEN_FILE.exists():
        GOLDEN_FILE.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    approximately_equal(result, json.loads(GOLDEN_FILE.read_text(encoding="utf-8")))


def approximately_equal(value, expected, path: str = "") -> None:
    """Compare JSON values; numbers may differ in the fifth digit."""
    if isinstance(expected, dict):
        assert value.keys() == expected.keys(), path
        for key in expected:
            approximately_equal(value[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(value) == len(expected), path
        for index, element in enumerate(expected):
            approximately_equal(value[index], element, f"{path}[{index}]")
    else:
        assert value == (pytest.approx(expected, rel=1e-4) if isinstance(expected, float) else expected), path


def test_everything_unreadable_is_listed(make):
    make("good")
    (make("lost") / "predictions.npz").unlink()
    cut = make("cut") / "predictions.npz"
    cut.write_bytes(cut.read_bytes()[:2000])
    (make.results / "records" / "notes.txt").write_text("mine")
    (make.results / "records" / "photos").mkdir()
    twice = make("twice", parameters=1)
    shutil.copytree(twice, twice.with_name(f"{twice.name}-copy"))
    make("twice", parameters=2)
    reasons = {
        "lost-": "predictions.npz is missing",
        "cut-": "predictions.npz cannot be read (BadZipFile)",
        "notes.txt": "not a folder",
        "photos": "record.json cannot be read (it is missing)",
        twice.name: f"differs from {twice.name}-copy (num_parameters), which has the same key",
        f"{twice.name}-copy": f"differs from {twice.name} (num_parameters), which has the same key",
    }
    leaderboard = read_leaderboard(make.results)
    assert leaderboard.frame["model"].tolist() == ["good"]
    page = render_page(make)
    skipped = dict(page.data["skipped"])
    assert len(skipped) == len(reasons) and page.data["summary"].endswith("1 trial · 6 skipped · benchmark version 1")
    text = to_markdown(leaderboard)
    assert "## Skipped records (6)" in text
    for name, reason in reasons.items():
        assert any(folder.startswith(name) and shown == reason for folder, shown in skipped.items()), name
        assert re.search(rf"^- {re.escape(name)}.*: {re.escape(reason)}$", text, re.MULTILINE), name


def test_hostile_names_stay_text(make):
    test = exact([0, 1, 2], [1, 1, 2])
    named = Predictions(np.array([HOSTILE] * 3), test.labels, test.probabilities)
    make("good")
    make(f"m{HOSTILE}", recipe_name=HOSTILE, recipe={HOSTILE: HOSTILE}, split_notes=(HOSTILE,), test=named)
    make("bad", status="failed", reason=HOSTILE)
    page = render_page(make)
    assert f"m{HOSTILE}" in [row["model"] for row in page.rows()]
    tags = [tag for tag, _ in page.elements]
    assert "img" not in tags
    assert tags.count("script") == 5  # the data, three rows, the program
    assert HOSTILE not in render.to_safe_json({"name": HOSTILE})
    assert json.loads(render.to_safe_json({"name": HOSTILE})) == {"name": HOSTILE}


def test_page_makes_no_request_and_contains_no_image(make):
    make()
    page = render_page(make)
    for tag, attributes in page.elements:
        assert tag not in {"img", "link", "iframe", "object", "embed", "image", "base", "video", "audio"}
        assert not {name for name in attributes if name in {"src", "srcset", "background", "action", "style"}}
        assert attributes.get("href", "#").startswith("#")
    code = page.code["script"] + page.code["style"]
    assert not re.search(r"url\(|@import|\bfetch\(|XMLHttpRequest|data:image|new Image", code)
    assert set(re.findall(r"https?://[^\"' ]+", code)) == {"http://www.w3.org/2000/svg"}  # the name of SVG


def test_script_never_parses_text_as_html(make):
    make()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", render_page(make).code["script"]
    )


def test_policy_allows_only_its_own_style_and_script(make):
    make()
    page = render_page(make)
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.code[kind].encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert rules == {"require-trusted-types-for": "'script'"}


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("image-kfold", "Ten folds by image"),
        ("made-up@2", "made-up@2 is unknown"),
        ("kfold (5 of 7 classes: a b c d e)", "Only images of 5 of 7 classes are scored"),
        ("file:official@0123456789", "read from a file, made from the protocol official@0123456789"),
    ],
)
def test_protocols_are_explained(protocol, words):
    assert words in explain.protocol_text(protocol)


def test_images_notes_and_machines_are_explained(make):
    make("a", samples=50)
    make("b", samples=50)
    (notes,) = read_leaderboard(make.results).notes.values()
    data = render_page(make).data
    (section,) = data["sections"]
    assert "1,000 training, 50 validation, 50 test" in section["text"][1]
    assert section["notes"] == notes != []
    assert "Example CPU, 2 cores" in data["machines_text"]


def test_page_is_reproducible(make):
    make()
    make("b", seed=1)
    leaderboard = read_leaderboard(make.results)
    assert leaderboard_page(leaderboard, make.results) == leaderboard_page(read_leaderboard(make.results), make.results)


def test_page_of_26_rows_is_below_700_kilobytes(make):
    for number in range(26):
        make(f"m{number}", samples=3589, accuracy=0.4 + number / 100, epochs=60)
    text = leaderboard_page(read_leaderboard(make.results), make.results)
    assert len(text.encode()) < 700_000


def test_published_results_are_beside_ours(make):
    published = next(r for r in published_results("fer2013") if r.architecture == "mini_xception")
    make("mini_xception", accuracy=0.6)
    page = render_page(make)
    (row,) = page.rows()
    line = next(line for line in page.data["published"]["lines"] if line["model"] == published.model)
    assert (line["value"], line["badge"], line["source"]) == (published.value, published.badge, published.source)
    assert line["ours"][0]["row"] == row["id"]
    assert line["ours"][0]["value"] == row["accuracy"]


def test_no_published_results_for_other_datasets(make):
    make(dataset="mine")
    assert render_page(make).data["published"] is None


def test_every_file_of_the_page_is_used_and_packed():
    folder = Path(render.__file__).parent
    used = {folder / "template.html", *(folder / "style" / n for n in render.STYLE_FILES)}
    used |= {folder / "script" / name for name in render.SCRIPT_FILES}
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packed = {path for pattern in tool["package-data"]["fer_bench.report.page"] for path in folder.glob(pattern)}
    assert used == packed == {path for path in folder.rglob("*") if path.suffix in {".html", ".css", ".js"}}
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in used) <= 300


def test_script_formats_every_kind_of_column():
    shown = columns.all_columns(["seconds_to_60"])
    keys = [column.key for column in shown]
    assert len(set(keys)) == len(keys)
    assert set(keys) >= columns.COMPUTED | columns.ALWAYS
    script = (Path(render.__file__).parent / "script" / "format.js").read_text(encoding="utf-8")
    kinds = {column.kind for column in shown} - {"interval"}
    assert all(re.search(rf"^  {kind}[,:]", script, re.MULTILINE) for kind in kinds)


def test_a_missed_target_is_a_missing_time_with_a_count(make):
    for seed, epochs in enumerate((40, 1)):
        make("cnn", seed, epochs=epochs)
    leaderboard = compute_leaderboard(load(make.results), targets=(0.3, 0.6))
    page = Page(leaderboard_page(leaderboard, make.results))
    (row,) = page.rows(0)
    assert [row[key] for key in ("seconds_to_60", "reached_60", "reached_30")] == [None, "1 of 2", "2 of 2"]
    assert row["seconds_to_30"] > 0
