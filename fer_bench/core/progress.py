"""A progress bar for work before training, such as the first read of a dataset."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from rich.progress import Progress


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
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        if cls._progress is None:
            cls._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(24),
                TaskProgressColumn(),
                console=Console(stderr=True, highlight=False),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            cls._progress.add_task("")
        return cls._progress
