"""Write the tables and the figure of README.md, and those of two pages of docs/, from the results of the benchmarks.

    python benchmarks/write_tables.py

It reads results/loops.json, steps.json, script.json and */*.json (one folder per accelerator) and replaces the text
between the markers of README.md, and results/loops.png and .svg. results/ablation.json is for docs/fast.md, and
results/exports.json for docs/export.md. A cell is the median over the rounds with the minimum and the maximum in
parentheses. A ratio is computed within one round.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tabulate import tabulate

from fer_bench.report.figure_layout import COLORS, to_image_files

HERE = Path(__file__).resolve().parent
TITLES = {
    "step": "(a) step alone",
    "ours": "ours",
    "model_fit": "(b) Model.fit",
    "image_data_generator": "(c) ImageDataGenerator",
}
OTHERS = [method for method in TITLES if method != "ours"]
ABLATION_TARGETS = (0.6, 0.62)  # validation accuracies
Row = dict[str, Any]
Rows = Sequence[Row]


def summarize(values: Iterable[float], digits: str = ".2f", factor: float = 1.0) -> str:
    """Return the median of numbers with minimum and maximum: `0.97 (0.95–0.98)`; a single number as `0.97`."""
    scaled = sorted(factor * value for value in values)
    median = f"{np.median(scaled):{digits}}"
    return median if len(scaled) == 1 else f"{median} ({scaled[0]:{digits}}–{scaled[-1]:{digits}})"


def rate_ratios(row: Row, method: str, reference: str) -> list[float]:
    """Return the images per second of a method divided by those of another, per round."""
    return [a / b for a, b in zip(row["rates"][method], row["rates"][reference], strict=True)]


def cpu_ratios(row: Row, reference: str) -> list[float]:
    """Return the processor time of a method divided by that of ours, per round."""
    return [b / a for a, b in zip(row["processor"]["ours"], row["processor"][reference], strict=True)]


def loops_table(rows: Rows) -> str:
    """Return the images per second of the four methods, and ours divided by the others."""
    return _table(
        {
            "architecture": row["model"],
            "images per round": f"{row['images']:,}",
            **{f"{title}, images/s": summarize(row["rates"][method], ",.0f") for method, title in TITLES.items()},
            **{f"ours / {TITLES[other][:3]}": summarize(rate_ratios(row, "ours", other)) for other in OTHERS},
            **{f"ours / {TITLES[other][:3]}, CPU time": summarize(cpu_ratios(row, other)) for other in OTHERS},
        }
        for row in rows
    )


def profile_table(rows: Rows) -> str:
    """Return how our loop spends its time, and what share of the matrix rate its arithmetic reaches."""
    table = []
    for row in rows:
        matrix_rate, matrix_cpu_rate = (np.mean(row[key]) for key in ("matrix_rates", "matrix_processor_rates"))
        flops = 3 * row["flops"]
        table.append(
            {
                "architecture": row["model"],
                "in the step": summarize(row["shares"]["step"], ".1%"),
                "waiting for input": summarize(row["shares"]["wait"], ".2%"),
                "the rest": summarize(row["shares"]["rest"], ".2%"),
                "making a batch, CPU time": f"{1000 * row['batch_seconds']:.1f} ms",
                "a step, (a), CPU time": f"{1000 * row['batch'] * np.median(row['processor']['step']):.0f} ms",
                "GFLOP/s, (a)": summarize(row["rates"]["step"], ".0f", flops / 1e9),
                "GFLOP/s, ours": summarize(row["rates"]["ours"], ".0f", flops / 1e9),
                "matrix product, GFLOP/s": f"{matrix_rate / 1e9:.0f}",
                "share, ours": f"{flops * np.median(row['rates']['ours']) / matrix_rate:.0%}",
                "share, ours, CPU time": f"{flops / np.median(row['processor']['ours']) / matrix_cpu_rate:.0%}",
            }
        )
    return _table(table)


def csv_table(rows: Rows) -> str:
    """Return the times from the CSV file to the predictions, and the speedup over (c) of the same repeat."""
    return _table(
        {
            "architecture": model,
            "method": TITLES[method],
            "precision": precision,
            "images": f"{group[0]['images'] // group[0]['epochs']:,} × {group[0]['epochs']}",
            "runs": len(group),
            "seconds": summarize((row["seconds"] for row in group), ".0f"),
            "reading": summarize((row["read_seconds"] for row in group), ".1f"),
            "images/s": summarize((row["images"] / row["seconds"] for row in group), ",.0f"),
            "speedup over (c)": summarize(_speedups(rows, group)),
            "speedup over (c), CPU time": summarize(_speedups(rows, group, "processor_seconds")),
            "validation accuracy, %": summarize((row["validation_accuracy"] for row in group), ".1f", 100),
            "test accuracy, %": summarize((row["test_accuracy"] for row in group), ".1f", 100),
        }
        for (model, method, precision), group in _group_by(rows, "model", "method", "precision").items()
    )


def sweep_table(rows: Rows) -> str:
    """Return the parts of a sweep's wall-clock, and the wall-clock divided by the training steps."""
    table = []
    for row in rows:
        parts = {key: row[key] for key in ("train", "validation", "compile", "build")}
        parts["the rest"] = row["seconds"] - sum(parts.values())
        table.append(
            {
                "models": ", ".join(row["models"]),
                "epochs": row["epochs"],
                "wall-clock": f"{row['seconds']:.0f} s",
                **{key: f"{seconds:.0f} s ({seconds / row['seconds']:.0%})" for key, seconds in parts.items()},
                "wall-clock / training": f"{row['seconds'] / row['train']:.2f}",
            }
        )
    return _table(table)


