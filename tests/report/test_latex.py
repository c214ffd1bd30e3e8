"""The leaderboard as LaTeX."""

import re
import shutil
import subprocess

import pytest

from fer_bench.leaderboard.filter import grouped
from fer_bench.leaderboard.leaderboard import board
from fer_bench.leaderboard.ranking import ranked
from fer_bench.records import load
from fer_bench.report.latex import escaped, to_latex

NASTY = r"a&b%c$d#e_f{g}h~i^j\k<l>m"


def found(make):
    return board(load(make.results))


def tables(text):
    return re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, re.DOTALL)


def lines(table):
    """The cells of a table's rows, without its header."""
    body = table.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return [[cell.strip() for cell in line.removesuffix("\\\\").split(" & ")] for line in body.strip().splitlines()]


def test_a_table_for_each_section_with_caption_and_label(make):
    for seed in range(3):
        make("cnn", seed=seed)
    make("cnn", dataset="synthetic")
    text = to_latex(found(make))
    first, drawn = tables(text)
    assert text.startswith("% ") and "\\usepackage{booktabs}" in text.splitlines()[0]
    assert "\\caption{fer2013, protocol official. Scores on the test images, in per cent." in first
    assert "95 \\% intervals: bootstrap over 300 test images. 3 seeds a row; $\\pm$ is the standard deviation" in first
    assert "All rows: random weights, 1 test view, 3 seeds, selected on validation" in first
    assert "\\label{tab:fer2013-official}" in first and "\\label{tab:synthetic-official}" in drawn
    assert "synthetic (drawn faces, not a benchmark result)" in drawn


def test_the_cells_are_those_of_the_leaderboard(make):
    for seed in range(2):
        make("cnn", seed=seed, seconds=100)
    row = found(make).frame.iloc[0]
    ((model, accuracy, ends, f1, auc, parameters, time),) = lines(*tables(to_latex(found(make))))
    assert (model, parameters, time) == ("cnn", "1.33 M", "1:40")
    assert accuracy == f"{100 * row['accuracy']:.2f} $\\pm$ {100 * row['accuracy_sd']:.2f}"
    assert ends == f"{100 * row['accuracy_low']:.1f}--{100 * row['accuracy_high']:.1f}"
    assert f1.startswith(f"{100 * row['macro_f1']:.2f} ") and auc.startswith(f"{100 * row['macro_auc']:.2f} ")


def test_rows_like_the_best_bear_a_dagger_that_the_caption_explains(make):
    for seed, (model, accuracy) in enumerate({"best": 0.70, "near": 0.66, "poor": 0.3}.items()):
        make(model, seed=seed, accuracy=accuracy)
    (table,) = tables(to_latex(found(make)))
    dagger = "\\textsuperscript{\\textdagger}"
    assert [line[0] for line in lines(table)] == ["best", f"near{dagger}", "poor"]
    assert f"{dagger} marks those that cannot." in table


def test_failed_trials_are_rows_with_their_status_and_are_told_in_the_caption(make):
    make("cnn", seed=0)
    make("cnn", seed=1, status="diverged", reason="loss is NaN")
    make("vgg19", status="failed", reason="out of memory")
    (table,) = tables(to_latex(found(make)))
    assert lines(table)[1] == ["vgg19", "failed", *["--"] * 5]
    assert "Trials that failed or diverged, and are in no mean: cnn (1), vgg19 (1)." in table


def test_models_of_others_are_named(make):
    make("cnn")
    make("theirs", recipe={"external": {"input_size": 64}}, recipe_name="external", weights="unknown")
    assert "Trained by others: theirs." in to_latex(found(make))


def test_special_letters_are_escaped_everywhere(make):
    make(NASTY, dataset=NASTY, recipe_name=f"{NASTY}, x=1")
    make(NASTY, dataset=NASTY, recipe_name="other", recipe={"epochs": 20})
    shown = r"a\&b\%c\$d\#e\_f\{g\}h\textasciitilde{}i\^{}j\textbackslash{}k\ensuremath{<}l\ensuremath{>}m"
    assert escaped(NASTY) == shown
    (table,) = tables(to_latex(found(make)))
    assert f"\\caption{{{shown}, protocol official." in table
    assert sorted(line[0] for line in lines(table)) == sorted([f"{shown} {shown}, x=1", f"{shown} other"])
    label = re.search(r"\\label\{(.*)\}", table)[1]
    assert re.fullmatch(r"tab:[\w.=-]+", label)


def test_another_metric_comes_first_and_is_there_once(make):
    make("cnn")
    records = load(make.results)
    (table,) = tables(to_latex(ranked(board(records), "macro_f1", records)))
    header = [cell.strip(" \\") for cell in table.split("\\toprule\n")[1].split("\n")[0].split("&")]
    assert header == ["model", "macro F1", "95 \\% interval", "accuracy", "macro AUC", "parameters", "training time"]
    kappa = to_latex(ranked(board(records), "kappa", records))
    assert "in per cent, the kappa as it is" in kappa


def test_a_table_for_each_group_after_a_summary(make):
    make("cnn", accuracy=0.8)
    make("vgg19", accuracy=0.5, backend="jax")
    summary, *groups = tables(to_latex(grouped(found(make), "backend")))
    assert [line[0] for line in lines(summary)] == ["tensorflow", "jax"]
    assert [lines(table)[0][0] for table in groups] == ["cnn", "vgg19"]
    assert "\\label{tab:fer2013-official-jax}" in groups[1] and "Groups change no statistics" in groups[1]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_takes_it(make, tmp_path):
    make(NASTY, dataset="synthetic", recipe_name="frozen, … ± – → · − ×")
    make("cnn", dataset="synthetic", status="failed", reason="no memory")
    (tmp_path / "leaderboard.tex").write_text(to_latex(grouped(found(make), "model")), encoding="utf-8")
    main = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{leaderboard}\\end{document}"
    (tmp_path / "main.tex").write_text(main)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
