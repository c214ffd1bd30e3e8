"""The HTML page as a file: what it holds, and what it must not hold."""

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
from page_reader import Page, page_of

from fer_bench.leaderboard.published_results import published_results
from fer_bench.records.schema import Predictions
from fer_bench.report.markdown import to_markdown
from fer_bench.report.page import columns, explain, render
from fer_bench.report.page.page import leaderboard_page
from fer_bench.report.write import read_leaderboard, write_report

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>"


def test_the_report_writes_one_page_that_names_every_row(make):
    make("cnn", seed=0)
    make("cnn", seed=1)
    make("vgg19", dataset="synthetic")
    assert make.results / "leaderboard.html" in write_report(make.results, figures=False)
    page = Page((make.results / "leaderboard.html").read_text(encoding="utf-8"))
    assert [section["dataset"] for section in page.board["sections"]] == [
        "fer2013",
        "synthetic (drawn faces, not a benchmark result)",
    ]
    (row,) = page.rows()
    frame = read_leaderboard(make.results).frame
    assert row["model"] == "cnn"
    assert row["seeds"] == 2
    for name in ("accuracy", "accuracy_sd", "macro_f1", "training_seconds"):
        assert row[name] == pytest.approx(frame.loc[row["id"], name], rel=1e-5)
    assert page.board["summary"] == "2 rows · 2 tables · 3 trials"
    assert len(page.blocks) == 3


def test_failed_trials_and_what_was_left_out_are_told(make):
    make("good")
    make("broken", status="failed", reason="out of memory")
    (make("foreign") / "predictions.npz").write_bytes(b"no archive")
    page = page_of(make)
    last = page.rows()[-1]
    assert (last["model"], last["status"], last["reason"], last["accuracy"]) == (
        "broken",
        "failed",
        "out of memory",
        None,
    )
    assert "confusion" not in page.details(last)
    assert page.details(last)["trials"][0]["reason"] == "out of memory"
    assert page.board["sections"][0]["failed"] == [["broken on fer2013 (official, seed 0)", "failed", "out of memory"]]
    ((name, reason),) = page.board["left_out"]
    assert name.startswith("foreign-") and "predictions.npz cannot be read" in reason
    assert page.board["summary"].endswith("2 trials · 1 failed · 1 left out")


def test_nothing_that_lies_there_is_passed_over_in_silence(make):
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
    page = page_of(make)
    told = dict(page.board["left_out"])
    assert len(told) == len(reasons) and page.board["summary"].endswith("1 trial · 6 left out")
    text = to_markdown(board)
    assert "## Left out (6)" in text
    for name, reason in reasons.items():
        assert any(known.startswith(name) and said == reason for known, said in told.items()), name
        assert re.search(rf"^- {re.escape(name)}.*: {re.escape(reason)}$", text, re.MULTILINE), name


def test_hostile_names_stay_text(make):
    test = exact([0, 1, 2], [1, 1, 2])
    named = Predictions(np.array([HOSTILE] * 3), test.labels, test.probabilities)
    make("good")
    make(f"m{HOSTILE}", recipe_name=HOSTILE, recipe={HOSTILE: HOSTILE}, split_notes=(HOSTILE,), test=named)
    make("bad", status="failed", reason=HOSTILE)
    page = page_of(make)
    assert f"m{HOSTILE}" in [row["model"] for row in page.rows()]
    tags = [tag for tag, _ in page.elements]
    assert "img" not in tags
    assert tags.count("script") == 5  # the board, three rows, the program
    assert HOSTILE not in render.to_safe_json({"name": HOSTILE})
    assert json.loads(render.to_safe_json({"name": HOSTILE})) == {"name": HOSTILE}


def test_it_asks_for_nothing_and_holds_no_picture(make):
    make()
    page = page_of(make)
    for tag, attributes in page.elements:
        assert tag not in {"img", "link", "iframe", "object", "embed", "image", "base", "video", "audio"}
        assert not {name for name in attributes if name in {"src", "srcset", "background", "action", "style"}}
        assert attributes.get("href", "#").startswith("#")
    code = page.code["script"] + page.code["style"]
    assert not re.search(r"url\(|@import|\bfetch\(|XMLHttpRequest|data:image|new Image", code)
    assert set(re.findall(r"https?://[^\"' ]+", code)) == {"http://www.w3.org/2000/svg"}  # the name of SVG


def test_records_reach_the_page_as_text_alone(make):
    make()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", page_of(make).code["script"]
    )


