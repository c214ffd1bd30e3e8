"""Pages and tables of the leaderboards in results/reference/, from their CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from fer_bench.leaderboard.columns import BY_KEY, COLUMNS
from fer_bench.leaderboard.leaderboard import sections
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
COSTS = ("rank", "label", "parameters", "training_seconds", "images_per_second", "epochs")


def unpack_all(files: Iterable[Path], folder: Path) -> None:
    """Unpack files of records into a results folder. Raise ValueError if the contents of one were changed."""
    for file in files:
        if problems := unpack(file, folder):
            raise ValueError(f"{file}: {' '.join(problems)}")


def leaderboard_files() -> list[Path]:
    return sorted(REFERENCE.glob("*.csv"))


def read_leaderboard(path: Path) -> pd.DataFrame:
    """Return a leaderboard.csv with the names and types of a leaderboard's frame."""
    frame = pd.read_csv(path, dtype={"fingerprint": str}).rename(columns=RENAMED)
    missing = {key for column in COLUMNS for key in column.keys} - set(frame)
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
    for heading, _, rows in sections(frame):
        parts.append(f"## {heading}")
        scored = rows.dropna(subset=["accuracy"])
        if not scored.empty:
            images, half = half_width(scored)
            parts.append(f"{images:,} test images: at the best accuracy the 95 % interval is ± {half:.1f} points.")
        parts += [table(rows, SCORES), table(rows, COSTS)]
    machines = "\n".join(f"- {machine}" for machine in frame["machine"].dropna().unique())
    return "\n\n".join([*parts, "## Machines", machines]) + "\n"


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
