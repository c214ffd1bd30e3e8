"""LaTeX tables; a golden file shows the whole."""

import re
import shutil
import subprocess

import pytest
from made_up_records import leaderboard_of

from fer_bench.leaderboard.filter import group_rows
from fer_bench.leaderboard.ranking import rank_by
from fer_bench.records import load
from fer_bench.report.latex import escape, to_latex

SPECIAL = r"a&b%c$d#e_f{g}h~i^j\k<l>m"


def tables(text):
    return re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, re.DOTALL)


def lines(table):
    """Return the cells of a table's lines, without its header."""
    body = table.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return [[cell.strip() for cell in line.removesuffix("\\\\").split(" & ")] for line in body.strip().splitlines()]


def test_cells_have_the_numbers_of_the_leaderboard(make):
    for seed in range(2):
        make("cnn", seed=seed, seconds=100)
    leaderboard = leaderboard_of(make)
    row = leaderboard.frame.iloc[0]
    ((model, accuracy, interval, f1, auc, parameters, time, to_60),) = lines(*tables(to_latex(leaderboard)))
    assert (model, parameters, time, to_60) == ("cnn", "1.33 M", "1 min 40 s", "not reached (0 of 2)")
    assert accuracy == f"{100 * row['accuracy']:.2f} $\\pm$ {100 * row['accuracy_sd']:.2f}"
    assert interval == f"{100 * row['accuracy_low']:.1f}--{100 * row['accuracy_high']:.1f}"
    assert f1.startswith(f"{100 * row['macro_f1']:.2f} ") and auc.startswith(f"{100 * row['macro_auc']:.2f} ")


def test_external_models_are_named(make):
    make("cnn")
    make("theirs", recipe={"external": {"input_size": 64}}, recipe_name="external", weights="unknown")
    assert "External models: theirs." in to_latex(leaderboard_of(make))


def test_special_characters_are_escaped_everywhere(make):
    make(SPECIAL, dataset=SPECIAL, recipe_name=f"{SPECIAL}, x=1")
    make(SPECIAL, dataset=SPECIAL, recipe_name="other", recipe={"epochs": 20})
    shown = r"a\&b\%c\$d\#e\_f\{g\}h\textasciitilde{}i\^{}j\textbackslash{}k\ensuremath{<}l\ensuremath{>}m"
    assert escape(SPECIAL) == shown
    (table,) = tables(to_latex(leaderboard_of(make)))
    assert f"\\caption{{{shown}, protocol official." in table
    assert sorted(line[0] for line in lines(table)) == sorted([f"{shown} {shown}, x=1", f"{shown} other"])
    label = re.search(r"\\label\{(.*)\}", table)
    assert label and re.fullmatch(r"tab:[\w.=-]+", label[1])


def test_another_metric_is_the_first_and_only_once(make):
    make("cnn")
    records = load(make.results)
    (table,) = tables(to_latex(rank_by(leaderboard_of(make), "macro_f1", records)))
    header = [cell.strip(" \\") for cell in table.split("\\toprule\n")[1].split("\n")[0].split("&")]
    assert header == [
        "model",
        "macro F1",
        "95 \\% interval",
        "accuracy",
        "macro AUC",
        "parameters",
        "training time",
        "time to 60 \\%",
    ]
    assert "in percent, kappa as it is" in to_latex(rank_by(leaderboard_of(make), "kappa", records))


def test_groups_have_tables_after_a_summary(make):
    make("cnn", accuracy=0.8)
    make("vgg19", accuracy=0.5, backend="jax")
    summary, *groups = tables(to_latex(group_rows(leaderboard_of(make), "backend")))
    assert [line[0] for line in lines(summary)] == ["tensorflow", "jax"]
    assert [lines(table)[0][0] for table in groups] == ["cnn", "vgg19"]
    assert "\\label{tab:fer2013-official-jax}" in groups[1] and "Groups change no statistics" in groups[1]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_compiles_it(make, tmp_path):
    make(SPECIAL, dataset="synthetic", recipe_name="frozen, … ± – → · − ×")
    make("cnn", dataset="synthetic", status="failed", reason="no memory")
    (tmp_path / "leaderboard.tex").write_text(to_latex(group_rows(leaderboard_of(make), "model")), encoding="utf-8")
    main = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{leaderboard}\\end{document}"
    (tmp_path / "main.tex").write_text(main)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