def test_the_policy_allows_its_own_style_and_script_and_nothing_else(make):
    make()
    page = page_of(make)
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
    board = page_of(make).board
    first, second = board["sections"]
    assert first["protocol"] == "image-kfold"
    assert first["split_notes"] == ["leaky: same subjects in training and test"]
    assert first["text"][0].startswith("Ten folds by image, the same persons in training and test: leaky")
    assert first["text"][1] == "Images of a trial: 1,000 training, 50 validation, 50 test."
    assert second["text"][0] == "The protocol made-up@2 is not known to this version."
    assert [machine["text"].partition(",")[0] for machine in board["machines"]] == ["Example CPU", "Other CPU"]
    assert "2 machines" in board["machine_text"]


def test_one_machine_is_told_in_a_sentence(make):
    make()
    assert page_of(make).board["machine_text"].startswith("The one trial ran on Example CPU, 2 cores")


def test_a_split_file_is_told():
    assert explain.protocol_text("file:official@0123456789") == (
        "The split was read from a file, made from the protocol official@0123456789."
    )


def test_the_same_records_make_the_same_page(make):
    make()
    make("b", seed=1)
    board = read_leaderboard(make.results)
    assert leaderboard_page(board, make.results) == leaderboard_page(read_leaderboard(make.results), make.results)


def test_a_table_of_26_rows_stays_below_a_megabyte(make):
    for number in range(26):
        make(f"m{number}", samples=3589, accuracy=0.4 + number / 100, epochs=60)
    text = leaderboard_page(read_leaderboard(make.results), make.results)
    assert len(text.encode()) < 700_000


def test_rows_that_cannot_be_told_from_the_best_are_marked(make):
    labels = [0, 1, 2] * 100
    make("best", test=exact(labels, labels))
    make("near", test=exact(labels, [1, *labels[1:]]))
    make("far", test=exact(labels, [0] * 300))
    page = page_of(make)
    assert {row["model"]: row["tied"] for row in page.rows()} == {"best": True, "near": True, "far": False}
    assert page.board["sections"][0]["notes"] == next(iter(read_leaderboard(make.results).notes.values()))
    assert any("Holm-corrected" in note for note in page.board["sections"][0]["notes"])


def test_ranks_over_several_datasets_are_told(make):
    for dataset, accuracies in (("one", (0.5, 0.7)), ("two", (0.4, 0.6))):
        for model, accuracy in zip(("a", "b"), accuracies, strict=True):
            make(model, dataset=dataset, accuracy=accuracy)
    ranks = page_of(make).board["ranks"]
    assert ranks["sections"] == ["one, official", "two, official"]
    assert [(line[0], line[-1]) for line in ranks["lines"]] == [("b", 1), ("a", 2)]


def test_figures_of_others_stand_beside_ours(make):
    claim = next(c for c in published_results("fer2013") if c["architecture"] == "mini_xception")
    make("mini_xception", accuracy=0.6)
    page = page_of(make)
    (row,) = page.rows()
    line = next(line for line in page.board["published"]["lines"] if line["model"] == claim["model"])
    assert (line["value"], line["badge"], line["source"]) == (claim["value"], claim["badge"], claim["source"])
    assert line["ours"][0]["row"] == row["id"]
    assert line["ours"][0]["value"] == row["accuracy"]


def test_without_figures_of_others_there_is_no_place_for_them(make):
    make(dataset="mine")
    assert page_of(make).board["published"] is None


def test_every_file_of_the_page_is_used_and_packed():
    folder = Path(render.__file__).parent
    used = {folder / "template.html", *(folder / "style" / n for n in render.STYLE_FILES)}
    used |= {folder / "script" / name for name in render.SCRIPT_FILES}
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packed = {path for pattern in tool["package-data"]["fer_bench.report.page"] for path in folder.glob(pattern)}
    assert used == packed == {path for path in folder.rglob("*") if path.suffix in {".html", ".css", ".js"}}
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in used) <= 300


def test_columns_are_named_once_and_known_to_the_script():
    keys = [column.key for column in columns.COLUMNS]
    assert len(set(keys)) == len(keys)
    assert set(keys) >= columns.COMPUTED | columns.ALWAYS
    script = (Path(render.__file__).parent / "script" / "format.js").read_text(encoding="utf-8")
    kinds = {column.kind for column in columns.COLUMNS} - {"interval"}
    assert all(re.search(rf"^  {kind}[,:]", script, re.MULTILINE) for kind in kinds)
