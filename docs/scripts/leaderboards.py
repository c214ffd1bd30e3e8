"""Pages and tables of the leaderboards in results/reference/, from their CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pandas as pd

from fer_bench.core.text import percent, plural, slug
from fer_bench.leaderboard.columns import BY_KEY, COLUMNS
from fer_bench.leaderboard.leaderboard import sections
from fer_bench.report.figure_layout import to_image_files
from fer_bench.report.figures import overview_figure
from fer_bench.report.tables import half_width, markdown_table, records_of
from fer_bench.sharing.pack import unpack

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"
# Names of older versions in results/reference/, as its README says.
RENAMED = {
    "best_group": "tied",
    "clean_accuracy": "dedup_accuracy",
    "clean_accuracy_sd": "dedup_accuracy_sd",
    "remarks": "split_notes",
}
SCORES = ("rank", "label", "weights", "seeds", "accuracy", "interval", "dedup_accuracy", "macro_f1")
COSTS = ("rank", "label", "parameters", "machine_numbers", "training_seconds", "images_per_second", "epochs")


def unpack_all(files: Iterable[Path], folder: Path) -> None:
    """Unpack files of records into a results folder. Raise ValueError if the contents of one were changed."""
    for file in files:
        if problems := unpack(file, folder):
            raise ValueError(f"{file}: {' '.join(problems)}")


def leaderboard_files() -> list[Path]:
    return sorted(REFERENCE.glob("*.csv"))


def read_leaderboard(path: Path) -> pd.DataFrame:
    """Return a leaderboard.csv with the names and types of a leaderboard's frame."""
    frame = pd.read_csv(path, dtype={"fingerprint": str, "machine_numbers": str}).rename(columns=RENAMED)
    missing = {key for column in COLUMNS if not column.optional_in_csv for key in column.keys} - set(frame)
    frame = frame.assign(**dict.fromkeys(missing, float("nan"))).fillna({"benchmark_version": 1})
    frame = frame.astype({"rank": "Int64"})
    for column in ("tied", "split_notes"):
        frame[column] = frame[column].astype(object).where(frame[column].notna(), "")
    return frame


def leaderboard_page(path: Path) -> str:
    """Return the page of one reference leaderboard: its tables, and what its README says about it."""
    frame = read_leaderboard(path)
    parts = [f"# {path.stem}", *_description(path.stem)]
    parts.append(f"All columns: [{path.name}]({path.name}). [How to read a leaderboard](../leaderboard.md).")
    figures = leaderboard_figures(path)
    for heading, stem, rows in sections(frame):
        parts.append(f"## {heading}")
        scored = rows.dropna(subset=["accuracy"])
        if not scored.empty:
            images, half = half_width(scored)
            parts.append(f"{images:,} test images: at the best accuracy the 95 % interval is ± {half:.1f} points.")
        parts += [table(rows, SCORES), table(rows, COSTS)]
        if (name := _figure_name(path, stem)) in figures:
            parts.append(f"![Accuracy against training time of {heading}]({name})")
    machines = "\n".join(_machines(frame))
    return "\n\n".join([*parts, "## Machines", machines]) + "\n"


@cache
def leaderboard_figures(path: Path) -> dict[str, bytes]:
    """Return the figure of accuracy against time of each section, as SVG files by name."""
    figures = {stem: overview_figure(rows, heading) for heading, stem, rows in sections(read_leaderboard(path))}
    return {_figure_name(path, stem): to_image_files(figure)["svg"] for stem, figure in figures.items() if figure}


def _figure_name(path: Path, section: str) -> str:
    return f"{path.stem}-{slug(section)}.svg"


def _machines(frame: pd.DataFrame) -> list[str]:
    """Return the lines of a list of the machines, with their numbers if there are several."""
    if "machine_numbers" not in frame:
        return [f"- {machine}" for machine in frame["machine"].dropna().unique()]
    machines = frame.drop_duplicates("machine_numbers").set_index("machine_numbers")["machine"].sort_index()
    return [f"- {numbers}: {machine}" for numbers, machine in machines.items()]


def table(rows: pd.DataFrame, keys: tuple[str, ...]) -> str:
    """Return these columns of a leaderboard as a Markdown table, without those that have no values."""
    known = set(rows.columns[rows.notna().any()])
    columns = [BY_KEY[key] for key in keys if BY_KEY[key].keys[0] in known]
    lines = ([column.cell(row) for column in columns] for row in records_of(rows))
    return markdown_table([(column.title, column.align) for column in columns], lines)


def _description(stem: str) -> Iterator[str]:
    """Yield what the table of results/reference/README.md says about a leaderboard."""
    for line in (REFERENCE / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"| `{stem}."):
            yield from filter(None, (cell.strip() for cell in line.strip("| ").split(" | ")[1:]))


def accuracies(path: Path) -> str:
    """Return the accuracies of a reference leaderboard: one line per row, one column per protocol."""
    frame = pd.read_csv(path)
    frame["cell"] = [BY_KEY["accuracy"].cell(row) for row in records_of(frame)]
    table = frame.pivot(index="label", columns="protocol", values="cell").sort_index(axis=1, ascending=False)
    lines = ((label, *cells) for label, *cells in table.itertuples())
    columns = [(f"accuracy, {protocol}", "right") for protocol in table]
    link = f"[{path.stem}](reference/{path.stem}.md)"
    return f"{markdown_table([('model', 'left'), *columns], lines)}\n\nFrom {link}."


def rank_correlation(paths: list[Path]) -> str:
    """Return the accuracies of the architectures that two leaderboards share, and how equal their order is."""
    accuracies = {path.stem: pd.read_csv(path).groupby("model")["accuracy"].max() for path in paths}
    shared = pd.DataFrame(accuracies).dropna().sort_values(paths[-1].stem, ascending=False)
    columns = [("model", "left"), *((f"accuracy, {name}", "right") for name in shared)]
    lines = ((model, *map(percent, values)) for model, *values in shared.itertuples())
    links = " and ".join(f"[{name}](reference/{name}.md)" for name in shared)
    correlation = shared.iloc[:, 0].corr(shared.iloc[:, 1], method="spearman")
    text = f"{plural(len(shared), 'architecture')} of {links}: Spearman's rank correlation is {correlation:.2f}."
    return f"{markdown_table(columns, lines)}\n\n{text}"
