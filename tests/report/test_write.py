"""The whole report of a results folder, as files."""

import numpy as np
import pytest
from made_up_records import exact
from page_reader import Page

from fer_bench.core.errors import UserError
from fer_bench.leaderboard.rows import build_rows
from fer_bench.records import StoredRecord, load
from fer_bench.report.figure_layout import to_image_files
from fer_bench.report.figures import curves_figure
from fer_bench.report.write import missing_figures_note, read_leaderboard, write_leaderboard, write_report

TABLES = ["leaderboard.md", "leaderboard.csv", "leaderboard.tex", "leaderboard.html"]


def both(stem: str) -> list[str]:
    return [f"{stem}.png", f"{stem}.svg"]


def test_report_writes_tables_and_figures(make):
    for seed in (0, 1):
        make("cnn", seed=seed)
    make("vgg19", dataset="synthetic")
    written = write_report(make.results)
    names = [str(path.relative_to(make.results)) for path in written]
    assert names == [
        *TABLES,
        *both("figures/fer2013-official/accuracy-time"),
        *both("figures/fer2013-official/cnn-confusion"),
        *both("figures/fer2013-official/cnn-curves"),
        *both("figures/synthetic-official/accuracy-time"),
        *both("figures/synthetic-official/vgg19-confusion"),
        *both("figures/synthetic-official/vgg19-curves"),
    ]
    assert "## Figures" not in written[0].read_text()  # every row has figures
    found = {path for path in make.results.rglob("*") if path.is_file() and "records" not in path.parts}
    assert found == set(written)  # no temporary file is left


def test_figures_are_optional(make):
    make()
    assert len(write_report(make.results, figures=False)) == 4
    assert not (make.results / "figures").exists()


def test_the_best_rows_of_every_section_have_figures_and_the_report_says_so(make, empty_figures):
    for model, accuracy in {"worst": 0.3, "best": 0.9}.items():
        make(model, accuracy=accuracy)
    make("alone", dataset="jaffe", accuracy=0.2)
    written = write_report(make.results, max_figure_rows=2)
    drawn = {path.stem.removesuffix("-confusion") for path in written if path.name.endswith("-confusion.png")}
    assert drawn == {"best", "alone"}
    text = (make.results / "leaderboard.md").read_text()
    assert "2 of the 3 rows" in text


def test_there_is_no_note_if_every_row_has_figures(make):
    for model in ("cnn", "vgg19"):
        make(model)
    leaderboard = read_leaderboard(make.results)
    assert "1 of the 2 rows" in missing_figures_note(leaderboard, 1)
    assert {missing_figures_note(leaderboard, number) for number in (2, None, 50)} == {""}


def test_file_names_of_recipes_differ_even_without_letter_case(make, empty_figures):
    make()
    make(recipe={"epochs": 20})
    make(recipe_name="a/b", recipe={"epochs": 30})
    make(recipe_name="A:b", recipe={"epochs": 40})
    written = [path for path in write_report(make.results) if path.name.endswith("-confusion.svg")]
    assert len({str(path).lower() for path in written}) == 4
    assert {path.parent.name for path in written} == {"fer2013-official"}


def test_figures_of_one_epoch_absent_classes_and_diverged_trials(make):
    make("cnn", test=exact([0, 0, 1], [0, 2, 1]), epochs=1, seconds=5)
    make("vgg19", status="diverged", reason="loss is NaN", epochs=3)
    names = {path.name for path in write_report(make.results)}
    assert {"cnn-confusion.png", "cnn-curves.png", "vgg19-curves.png"} <= names
    assert "vgg19-confusion.png" not in names


def test_an_infinite_loss_leaves_a_gap_in_the_curves(make):
    make(status="diverged", reason="loss is NaN", epochs=3)
    (stored,) = load(make.results)
    last = stored.record.history[-1].model_copy(update={"loss": float("nan"), "validation_loss": float("inf")})
    record = stored.record.model_copy(update={"history": [*stored.record.history[:-1], last]})
    (row,), _ = build_rows([StoredRecord(record, stored.path)])
    figure = curves_figure(row, "fer2013", "cnn")
    assert to_image_files(figure)["png"].startswith(b"\x89PNG")
    assert np.isfinite(figure.axes[0].get_ylim()).all()


def test_failed_trials_alone_still_make_tables(make):
    make(status="failed", reason="out of memory", epochs=0)
    assert [path.name for path in write_report(make.results)] == TABLES


def test_a_broken_record_is_named_in_the_report(make):
    make()
    broken = make("vgg19")
    (broken / "record.json").write_text("{")
    write_report(make.results, figures=False)
    assert broken.name in (make.results / "leaderboard.md").read_text()


def test_no_records_raise_with_the_command_that_makes_them(tmp_path):
    with pytest.raises(UserError, match=r"benchmark\.py"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_report_raises_and_leaves_the_records(make):
    record = make()
    (make.results / "leaderboard.md").mkdir()
    with pytest.raises(UserError, match=r"leaderboard\.md"):
        write_report(make.results)
    assert (record / "record.json").is_file()
    assert not list(make.results.glob(".leaderboard*"))


def test_report_and_page_link_to_the_kept_model(make, tmp_path):
    make("vgg19", accuracy=0.4)
    folder = make("cnn", seed=0, accuracy=0.5)
    (folder / "model.keras").write_bytes(b"weights")
    write_leaderboard(read_leaderboard(make.results), make.results, figures=False, output=tmp_path / "my tables")
    text = (tmp_path / "my tables" / "leaderboard.md").read_text().split("## Models")[1].split("##")[0]
    link = f"../results/records/{folder.name}/model.keras"
    assert f"[cnn]({link})" in text and "vgg19" not in text
    page = Page((tmp_path / "my tables" / "leaderboard.html").read_text())
    assert {row["model"]: page.details(row)["model"] for row in page.rows()} == {"cnn": link, "vgg19": None}
