"""The tables and the figure of README.md, from what `loops.py` and `accelerator.py` measured.

    python benchmarks/write.py

Reads results/loops.json and results/*/*.json, a folder for each accelerator, and writes what stands between the
markers of README.md, and results/loops.png and .svg. Ratios are of one turn of the ways; a table shows the median over
the turns, and in brackets the least and the greatest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tabulate import tabulate

from fer_bench.report.figures import COLOURS, pictures

HERE = Path(__file__).resolve().parent
WAYS = {"step": "(a) step alone", "ours": "ours", "fit": "(b) Model.fit", "student": "(c) as in student projects"}
GREY = "#555555"
Rows = Sequence[dict[str, Any]]


def spread(values: Iterable[float], digits: str = ".2f", factor: float = 1.0) -> str:
    """`0.97 (0.95–0.98)`: the median of some numbers with the least and the greatest, alone where there is one."""
    sorted_ = sorted(factor * value for value in values)
    median = f"{np.median(sorted_):{digits}}"
    return median if len(sorted_) == 1 else f"{median} ({sorted_[0]:{digits}}–{sorted_[-1]:{digits}})"


def ratios(row: dict[str, Any], way: str, to: str) -> list[float]:
    """Images a second of one way over another's, turn by turn."""
    return [a / b for a, b in zip(row["rates"][way], row["rates"][to], strict=True)]


def loops_table(rows: Rows) -> str:
    """Images a second of the four ways to train, and ours over each of the others."""
    return _table(
        {
            "architecture": row["model"],
            "images a turn": f"{row['images']:,}",
            **{f"{title}, images/s": spread(row["rates"][way], ",.0f") for way, title in WAYS.items()},
            **{f"ours / {WAYS[to][:3]}": spread(ratios(row, "ours", to)) for to in ("step", "fit", "student")},
            **{f"ours / {WAYS[to][:3]}, processor": _processor(row, to) for to in ("step", "fit", "student")},
        }
        for row in rows
    )


def profile_table(rows: Rows) -> str:
    """Where our loop's time goes, and the share of the matrix product that its arithmetic reaches."""
    made = []
    for row in rows:
        matrix, matrix_processor = (np.mean(row[key]) for key in ("matrix_rates", "matrix_processor_rates"))
        flops = 3 * row["flops"]
        made.append(
            {
                "architecture": row["model"],
                "in the step": spread(row["shares"]["step"], ".1%"),
                "waiting for input": spread(row["shares"]["wait"], ".2%"),
                "the rest": spread(row["shares"]["rest"], ".2%"),
                "making a batch, processor": f"{1000 * row['batch_seconds']:.1f} ms",
                "a step, (a), processor": f"{1000 * row['batch'] * np.median(row['processor']['step']):.0f} ms",
                "GFLOP/s, (a)": spread(row["rates"]["step"], ".0f", flops / 1e9),
                "GFLOP/s, ours": spread(row["rates"]["ours"], ".0f", flops / 1e9),
                "matrix product, GFLOP/s": f"{matrix / 1e9:.0f}",
                "share, ours": f"{flops * np.median(row['rates']['ours']) / matrix:.0%}",
                "share, ours, processor": f"{flops / np.median(row['processor']['ours']) / matrix_processor:.0%}",
            }
        )
    return _table(made)


def csv_table(rows: Rows) -> str:
    """From the csv file to the predictions: ours in each precision against (c), of the same repeat."""
    return _table(
        {
            "architecture": model,
            "way": WAYS[way] if way == "student" else "ours",
            "precision": precision,
            "images": f"{of[0]['images'] // of[0]['epochs']:,} × {of[0]['epochs']}",
            "runs": len(of),
            "seconds": spread((row["seconds"] for row in of), ".0f"),
            "reading": spread((row["read_seconds"] for row in of), ".1f"),
            "images/s": spread((row["images"] / row["seconds"] for row in of), ",.0f"),
            "over (c)": spread(_over_student(rows, of)),
            "over (c), processor": spread(_over_student(rows, of, "processor_seconds")),
            "validation accuracy, %": spread((row["validation_accuracy"] for row in of), ".1f", 100),
            "test accuracy, %": spread((row["test_accuracy"] for row in of), ".1f", 100),
        }
        for (model, way, precision), of in _grouped(rows, "model", "way", "precision").items()
    )


def sweep_table(rows: Rows) -> str:
    """A sweep's wall-clock over its training steps, and what the remainder is."""
    made = []
    for row in rows:
        known = {key: row[key] for key in ("train", "validation", "trace", "build")}
        parts = known | {"the rest": row["seconds"] - sum(known.values())}
        shown = {key: f"{seconds:.0f} s ({seconds / row['seconds']:.0%})" for key, seconds in parts.items()}
        made.append(
            {
                "models": ", ".join(row["models"]),
                "epochs": row["epochs"],
                "wall-clock": f"{row['seconds']:.0f} s",
                **shown,
                "wall-clock / training": f"{row['seconds'] / row['train']:.2f}",
            }
        )
    return _table(made)


