"""The `vizinho` command as a test types it, and a recipe that the tone language is learnt with in seconds."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from vizinho.cli.main import main

RECIPE = """
steps = 200
batch_seconds = 8.0
learning_rate = 5e-3
evaluate_every = 50
checkpoint_every = 100
workers = 0
[augment]
speed_share = 0
noise_share = 0
band_share = 0
freq_masks = 0
time_masks = 0
"""


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def vizinho(*arguments: object, home: Path) -> Done:
    """Run the console script's entry point in this process: importing torch anew for each command takes seconds."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("VIZINHO_HOME", str(home))
        patch.setattr(sys, "argv", ["vizinho", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
