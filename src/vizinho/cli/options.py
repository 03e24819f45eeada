"""Options that several commands share, each declared once, and what every command checks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.models import CommandFunctionType

from vizinho.errors import SpecError


def language_tag(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Callback of options that take a language: its canonical tag. Raises SpecError naming the option."""
    from vizinho.text.language import Language

    return Language.parse(value, where=parameter.opts[0], error=SpecError).tag if value else value


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all randomness.", min=0)]
Threads = Annotated[int, typer.Option("--threads", help="Threads of each process.", min=1)]
Processes = Annotated[int, typer.Option("--processes", help="Number of processes.", min=1)]
OnRay = Annotated[
    bool,
    typer.Option("--ray", help='Run on Ray Data (pip install "vizinho[ray]"): the cluster RAY_ADDRESS, or a new one.'),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No log lines on standard error; the progress bar stays.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming an interrupted run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the transfer plan and stop.")]

Lang = Annotated[
    str | None,
    typer.Option("--lang", callback=language_tag, help="Language; the manifest's or the model's if not given."),
]
To = Annotated[str, typer.Option("--to", callback=language_tag, help="Target language, such as pt.")]
Model = Annotated[str, typer.Argument(help="Model: NAME, NAME@VERSION or a model folder.")]
Manifest = Annotated[Path, typer.Argument(help="Manifest (JSONL).")]
Corpus = Annotated[Path, typer.Option("--corpus", help="Manifest (JSONL).")]
Corpora = Annotated[list[Path], typer.Option("--corpus", help="Manifest (JSONL); repeatable.", show_default=False)]
Name = Annotated[str | None, typer.Option("--name", help="Name in the model store; the language code if not given.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
OutManifest = Annotated[Path, typer.Option("--out", help="Manifest to write.")]
Split = Annotated[str | None, typer.Option("--split", help="Only this split; test if the manifest has one, else all.")]
Engine = Annotated[
    str, typer.Option("--engine", help="onnx, or torch: the network as it was trained, without an export.")
]
Rows = Annotated[
    list[str] | None, typer.Option("--row", help="Start a token from one of the donor's, as ç=s; repeatable.")
]

Texts = Annotated[list[Path], typer.Argument(help="Text files, one sentence a line.", show_default=False)]
Dev = Annotated[
    list[Path] | None,
    typer.Option("--dev", help="Text to choose the best step on; a part of the texts is held out if not given."),
]
Steps = Annotated[int, typer.Option("--steps", help="Optimiser steps, of about 1,000 words each.", min=1)]
Rate = Annotated[float, typer.Option("--rate", help="Peak learning rate.", min=0)]
Samples = Annotated[
    int,
    typer.Option(
        "--samples", help="Wrong words that the right one competes with at each step; 0 for all words.", min=0
    ),
]


def refuse_options_of_other_kinds(context: typer.Context, kind: str, options_of: Mapping[str, Collection[str]]) -> None:
    """Check that no option was typed that only other kinds have; SpecError names the option and its kinds."""
    for name in sorted({name for names in options_of.values() for name in names} - set(options_of[kind])):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            kinds = " or ".join(other for other, names in options_of.items() if name in names)
            option = f"--{name.replace('_', '-')}"
            raise SpecError(f"{option} has no effect with --kind {kind}", where=option, fix=f"it belongs to {kinds}")


def standard_input() -> bytes:
    """All of standard input. Raises SpecError where the process was started without one (`<&-`, some services)."""
    if sys.stdin is None:
        raise SpecError("standard input is closed", where="-", fix="pipe something in, or give a file")
    return sys.stdin.buffer.read()


class FiniteCommand(TyperCommand):
    """A command that refuses nan and inf: they pass every comparison with a smallest or largest value."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; click's BadParameter (exit code 2) names the option that is not a finite number."""
        for option in self.params:
            value = ctx.params.get(option.name)
            for number in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(number, float) and not math.isfinite(number):
                    raise typer.BadParameter(f"{number} is not a finite number", param_hint=repr(option.opts[0]))
        return super().invoke(ctx)


class Commands(typer.Typer):
    """A group of commands, each with the checks of `FiniteCommand`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(no_args_is_help=True, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Register a command, as `typer.Typer.command` does."""
        return super().command(name, **{"cls": FiniteCommand, **settings})
