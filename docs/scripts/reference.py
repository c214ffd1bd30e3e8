"""Write the leaderboards of results/reference/ from their records in records/: python docs/scripts/reference.py."""

from __future__ import annotations

import tempfile
from pathlib import Path

from leaderboards import REFERENCE, unpack_all

from fer_bench.report.markdown import to_csv, to_markdown
from fer_bench.report.write import read_leaderboard


def report(folder: Path) -> dict[str, str]:
    """Return the contents of the Markdown and the CSV file of a folder of records, by their names.

    Raises:
        ValueError: The contents of a file of records were changed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        unpack_all(folder.glob("*.zip"), Path(temporary))
        leaderboard = read_leaderboard(temporary)
    return {f"{folder.name}.md": to_markdown(leaderboard), f"{folder.name}.csv": to_csv(leaderboard.frame)}


if __name__ == "__main__":
    for folder in sorted((REFERENCE / "records").iterdir()):
        for name, content in report(folder).items():
            (REFERENCE / name).write_text(content, encoding="utf-8")