def steps_table(rows: Rows) -> str:
    """Return the speed of one training step per architecture, relative to plain Keras, and the geometric means."""
    variants = [name for name in ("fast", "bfloat16") if any(name in row["ratio"] for row in rows)]
    ratios = [
        {
            **{f"{name} / plain": row["ratio"].get(name, np.nan) for name in variants},
            "faster of both / plain": max(row["ratio"][name] for name in variants if name in row["ratio"]),
        }
        for row in rows
    ]
    table = [
        {
            "architecture": row["architecture"],
            "plain Keras, images/s": f"{row['images_per_second']['keras']:,.0f}",
            **{f"{name}, images/s": f"{row['images_per_second'].get(name, np.nan):,.0f}" for name in variants},
            **{title: f"{ratio:.2f}" for title, ratio in own.items()},
            **({"no normalization / plain": f"{limit:.2f}"} if (limit := row["ratio"].get("no_normalization")) else {}),
        }
        for row, own in zip(rows, ratios, strict=True)
    ]
    means = {title: np.exp(np.mean([np.log(own[title]) for own in ratios])) for title in ratios[0]}
    return _table(
        [*table, {"architecture": "geometric mean", **{title: f"{mean:.2f}" for title, mean in means.items()}}]
    )


def ablation_table(rows: Rows) -> str:
    """Return the time to each validation accuracy and the best accuracy without each part of a recipe, as medians.

    An epoch counts as long as the fastest one of its kind in all rows.
    """
    fastest: dict[str, float] = {}
    for kind, seconds in (item for row in rows for item in row["seconds_per_epoch"].items()):
        fastest[kind] = min(seconds, fastest.get(kind, seconds))
    table = []
    for row in rows:
        ends = np.cumsum([fastest[kind] for kind in row["kinds"]])
        cells = {"recipe": row["change"]}
        for target in ABLATION_TARGETS:
            epochs = [
                next((n for n, accuracy in enumerate(run, 1) if accuracy >= target), None)
                for run in row["validation_accuracies"]
            ]
            cells[f"epochs to {target:.0%}"] = _time_to_target(epochs)
            cells[f"seconds to {target:.0%}"] = _time_to_target([n and ends[n - 1] for n in epochs])
        cells["PublicTest, %"] = summarize(map(max, row["validation_accuracies"]), ".1f", factor=100)
        cells["with all views, %"] = summarize(row["accuracies"], ".1f", factor=100)
        cells["seconds of the run"] = f"{np.median([ends[len(run) - 1] for run in row['validation_accuracies']]):.0f}"
        table.append(cells)
    return _table(table)


def _time_to_target(times: Sequence[float | None]) -> str:
    """Return the median and the number of runs that missed the target, whose time is infinite."""
    median = np.median([np.inf if value is None else value for value in times])
    missed = times.count(None)
    text = f"{median:.0f}" if np.isfinite(median) else "missed"
    return f"{text} ({missed} of {len(times)} missed)" if missed and len(times) > 1 else text


