"""Progress bars on standard error, with rate and time left; standard output stays free for results."""

from __future__ import annotations

import logging
import math
import warnings
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
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[float, str], None]
"""Called with the amount done since the last call and a short note (a loss, a file name)."""

Log = Callable[[str], None]
"""Called with a line for the user."""

Event = Callable[[str, float, float, str], None]
"""Called with a bar's name, its total, the amount done since the last call and a short note."""


def silent(_done: float, _note: str = "") -> None:
    """An Advance that shows nothing."""


def unseen(_name: str, _total: float, _amount: float, _note: str = "") -> None:
    """An Event that shows nothing."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.2f}/s" if task.speed else "-/s", style="progress.data.speed")


@contextmanager
def board() -> Iterator[Event]:
    """Several bars at once: each name that an event mentions gets a bar of its own."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def event(name: str, total: float, amount: float, note: str = "") -> None:
            if name not in tasks:
                # A total that is not a number is refused by the code that works with it, in words, not by the bar.
                known = total if math.isfinite(total) else None
                tasks[name] = progress.add_task(name, total=known, note="")
            progress.update(tasks[name], advance=amount, note=note)

        yield event


@contextmanager
def bar(description: str, total: float) -> Iterator[Advance]:
    """One bar; yields the function that moves it."""
    with board() as event:

        def advance(amount: float, note: str = "") -> None:
            event(description, total, amount, note)

        # Shows the bar at once: the first step can take a minute.
        advance(0.0)
        yield advance


def quiet_transformers() -> None:
    """Keep the transformers library from printing its own bars and reports next to those of this module."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    # WavLM adds a float bias to a bool mask; torch warns about it once per process.
    warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
