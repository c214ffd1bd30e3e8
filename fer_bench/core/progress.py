"""A progress bar for work before training, such as the first read of a dataset."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from rich.progress import BarColumn, Progress

WIDE = 100  # columns of a terminal with room for a long bar


def make_bar(width: int) -> BarColumn:
    """Return a bar for a terminal of some width, in colors that show on light and on dark backgrounds."""
    from rich.progress import BarColumn
    from rich.table import Column

    length = 24 if width >= WIDE else 10
    column = Column(min_width=length, no_wrap=True)
    return BarColumn(length, "bright_black", "cyan", "green", "cyan", table_column=column)


class ProgressBar:
    """A bar on standard error that disappears when the work is done. Without a terminal, nothing is shown."""

    _progress: ClassVar[Progress | None] = None  # at most one bar is visible

    def __call__(self, description: str, done: int, total: int) -> None:
        """Show that `done` of `total` units are done."""
        if done >= total:
            self.close()
        elif sys.stderr.isatty():
            progress = self._create()
            progress.update(progress.task_ids[0], description=description, completed=done, total=total)
            progress.start()

    @classmethod
    def close(cls) -> None:
        """Remove the bar, if one is visible. Call this before printing an error."""
        if cls._progress is not None:
            cls._progress.stop()
            cls._progress = None

    @classmethod
    def _create(cls) -> Progress:
        from rich.console import Console
        from rich.progress import Progress, TaskProgressColumn, TextColumn

        if cls._progress is None:
            console = Console(stderr=True, highlight=False)
            cls._progress = Progress(
                TextColumn("{task.description}", markup=False),
                make_bar(console.width),
                TaskProgressColumn(),
                console=console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            cls._progress.add_task("")
        return cls._progress
