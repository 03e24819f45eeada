"""The `vizinho` command: registers every group and turns our errors into one line and exit code 2."""

from __future__ import annotations

import errno
import re
import sys

import typer

from vizinho.cli import compare, corpus, evaluate, experiment, lm, models, serve, topics, train, transcribe, vectors
from vizinho.cli.options import Commands
from vizinho.errors import InterruptedRunError, SpecError, VizinhoError
from vizinho.version import __version__

RENAMED = {
    "corpus stats": "corpus check --counts",
    "lm score": "lm evaluate",
    "neural train": "lm train --kind lstm",
    "neural transfer": "lm transfer",
    "neural evaluate": "lm evaluate",
    "neural": "lm",
    "understand train": "topics train",
    "understand text": "topics predict",
    "understand": "topics predict",
    "vectors contextual": "vectors train --kind contextual",
    "vectors polysemy": "vectors evaluate --senses",
    "vectors retrieve": "vectors evaluate --pairs",
    "vectors neighbours": "vectors show --as neighbours",
    "vectors analogy": "vectors show --as analogy",
    "vectors transformer train": "vectors train --kind transformer",
    "vectors transformer tune": "vectors tune",
    "vectors transformer words": "vectors senses --sentence",
    "vectors transformer": "vectors",
}
"""Commands of earlier versions and the commands that replace them; a group comes after its members."""

RENAMED_OPTIONS = {("corpus align", "--donor-language"): "--from", ("compare", "--predict FILE"): "--measured"}
"""Options of earlier versions by their command, and those that replace them; FILE: they have no value now."""

EXTRAS = {
    "serve": ("fastapi", "starlette", "uvicorn", "h11", "python_multipart", "websockets", "prometheus_client"),
    "compare": ("conllu", "sklearn", "urielplus", "uroman", "countryinfo", "spacy", "jinja2", "matplotlib"),
    "text": ("gensim",),
    "lhotse": ("lhotse",),
    "tensorboard": ("tensorboard",),
    "media": ("av",),
    "streams": ("datasets",),
    "field": ("pylangacq", "rustling", "pympi", "praatio", "sentencex"),
    "whisper": ("ctranslate2",),
    "wyoming": ("wyoming",),
    "speakers": ("resemblyzer",),
    "speak": ("espeakng_loader",),
    "voices": ("parselmouth",),
    "ray": ("ray",),
}
"""Import names of what each extra of pyproject.toml brings; the first extra that has a module is the one to name."""

# Commands import what they use inside their functions: --help would otherwise wait seconds for torch.
app = Commands(
    name="vizinho",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Give a language its first speech recogniser by starting from its neighbour's, and show what it was worth.",
)
app.command("train")(train.train)
app.command("transfer")(train.transfer)
app.command("evaluate")(evaluate.evaluate)
app.command("transcribe")(transcribe.transcribe)
app.command("serve")(serve.serve)
app.command("export")(models.export)
app.command("compare")(compare.compare)
app.command("experiment")(experiment.experiment)
app.command("report")(experiment.report)
app.add_typer(corpus.app, name="corpus")
app.add_typer(models.app, name="models")
app.add_typer(lm.app, name="lm")
app.add_typer(vectors.app, name="vectors")
app.add_typer(topics.app, name="topics")

_DISK_FAULTS = {
    errno.ENOSPC: "make room there and run the same command again",
    errno.EDQUOT: "make room there and run the same command again",
    errno.EFBIG: "write to a disk that allows larger files",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that you may read and write",
    errno.EPERM: "choose a folder that you may read and write",
    errno.EIO: "the disk fails: save what is on it",
}
"""Faults of a disk that no command can foresee, and what the user can do about them; they are not bugs."""


def _version(value: bool) -> None:
    if value:
        typer.echo(f"vizinho {__version__}")
        raise typer.Exit


SHARED_BY_PROCESSES = ("train", "transfer")
"""Commands whose processes share the work; any other command would do all of its work once per process."""


@app.callback()
def _root(
    context: typer.Context,
    _: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and exit."),
) -> None:
    """Global options."""
    from vizinho.parallel import SEPARATE_STORES, process_count, restart_may_hang

    together = process_count()  # 1 without torchrun
    if together > 1 and context.invoked_subcommand not in SHARED_BY_PROCESSES:
        raise SpecError(
            f"torchrun started `vizinho {context.invoked_subcommand}` {together} times",
            fix=f"run it without torchrun; only {' and '.join(SHARED_BY_PROCESSES)} share their work",
        )
    if together > 1 and restart_may_hang():
        raise SpecError(
            "after a restart by torchrun the processes might wait for ones that are gone",
            where="--max-restarts",
            fix=f"export {SEPARATE_STORES}=1, and give the same command again",
        )


def extra_of(module: str) -> str | None:
    """The extra that brings a module; None for one that the base brings or nobody knows."""
    package = module.partition(".")[0]
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def _refuse_renamed(arguments: list[str]) -> None:
    typed = " ".join(arguments)  # the words of a command come first: only --help and --version may precede them
    for old, new in RENAMED.items():
        if f"{typed} ".startswith(f"{old} "):
            raise SpecError(f"`vizinho {old}` has a new name", fix=f"use `vizinho {new}`; its --help lists the options")
    for (command, old), new in RENAMED_OPTIONS.items():
        option, _, value = old.partition(" ")
        # An option that had a value is meant where a word without dashes follows.
        pattern = rf"\s{option}[= ][^-\s]" if value else rf"\s{option}[=\s]"
        if typed.startswith(f"{command} ") and re.search(pattern, f"{typed} "):
            raise SpecError(f"{old} of `vizinho {command}` has a new name", fix=f"use {new}")


def main() -> None:
    """Entry point of the console script."""

    from vizinho.parallel import begin_process  # it loads multiprocessing

    begin_process()
    try:
        _refuse_renamed(sys.argv[1:])
        app()
    except VizinhoError as error:
        typer.echo(f"error: {error}", err=True)
        # 130 is what shells expect of a program that Ctrl-C ended (128 + SIGINT).
        sys.exit(130 if isinstance(error, InterruptedRunError) else 2)
    except ModuleNotFoundError as error:
        extra = extra_of(error.name or "")
        if extra is None:
            raise  # a broken installation, or a bug: the traceback says where
        what = f"this needs {error.name}, which the extra {extra!r} brings"
        typer.echo(f"error: {what} -> pip install 'vizinho[{extra}]'", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _DISK_FAULTS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror} -> {_DISK_FAULTS[error.errno]}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