def accelerator_table(files: Sequence[dict[str, Any]]) -> str:
    """All rows of some files of `accelerator.py`, with a trial on one seed first."""
    rows = [row | {"variant": file.get("variant", "")} for file in files for row in file["rows"]]
    rows.sort(key=lambda row: (row["model"], row["precision"], row["variant"], row["seeds"], row["way"]))
    made = []
    for row in rows:
        failed = row.get("error")
        speed = f"{row.get('images_per_second', 0):,.0f}"
        if not failed and row["way"] != "beside":  # of processes beside each other the spread is each process' own
            speed += f" ({row['slowest']:,.0f}–{row['fastest']:,.0f})"
        made.append(
            {
                "architecture": row["model"],
                "precision": row["precision"],
                "way": ", ".join(filter(None, (row["way"], row["variant"]))),
                "seeds": row["seeds"],
                "images/s, all seeds": failed.partition(":")[0].lower() if failed else speed,
                "of the matrix product": "–" if failed else f"{row['share']:.1%}",
                "traced and compiled": "–" if failed else f"{row['compile_seconds']:.0f} s",
            }
        )
    return _table(made)


def figure(loops: Rows, from_csv: Rows) -> Figure:
    """Left: the ways to train over the bare step. Right: ours from the csv file over (c)."""
    drawn = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = drawn.subplots(1, 2)
    models = [row["model"] for row in loops]
    ways = ("ours", "fit", "student")
    _bars(left, models, {WAYS[way]: [ratios(row, way, "step") for row in loops] for way in ways})
    left.set_title("Training alone, images/s over (a) the step alone", fontsize=9.5, loc="left")
    grouped = _grouped([row for row in from_csv if row["way"] == "ours"], "model", "precision")
    names = list(dict.fromkeys(row["model"] for row in from_csv))
    found = list(dict.fromkeys(precision for _, precision in grouped))
    _bars(right, names, {p: [_over_student(from_csv, grouped[name, p]) for name in names] for p in found})
    right.set_title("From the csv file to predictions, ours over (c)", fontsize=9.5, loc="left")
    return drawn


def between(text: str, name: str, table: str) -> str:
    """A text with what stands between the markers of that name replaced. ValueError where there are none."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    replaced, count = pattern.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)
    if not count:
        raise ValueError(f"no <!-- {name} --> … <!-- /{name} -->")
    return replaced


def machine_line(part: dict[str, Any]) -> str:
    """Processor, cores and versions of a part of loops.json, its data, and how busy the machine was."""
    machine, versions = part["machine"], part["machine"]["versions"]
    loads = [row["load"][0] for row in part["rows"]]
    source = "FER2013" if part["data"] == "fer2013" else "random images"
    return (
        f"{machine['processor']}, {machine['cores']} cores, TensorFlow {versions['tensorflow']}, "
        f"Keras {versions['keras']}; {source}; load of the machine {min(loads):.1f} to {max(loads):.1f}."
    )


def _processor(row: dict[str, Any], to: str) -> str:
    return spread(b / a for a, b in zip(row["processor"]["ours"], row["processor"][to], strict=True))


def _over_student(rows: Rows, of: Rows, measure: str = "seconds") -> list[float]:
    seconds = {(row["model"], row["repeat"]): row[measure] for row in rows if row["way"] == "student"}
    return [seconds[row["model"], row["repeat"]] / row[measure] for row in of]


def _grouped(rows: Rows, *keys: str) -> dict[tuple, list[dict[str, Any]]]:
    grouped: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(tuple(row[key] for key in keys), []).append(row)
    return grouped


def _bars(axes: Axes, groups: Sequence[str], series: dict[str, list[list[float]]]) -> None:
    width = 0.8 / len(series)
    for index, (name, values) in enumerate(series.items()):
        places = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
        middle = np.array([np.median(of) for of in values])
        ends = np.array([[min(of), max(of)] for of in values]).T
        bars = axes.bar(places, middle, width * 0.92, color=COLOURS[index], label=name)
        axes.errorbar(places, middle, np.abs(ends - middle), fmt="none", ecolor="black", elinewidth=1, capsize=2)
        axes.bar_label(bars, fmt="%.2f", fontsize=7, label_type="center", color="white")
    axes.axhline(1, color=GREY, linewidth=0.9, linestyle=":")
    axes.set_xticks(np.arange(len(groups)), groups, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(series), frameon=False, fontsize=8)


def _table(rows: Iterable[dict[str, Any]]) -> str:
    return tabulate(list(rows), headers="keys", tablefmt="github", disable_numparse=True)


@click.command()
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=HERE / "results")
@click.option("--readme", type=click.Path(path_type=Path, exists=True), default=HERE / "README.md")
def main(results: Path, readme: Path) -> None:
    found = json.loads((results / "loops.json").read_text())
    text = readme.read_text(encoding="utf-8")
    for part, tables in {"loops": (loops_table, profile_table), "csv": (csv_table,), "sweep": (sweep_table,)}.items():
        rows = found[part]["rows"]
        made = "\n\n".join([machine_line(found[part]), *(table(rows) for table in tables)])
        text = between(text, part, made)
    for folder in sorted({file.parent for file in results.glob("*/*.json")}):
        files = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
        text = between(text, folder.name, accelerator_table(files))
    readme.write_text(text, encoding="utf-8")
    for suffix, content in pictures(figure(found["loops"]["rows"], found["csv"]["rows"])).items():
        (results / f"loops.{suffix}").write_bytes(content)


if __name__ == "__main__":
    main()
