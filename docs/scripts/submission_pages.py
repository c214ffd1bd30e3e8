"""Pages of the results that others have sent in: one per file of results/submissions/, and one of all together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from leaderboards import ROOT, unpack_all

from fer_bench.report.markdown import to_markdown
from fer_bench.report.page.render import leaderboard_page
from fer_bench.report.write import read_leaderboard

SUBMISSIONS = ROOT / "results" / "submissions"
ALL = "all"  # the name of the page of all together
NOTE = (
    "The scores are computed from the predictions in {links}. Whether they are those of the models named there, only "
    "training again can tell. The [leaderboard as a page]({page}) has the details of each row."
)


@cache
def submission_pages(folder: Path) -> dict[str, str]:
    """Return the content of the pages by their path in the site: Markdown, and the leaderboard as a page of its own.

    Raises:
        UserError: A file is no file of records.
        ValueError: Its contents were changed.
    """
    return dict(_pages(sorted(folder.glob("*.zip"))))


def _pages(files: list[Path]) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as temporary:
        folders = {file.stem: (Path(temporary) / file.stem, [file]) for file in files}
        if len(files) > 1:
            folders[ALL] = Path(temporary) / ALL, files
        for name, (folder, members) in folders.items():
            unpack_all(members, folder)
            leaderboard = read_leaderboard(folder)
            title = "All submissions" if name == ALL else name
            links = ", ".join(f"[{file.name}]({file.name})" for file in members)
            note = NOTE.format(links=links, page=f"{name}-page.html")
            head, *parts = to_markdown(leaderboard).removeprefix("# Leaderboard").split("\n## ")
            shown = "".join(f"\n## {part}" for part in parts if not part.startswith("Full tables"))
            yield f"submissions/{name}.md", f"# {title}\n\n{note}\n{head}{shown}"
            yield f"submissions/{name}-page.html", leaderboard_page(leaderboard, folder)
