"""Write the leaderboard of README.md from its CSV file in results/reference/: python docs/scripts/readme.py."""

from __future__ import annotations

import re
from pathlib import Path

from leaderboards import REFERENCE, ROOT, read_leaderboard, table

from fer_bench.core.text import plural
from fer_bench.report.tables import half_width

README = ROOT / "README.md"
COLUMNS = ("rank", "label", "weights", "seeds", "accuracy", "interval", "macro_f1", "parameters", "training_seconds")
PLACE = re.compile(r"(<!-- leaderboard: (\S+) -->\n).*?(<!-- /leaderboard -->)", re.DOTALL)


def leaderboard(path: Path) -> str:
    """Return the table of a leaderboard of one section, and what its numbers mean."""
    frame = read_leaderboard(path)
    images, half = half_width(frame)
    dataset, protocol = frame.iloc[0][["dataset", "protocol"]]
    machines = ", ".join(frame["machine"].dropna().unique())
    text = (
        f"{dataset}, protocol {protocol}: accuracy in % on {images:,} test images that were predicted once, mean ± "
        f"standard deviation over seeds. A test set of this size alone leaves ± {half:.1f} points. {machines}. "
        f"[All {plural(len(frame), 'row')} and columns](results/reference/{path.stem}.md)."
    )
    return f"\n{table(frame, COLUMNS)}\n\n{text}\n\n"


def filled(text: str) -> str:
    """Return a page with the tables between its markers made again."""
    return PLACE.sub(lambda match: f"{match[1]}{leaderboard(REFERENCE / f'{match[2]}.csv')}{match[3]}", text)


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
