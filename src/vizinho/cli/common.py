"""Options that several commands declare alike, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Threads = Annotated[int, typer.Option("--threads", help="Torch threads.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over instead of going on with an interrupted run.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No log lines on standard error; the bar stays.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
