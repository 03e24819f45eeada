"""The `vizinho` command: registers every group and turns our errors into one line and exit code 2."""

from __future__ import annotations

import errno
import sys

import typer

from vizinho.cli import (
    compare,
    contextual,
    corpus,
    evaluate,
    experiment,
    export,
    labelling,
    lm,
    models,
    neural_lm,
    serve,
    sharding,
    train,
    transcribe,
    transformer,
    understand,
    vectors,
)
from vizinho.cli import report as report_command
from vizinho.cli.options import Commands
from vizinho.cli.reproduce import reproduce
from vizinho.cli.speak import speak
from vizinho.errors import SpecError, VizinhoError
from vizinho.training.torchrun import OWN_STORE, may_wait_for_the_dead, started_together
from vizinho.version import __version__

app = Commands(
    name="vizinho",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Give a language its first speech recogniser by starting from its neighbour's, and show what it was worth.",
)
corpus.app.command("speak")(speak)
corpus.app.command("shard")(sharding.shard)
corpus.app.command("label")(labelling.label)
app.add_typer(corpus.app, name="corpus")
app.command("train")(train.train)
app.command("transfer")(train.transfer)
app.command("evaluate")(evaluate.evaluate)
app.command("transcribe")(transcribe.transcribe)
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.command("compare")(compare.compare)
app.command("experiment")(experiment.experiment)
app.command("report")(report_command.report)
models.app.command("reproduce")(reproduce)
app.add_typer(models.app, name="models")
vectors.app.command("contextual")(contextual.contextual)
vectors.app.command("senses")(contextual.senses)
vectors.app.command("polysemy")(contextual.polysemy)
vectors.app.add_typer(transformer.app, name="transformer")
app.add_typer(vectors.app, name="vectors")
app.add_typer(lm.app, name="lm")
app.add_typer(neural_lm.app, name="neural")
app.add_typer(understand.app, name="understand")


_DISK_FAULTS = {
    errno.ENOSPC: "make room there and run the same command again",
    errno.EDQUOT: "make room there and run the same command again",
    errno.EFBIG: "write to a disk that allows larger files",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that you may read and write",
    errno.EPERM: "choose a folder that you may read and write",
    errno.EIO: "the disk fails: save what is on it",
}
"""Faults of a disk that no command can foresee, and what to do; they are the user's to mend, not bugs of ours."""


def _version(value: bool) -> None:
    if value:
        typer.echo(f"vizinho {__version__}")
        raise typer.Exit


SHARED_BY_PROCESSES = ("train", "transfer")
"""Commands whose processes share the work; any other would do all of it as often as it was started."""


@app.callback()
def _root(
    context: typer.Context,
    _: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and exit."),
) -> None:
    """Global options."""
    together = started_together()
    if together > 1 and context.invoked_subcommand not in SHARED_BY_PROCESSES:
        raise SpecError(
            f"torchrun started `vizinho {context.invoked_subcommand}` {together} times",
            fix=f"run it without torchrun; only {' and '.join(SHARED_BY_PROCESSES)} share their work",
        )
    if together > 1 and may_wait_for_the_dead():
        raise SpecError(
            "after a restart by torchrun the processes might wait for ones that are gone",
            where="--max-restarts",
            fix=f"export {OWN_STORE}=1, and give the same command again",
        )


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except VizinhoError as error:
        from vizinho.training.interrupt import InterruptedRunError

        typer.echo(f"error: {error}", err=True)
        sys.exit(130 if isinstance(error, InterruptedRunError) else 2)
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