def exports_tables(found: Row) -> str:
    """Return the agreement of exported models with Keras on all test images, and their costs, one table each."""
    rows = found["rows"]
    models = _group_by(rows, "architecture")
    formats = list(dict.fromkeys(row["format"] for row in rows))

    def table(name: str, cell: Callable[[Row], str]) -> str:
        lines = []
        for (architecture,), group in models.items():
            cells = {row["format"]: "–" if "error" in row else cell(row) for row in group}
            lines.append({"architecture": f"`{architecture}`", **{key: cells.get(key, "–") for key in formats}})
        return f"### {name}\n\n{_table(lines)}"

    tables = [
        table("Same labels as after training, % (largest difference of a probability)", _agreement),
        table("Test accuracy, %", lambda row: f"{100 * row['accuracy']:.2f}"),
        table("Latency of one image, median (95th percentile), ms", _latency),
        table("Images per second", _images_per_second),
        table("Size, MiB", lambda row: f"{row['mebibytes']:.1f}"),
    ]
    reasons = [f"- `{row['architecture']}`, {row['format']}: {row['error']}" for row in rows if "error" in row]
    tables[1:1] = ["\n".join(reasons)] if reasons else []
    return "\n\n".join([f"{machine_name(found)}.", *tables])


def _agreement(row: Row) -> str:
    return f"{100 * row['same_labels']:.2f} ({row['max_difference']:.0e})"


def _images_per_second(row: Row) -> str:
    rate = row["images_per_second"]
    return "–" if rate is None else f"{rate:,.0f}"  # too few images


def _latency(row: Row) -> str:
    return f"{1000 * row['latency_p50_seconds']:.1f} ({1000 * row['latency_p95_seconds']:.1f})"


def script_table(found: Row) -> str:
    """Return the seconds of whole commands and of a student's script, at equal epochs and at equal accuracy."""
    script, last = found["script"], found["script_to_target"]
    table = [
        {
            "comparison": f"{found['epochs']} epochs of cnn, {precision}",
            "fer-bench, s": f"{found[key]['seconds']:.0f}",
            "script, s": f"{script['seconds']:.0f}",
            "ratio": f"{script['seconds'] / found[key]['seconds']:.2f}",
        }
        for key, precision in {"sweep": "float32", "sweep_auto": "precision auto"}.items()
    ]
    more = "" if last["reached"] else "more than "
    epochs = f"{last['epochs']} epochs, at most {100 * last['validation_accuracy']:.1f} %"
    fast = found["fast"]
    table.append(
        {
            "comparison": f"{found['target']:.0%} on PublicTest, fer-bench with cnn_fast and fast",
            "fer-bench, s": f"{fast['seconds']:.0f} ({100 * fast['validation_accuracy']:.1f} %)",
            "script, s": f"{more}{last['seconds']:.0f} ({epochs})",
            "ratio": f"{more}{last['seconds'] / fast['seconds']:.1f}",
        }
    )
    return _table(table)


def accelerator_table(files: Sequence[Row]) -> str:
    """Return all rows of files of `accelerator.py`."""
    rows = [row | {"variant": file.get("variant", "")} for file in files for row in file["rows"]]
    rows.sort(key=lambda row: (row["model"], row["precision"], row["variant"], row["seeds"], row["method"]))
    table = []
    for row in rows:
        error = row.get("error")
        speed = f"{row.get('images_per_second', 0):,.0f}"
        if not error and row["method"] != "processes":  # there, minimum and maximum belong to one process
            speed += f" ({row['slowest']:,.0f}–{row['fastest']:,.0f})"
        table.append(
            {
                "architecture": row["model"],
                "precision": row["precision"],
                "method": ", ".join(filter(None, (row["method"], row["variant"]))),
                "seeds": row["seeds"],
                "images/s, all seeds": error.partition(":")[0].lower() if error else speed,
                "share of the matrix rate": "–" if error else f"{row['share']:.1%}",
                "compile time": "–" if error else f"{row['compile_seconds']:.0f} s",
            }
        )
    return _table(table)


def make_figure(loops: Rows, from_csv: Rows) -> Figure:
    """Plot the methods relative to the step alone (left), and the speedups over (c) from the CSV file (right)."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    methods = ("ours", "model_fit", "image_data_generator")
    series = {TITLES[method]: [rate_ratios(row, method, "step") for row in loops] for method in methods}
    _draw_bars(left, [row["model"] for row in loops], series)
    left.set_title("Training alone, images/s relative to (a) step alone", fontsize=9.5, loc="left")
    groups = _group_by([row for row in from_csv if row["method"] == "ours"], "model", "precision")
    models = list(dict.fromkeys(row["model"] for row in from_csv))
    precisions = list(dict.fromkeys(precision for _, precision in groups))
    _draw_bars(right, models, {p: [_speedups(from_csv, groups[model, p]) for model in models] for p in precisions})
    right.set_title("From the CSV file to predictions, ours relative to (c)", fontsize=9.5, loc="left")
    return figure


def replace_between_markers(text: str, name: str, content: str) -> str:
    """Replace what is between `<!-- name -->` and `<!-- /name -->`. Raise ValueError if there are no such markers."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    replaced, count = pattern.subn(lambda match: f"{match[1]}\n{content}\n\n{match[2]}", text)
    if not count:
        raise ValueError(f"no <!-- {name} --> … <!-- /{name} -->")
    return replaced


