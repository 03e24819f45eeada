"""Progress bars on standard error, with rate and time left; standard output stays free for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[float, str], None]
"""Called with how much was done and a short note (a loss, a file name)."""


def silent(_done: float, _note: str = "") -> None:
    """The progress of library calls that nobody watches."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.2f}/s" if task.speed else "-/s", style="progress.data.speed")


@contextmanager
def bar(description: str, total: float, *, done: float = 0.0) -> Iterator[Advance]:
    """A bar from `done` to `total`; yields the function that moves it."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=done, note="")

        def advance(amount: float, note: str = "") -> None:
            progress.update(task, advance=amount, note=note)

        yield advance
