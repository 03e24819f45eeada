"""`vizinho experiment` and `vizinho report`: a spec in, arms trained and tested, results.json and a page out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from vizinho.cli.emit import emit, markdown
from vizinho.cli.options import AsJson, Fresh, Processes, processes_that_fit
from vizinho.errors import SpecError
from vizinho.files import write_text

if TYPE_CHECKING:
    from vizinho.experiment.results import Pooled


def experiment(
    spec: Annotated[Path, Argument(help="Experiment file (TOML; docs/experiments.md).")],
    out: Annotated[
        Path | None, Option("--out", help="Folder for donors, arms and results.json; runs/NAME if not given.")
    ] = None,
    processes: Processes = None,
    donors_from: Annotated[
        Path | None,
        Option("--donors-from", help="Folder of another experiment: donors trained there in the same way are used."),
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Run a controlled experiment: every start x recipe x minutes x seed with equal budgets, tested once each.

    Running the same command again goes on where it stopped.
    """
    import shutil

    import torch

    from vizinho.experiment.read_spec import read_spec
    from vizinho.experiment.results import as_json as plain
    from vizinho.experiment.run import run_experiment
    from vizinho.progress import board

    read = read_spec(spec)
    folder = out if out is not None else Path("runs") / read.name
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    if processes is None and torch.cuda.is_available():
        processes = 1  # two arms might need more of its memory than there is
    processes = processes_that_fit("--processes", processes, read.training.threads)
    with board() as show:
        results = run_experiment(read, folder, processes=processes, donors_from=donors_from, show=show)
    utterances = {"arms": {"__all__": {"test": {"per_utterance"}}}}
    text = f"{table(results.pooled)}\n\n{results.reading}\n\n{folder / 'results.json'}"
    emit(plain(results, exclude=utterances), as_json, text)


def table(pooled: Sequence[Pooled]) -> str:
    """The pooled arms as a Markdown table; intervals are 95 %."""

    head = ["arms", "minutes", "seeds", "steps", "CER", "WER", "steps to scratch's best"]
    rows = [
        [
            row.line + ("" if row.matched else " (unmatched)"),
            f"{row.minutes:g}",
            row.seeds,
            row.steps,
            f"{row.cer:.3f} [{row.cer_ci[0]:.3f}, {row.cer_ci[1]:.3f}]",
            f"{row.wer:.3f} [{row.wer_ci[0]:.3f}, {row.wer_ci[1]:.3f}]",
            ", ".join("never" if s is None else str(s) for s in row.steps_to_scratch_best) or "-",
        ]
        for row in pooled
    ]
    return markdown(head, rows)


def report(
    results: Annotated[
        list[Path] | None,
        Argument(
            help="results.json of an experiment. Of several, or without any of the transfers that vizinho comes with: "
            "who helps whom."
        ),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", help="Page to write; by default report.html by the results, or atlas.html here.")
    ] = None,
    cards: Annotated[
        bool, Option("--cards", help="Also write README.md, a model card, into the model folder of every arm.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw an experiment's results, or who helps whom over many, as one self-contained page."""
    if not results or len(results) > 1:
        _report_matrix(results or [], out or Path("atlas.html"), cards, as_json)
        return
    from vizinho.report.model_card import write_model_cards
    from vizinho.report.page import write_report

    page = out if out is not None else results[0].with_name("report.html")
    write_report(results[0], page)
    model_cards = write_model_cards(results[0]) if cards else []
    emit({"report": page, "cards": model_cards}, as_json, map(str, (page, *model_cards)))


def _report_matrix(results: Sequence[Path], out: Path, cards: bool, as_json: bool) -> None:
    from vizinho.languages.matrix import Matrix, as_markdown
    from vizinho.languages.measured import atlas, read_measured
    from vizinho.report.matrix_page import matrix_page

    if cards:
        raise SpecError("model cards are written for one experiment", where="--cards", fix="give one results.json")
    transfers = [m for path in results for m in read_measured(path)] if results else list(atlas())
    if not transfers:
        raise SpecError(
            "no transfer stands beside scratch with as much speech",
            where=results[0] if results else None,
            fix='add "scratch" to its starts',
        )
    write_text(out, matrix_page(transfers))
    emit({"report": out, "transfers": transfers}, as_json, f"{as_markdown(Matrix.of(transfers))}\n\n{out}")