def machine_line(part: Row) -> str:
    """Return the processor, the versions, the data and the load average of a file of results."""
    loads = [row["load"][0] for row in part["rows"]]
    source = "FER2013" if part["data"] == "fer2013" else "random images"
    return f"{machine_name(part)}; {source}; load average {min(loads):.1f} to {max(loads):.1f}."


def machine_name(part: Row) -> str:
    """Return the processor and the versions of a file of results."""
    machine, versions = part["machine"], part["machine"]["versions"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, TensorFlow {versions['tensorflow']}, "
        f"Keras {versions['keras']}"
    )


def _speedups(rows: Rows, group: Rows, measure: str = "seconds") -> list[float]:
    """Return the times of (c) divided by those of a group of rows with the same model and repeat."""
    reference = {(row["model"], row["repeat"]): row[measure] for row in rows if row["method"] == "image_data_generator"}
    return [reference[row["model"], row["repeat"]] / row[measure] for row in group]


def _group_by(rows: Rows, *keys: str) -> dict[tuple, list[Row]]:
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def _draw_bars(axes: Axes, groups: Sequence[str], series: dict[str, list[list[float]]]) -> None:
    width = 0.8 / len(series)
    for index, (name, values) in enumerate(series.items()):
        positions = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
        medians = np.array([np.median(group) for group in values])
        limits = np.array([[min(group), max(group)] for group in values]).T
        bars = axes.bar(positions, medians, width * 0.92, color=COLORS[index], label=name)
        errors = np.abs(limits - medians)
        axes.errorbar(positions, medians, errors, fmt="none", ecolor="black", elinewidth=1, capsize=2)
        axes.bar_label(bars, fmt="%.2f", fontsize=7, label_type="center", color="white")
    axes.axhline(1, color="#555555", linewidth=0.9, linestyle=":")
    axes.set_xticks(np.arange(len(groups)), groups, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(series), frameon=False, fontsize=8)


def _table(rows: Iterable[Row]) -> str:
    return tabulate(list(rows), headers="keys", tablefmt="github", disable_numparse=True)


@click.command()
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=HERE / "results")
@click.option("--readme", type=click.Path(path_type=Path, exists=True), default=HERE / "README.md")
@click.option("--fast", type=click.Path(path_type=Path, exists=True), default=HERE.parent / "docs" / "fast.md")
@click.option("--export", type=click.Path(path_type=Path, exists=True), default=HERE.parent / "docs" / "export.md")
def main(results: Path, readme: Path, fast: Path, export: Path) -> None:
    """Write the tables and the figure of README.md, and the tables of docs/fast.md and docs/export.md."""
    parts = json.loads((results / "loops.json").read_text())
    text = readme.read_text(encoding="utf-8")
    for part, tables in {"loops": (loops_table, profile_table), "csv": (csv_table,), "sweep": (sweep_table,)}.items():
        blocks = [machine_line(parts[part]), *(table(parts[part]["rows"]) for table in tables)]
        text = replace_between_markers(text, part, "\n\n".join(blocks))
    steps = json.loads((results / "steps.json").read_text())
    text = replace_between_markers(text, "steps", f"{machine_line(steps)}\n\n{steps_table(steps['rows'])}")
    script = json.loads((results / "script.json").read_text())
    text = replace_between_markers(text, "script", f"{machine_name(script)}.\n\n{script_table(script)}")
    for folder in sorted({file.parent for file in results.glob("*/*.json")}):
        files = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
        text = replace_between_markers(text, folder.name, accelerator_table(files))
    readme.write_text(text, encoding="utf-8")
    ablation = ablation_table(json.loads((results / "ablation.json").read_text())["rows"])
    exports = exports_tables(json.loads((results / "exports.json").read_text()))
    for name, (file, content) in {"ablation": (fast, ablation), "exports": (export, exports)}.items():
        file.write_text(replace_between_markers(file.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    figure = make_figure(parts["loops"]["rows"], parts["csv"]["rows"])
    for suffix, image in to_image_files(figure).items():
        (results / f"loops.{suffix}").write_bytes(image)


if __name__ == "__main__":
    main()
