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

from fer_bench.leaderboard.published_results import published_results
from fer_bench.records.schema import Predictions
from fer_bench.report.markdown import to_markdown
from fer_bench.report.page import columns, explain, render
from fer_bench.report.page.render import leaderboard_page
from fer_bench.report.write import read_leaderboard, write_report

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>"


def test_report_writes_one_page_with_every_row(make):
    make("cnn", seed=0)
    make("cnn", seed=1)
    make("vgg19", dataset="synthetic")
    assert make.results / "leaderboard.html" in write_report(make.results, figures=False)
    page = Page((make.results / "leaderboard.html").read_text(encoding="utf-8"))
    assert [section["dataset"] for section in page.data["sections"]] == [
        "fer2013",
        "synthetic (drawn faces, not a benchmark result)",
    ]
    (row,) = page.rows()
    frame = read_leaderboard(make.results).frame
    assert row["model"] == "cnn"
    assert row["seeds"] == 2
    for name in ("accuracy", "accuracy_sd", "macro_f1", "training_seconds"):
        assert row[name] == pytest.approx(frame.loc[row["id"], name], rel=1e-5)
    assert page.data["summary"] == "2 rows · 2 tables · 3 trials"
    assert len(page.blocks) == 3


def test_failed_trials_and_skipped_records_are_shown(make):
    make("good")
    make("broken", status="failed", reason="out of memory")
    (make("foreign") / "predictions.npz").write_bytes(b"no archive")
    page = render_page(make)
    last = page.rows()[-1]
    assert (last["model"], last["status"], last["reason"], last["accuracy"]) == (
        "broken",
        "failed",
        "out of memory",
        None,
    )
    assert "confusion" not in page.details(last)
    assert page.details(last)["trials"][0]["reason"] == "out of memory"
    assert page.data["sections"][0]["failed"] == [["broken on fer2013 (official, seed 0)", "failed", "out of memory"]]
    ((name, reason),) = page.data["skipped"]
    assert name.startswith("foreign-") and "predictions.npz cannot be read" in reason
    assert page.data["summary"].endswith("2 trials · 1 failed · 1 skipped")


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
    board = read_leaderboard(make.results)
    assert board.frame["model"].tolist() == ["good"]
    page = render_page(make)
    skipped = dict(page.data["skipped"])
    assert len(skipped) == len(reasons) and page.data["summary"].endswith("1 trial · 6 skipped")
    text = to_markdown(board)
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
    assert tags.count("script") == 5  # the board, three rows, the program
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


def test_protocol_and_machine_are_explained(make):
    make(split_notes=("leaky: same subjects in training and test",), protocol="image-kfold", samples=50)
    make("b", machine={"processor": "Other CPU", "cores": 4}, protocol="made-up@2", samples=40)
    data = render_page(make).data
    first, second = data["sections"]
    assert first["protocol"] == "image-kfold"
    assert first["split_notes"] == ["leaky: same subjects in training and test"]
    assert first["text"][0].startswith("Ten folds by image")
    assert first["text"][1] == "Images per trial: 1,000 training, 50 validation, 50 test."
    assert second["text"][0] == "The protocol made-up@2 is unknown to this version of fer-bench."
    assert [machine["text"].partition(",")[0] for machine in data["machines"]] == ["Example CPU", "Other CPU"]
    assert "2 machines" in data["machines_text"]


def test_single_machine_is_described(make):
    make()
    assert render_page(make).data["machines_text"].startswith("The only trial ran on Example CPU, 2 cores")


def test_split_file_is_described():
    assert explain.protocol_text("file:official@0123456789") == (
        "The split is read from a file, made from the protocol official@0123456789."
    )


def test_page_is_reproducible(make):
    make()
    make("b", seed=1)
    board = read_leaderboard(make.results)
    assert leaderboard_page(board, make.results) == leaderboard_page(read_leaderboard(make.results), make.results)


def test_page_of_26_rows_is_below_700_kilobytes(make):
    for number in range(26):
        make(f"m{number}", samples=3589, accuracy=0.4 + number / 100, epochs=60)
    text = leaderboard_page(read_leaderboard(make.results), make.results)
    assert len(text.encode()) < 700_000


def test_rows_tied_with_the_best_are_marked(make):
    labels = [0, 1, 2] * 100
    make("best", test=exact(labels, labels))
    make("near", test=exact(labels, [1, *labels[1:]]))
    make("far", test=exact(labels, [0] * 300))
    page = render_page(make)
    assert {row["model"]: row["tied"] for row in page.rows()} == {"best": True, "near": True, "far": False}
    assert page.data["sections"][0]["notes"] == next(iter(read_leaderboard(make.results).notes.values()))
    assert any("Holm-corrected" in note for note in page.data["sections"][0]["notes"])


def test_average_ranks_over_datasets_are_shown(make):
    for dataset, accuracies in (("one", (0.5, 0.7)), ("two", (0.4, 0.6))):
        for model, accuracy in zip(("a", "b"), accuracies, strict=True):
            make(model, dataset=dataset, accuracy=accuracy)
    ranks = render_page(make).data["ranks"]
    assert ranks["sections"] == ["one, official", "two, official"]
    assert [(line[0], line[-1]) for line in ranks["lines"]] == [("b", 1), ("a", 2)]


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
    keys = [column.key for column in columns.COLUMNS]
    assert len(set(keys)) == len(keys)
    assert set(keys) >= columns.COMPUTED | columns.ALWAYS
    script = (Path(render.__file__).parent / "script" / "format.js").read_text(encoding="utf-8")
    kinds = {column.kind for column in columns.COLUMNS} - {"interval"}
    assert all(re.search(rf"^  {kind}[,:]", script, re.MULTILINE) for kind in kinds)
