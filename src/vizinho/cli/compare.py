"""`vizinho compare`: how near languages are to a target, measure by measure, and which donor to start from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from vizinho.cli.emit import emit, markdown
from vizinho.cli.options import AsJson, Processes, Seed, processes_that_fit

if TYPE_CHECKING:
    from vizinho.languages.compare import Comparison
    from vizinho.languages.measures import Measure
    from vizinho.languages.predict import Prediction
    from vizinho.languages.rank import Vote


class G2P(StrEnum):
    """Sources of pronunciations."""

    espeak = "espeak"
    lexicon = "lexicon"


def compare(
    target: Annotated[str, Argument(help="Language that needs a recogniser: pt, or a variant such as pt-br.")],
    donors: Annotated[
        str | None,
        Option(
            "--donors",
            help="Languages to compare it with, as es,gl,it,en; if left out its nearest relatives, those of the models "
            "in the store, and English.",
        ),
    ] = None,
    levels: Annotated[
        str | None,
        Option(
            "--levels",
            help="Levels to compare on, as sounds,vocabulary,spelling,syntax,map,acoustics,vectors; "
            "all but vectors if left out.",
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        Option(
            "--texts",
            help="Folder with treebanks/, lexicons/, sentences/ and parallel/ (docs/compare.md); "
            "$VIZINHO_SHARED/text where that is set; else only what is built in.",
        ),
    ] = None,
    speech: Annotated[
        Path | None,
        Option(
            "--speech",
            help="Folder with a manifest of recordings for each language, as es.jsonl; $VIZINHO_SHARED/speech.",
        ),
    ] = None,
    models: Annotated[
        str | None,
        Option(
            "--models", help="Recognisers of the donors, as es=es-demo,en=en-demo; each decodes the target's speech."
        ),
    ] = None,
    minutes: Annotated[float, Option("--minutes", help="Speech of each language for the acoustic level.", min=0)] = 5.0,
    top: Annotated[int, Option("--top", help="Most frequent words for the vocabulary level.", min=1)] = 5000,
    g2p: Annotated[
        G2P, Option("--g2p", help="Pronunciations from eSpeak NG's rules or from lexicons/, for both languages.")
    ] = G2P.espeak,
    seed: Seed = 1,
    predict: Annotated[
        bool,
        Option("--predict/--no-predict", help="Predict what each donor brings, from transfers that were measured."),
    ] = True,
    measured: Annotated[
        list[Path] | None,
        Option("--measured", help="results.json of an experiment with this target, to predict from; repeatable."),
    ] = None,
    details: Annotated[
        bool,
        Option("--details", help="Print every measure with its chance floor and ceiling, and the reason of every gap."),
    ] = False,
    html: Annotated[Path | None, Option("--html", help="Also write one self-contained page.")] = None,
    cached: Annotated[bool, Option("--cache/--no-cache", help="Read and write the store's cache.")] = True,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Compare a target language with possible donors on every level, with evidence, and rank the donors.

    Every number comes with its chance floor and its ceiling; what cannot be computed is named as a gap.
    """
    from vizinho.languages import compare as comparing
    from vizinho.languages.sources import Inputs, TextSources
    from vizinho.progress import board
    from vizinho.store.store import default_home

    home = default_home()
    inputs = Inputs(
        texts=TextSources(texts or _shared("text")),
        speech=_manifests(speech or _shared("speech")),
        models=_models(models) if models else {},
        minutes=minutes,
        top=top,
        g2p=g2p.value,
        seed=seed,
        work=home / "cache" / "vectors",
    )
    models_at_hand = _models_at_hand()
    # The bars are drawn here, the levels report to them from their own processes.
    with board() as show:
        comparison = comparing.compare(
            target,
            _candidates(target, models_at_hand) if donors is None else _listed(donors),
            inputs,
            levels=_listed(levels) if levels else comparing.QUICK_LEVELS,
            cache=home / "cache" / "compare" if cached else None,
            processes=processes_that_fit("--processes", processes),
            progress=show,
        )
    prediction = _prediction(comparison, measured or []) if predict or measured else None
    values = comparison.as_json() | ({"prediction": asdict(prediction)} if prediction else {})
    if html is not None:
        from vizinho.report.compare_page import write_compare_page

        write_compare_page(comparison, html, prediction)
    written = text(comparison, prediction, models=models_at_hand, details=details)
    emit(values, as_json, written + (f"\n\n{html}" if html else ""))


def _candidates(target: str, models: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Donors to compare with where none are named."""
    from vizinho.errors import SpecError
    from vizinho.languages.candidates import candidates
    from vizinho.text.language import Language

    return candidates(Language.parse(target, where="target", error=SpecError), sorted(models))


def _models_at_hand() -> dict[str, list[str]]:
    """Current models of the store by language."""
    from vizinho.errors import VizinhoError
    from vizinho.store.store import Store

    store = Store()
    refs: dict[str, list[str]] = {}
    for entry in store.entries():
        with suppress(VizinhoError):  # a broken card, which `models list` names
            card = store.card(entry.ref) if entry.current else None
            if card is not None:
                refs.setdefault(card.language, []).append(entry.ref)
    return refs


def _prediction(comparison: Comparison, results: Sequence[Path]) -> Prediction:
    from vizinho.languages.measured import read_measured
    from vizinho.languages.predict import predict

    return predict(comparison.ranking, [m for path in results for m in read_measured(path)], comparison.target)


def text(
    comparison: Comparison,
    prediction: Prediction | None = None,
    *,
    models: Mapping[str, Sequence[str]] | None = None,
    details: bool = False,
) -> str:
    """The ranking and what could not be computed; with `details` every measure of every donor and every gap.

    `models`: recognisers at hand, by language.
    """
    parts = [_ranking(comparison, prediction, models or {})]
    if prediction is not None:
        parts.append(_predicted(prediction))
    if details:
        # A donor with a model has the level of acoustics even where it was not asked for.
        levels = dict.fromkeys(result.level for results in comparison.results.values() for result in results)
        parts += [_level(comparison, level) for level in levels]
    gaps = _gaps(comparison)
    if gaps and details:
        parts.append("gaps (left out of the votes, not counted as zero):\n" + "\n".join(gaps))
    elif gaps:
        parts.append(
            "not computed, and not counted as zero (--details says why and what to do):\n" + _gaps_in_short(comparison)
        )
    at_hand = [ref for r in comparison.ranking for ref in (models or {}).get(r.donor, ())]
    if at_hand:
        start = f"vizinho transfer {at_hand[0]} --to {comparison.target} --corpus {comparison.target}.jsonl"
        parts.append(f"next: `{start}` starts from the nearest donor with a model in the store")
    return "\n\n".join(parts)


def _ranking(comparison: Comparison, prediction: Prediction | None, models: Mapping[str, Sequence[str]]) -> str:
    from vizinho.languages.rank import order
    from vizinho.text.language import Language

    expected = prediction.expected if prediction else {}
    # A vote that no donor has would be a column of gaps.
    shown = [
        i
        for i, v in enumerate(comparison.ranking[0].votes)
        if any(r.votes[i].value is not None for r in comparison.ranking)
    ]
    votes = [comparison.ranking[0].votes[i] for i in shown]
    head = [
        "donor",
        "score",
        "votes",
        "may save",
        "models",
        *(f"{v.name.replace('_', ' ')} (x{v.weight:g})" for v in votes),
    ]
    rows: list[list[Any]] = [
        [
            f"{Language.of(r.donor).name} ({r.donor})",
            "-" if r.score is None else f"{r.score:.2f}",
            r.cast,
            "{:.2f} [{:.2f}, {:.2f}]".format(*expected[r.donor]) if r.donor in expected else "-",
            ", ".join(models.get(r.donor, ())) or "-",
            *(_vote(r.votes[i]) for i in shown),
        ]
        for r in comparison.ranking
    ]
    # Columns that say nothing here are left out.
    empty = [i for i in (3, 4) if all(row[i] == "-" for row in rows)]
    table = [[row[i] for i in range(len(head)) if i not in empty] for row in [head, *rows]]
    title = f"donors for {Language.of(comparison.target).name} ({comparison.target}), {order(comparison.ranking)}"
    note = "score: share of the votes won against the other donors; a vote shows the value and how far it is won"
    return f"{title}\n\n{markdown(table[0], table[1:])}\n({note})"


def _vote(vote: Vote) -> str:
    if vote.value is None:
        return "gap"
    return f"{vote.value:.3f}" + ("" if vote.won is None else f" ({vote.won:.0%})")


def _level(comparison: Comparison, level: str) -> str:
    donors = [r.donor for r in comparison.ranking]
    by_donor = {
        donor: {m.name: m for result in comparison.results[donor] if result.level == level for m in result.measures}
        for donor in donors
    }
    names = dict.fromkeys(name for measures in by_donor.values() for name in measures)
    rows = []
    for name in names:
        # Title, floor and ceiling are the target's, nearly the same for every donor: one is shown.
        some = next(m[name] for m in by_donor.values() if name in m)
        cells = [_value(by_donor[donor].get(name)) for donor in donors]
        rows.append([some.title, some.nearer, *cells, some.shown(some.floor), some.shown(some.ceiling), some.n])
    head = [level, "nearer is", *donors, "chance floor", "ceiling", "n"]
    return markdown(head, rows) if rows else f"{level}: nothing could be computed"


def _value(measure: Measure | None) -> str:
    if measure is None:
        return "gap"
    low_high = "" if measure.interval is None else " [{:.3g}, {:.3g}]".format(*measure.interval)
    return f"{measure.shown(measure.value)}{low_high}"


def _predicted(prediction: Prediction) -> str:
    """What the prediction rests on, and the transfers to the target that were measured."""
    errors = ", ".join(f"{name} {error:.3f}" for name, error in prediction.errors.items())
    note = f"may save, of scratch's errors: {prediction.note}" + (f"; error when left out: {errors}" if errors else "")
    if not prediction.measured:
        return note
    rows = [[m.donor, f"{m.benefit:.2f}", f"{m.minutes:g}"] for m in prediction.measured]
    return f"{note}\n\n{markdown(['donor', 'measured', 'minutes'], rows)}"


def _gaps_in_short(comparison: Comparison) -> str:
    """The levels and measures that are missing, a line for each group of donors that lack the same."""
    missing: dict[tuple[str, ...], list[str]] = {}
    donors_of: dict[str, list[str]] = {}
    for donor, levels in comparison.results.items():
        for gap in dict.fromkeys(f"{g.level}/{g.name}" for result in levels for g in result.gaps):
            donors_of.setdefault(gap, []).append(donor)
    for gap, donors in donors_of.items():
        missing.setdefault(tuple(donors), []).append(gap.removesuffix("/*").replace("_", " "))
    everybody = len(comparison.results)
    return "\n".join(
        f"  {'all' if len(donors) == everybody else ', '.join(donors)}: {', '.join(gaps)}"
        for donors, gaps in missing.items()
    )


def _gaps(comparison: Comparison) -> list[str]:
    # Donors with the same gap share a line.
    donors_of: dict[str, list[str]] = {}
    for donor, levels in comparison.results.items():
        for gap in (gap for result in levels for gap in result.gaps):
            fix = f" -> {gap.fix}" if gap.fix else ""
            donors_of.setdefault(f"{gap.level}/{gap.name}: {gap.reason}{fix}", []).append(donor)
    return [f"  {', '.join(donors)}: {line}" for line, donors in donors_of.items()]


def _listed(values: str) -> list[str]:
    return [value.strip() for value in values.split(",") if value.strip()]


def _models(values: str) -> dict[str, Path]:
    from vizinho.errors import SpecError
    from vizinho.store.store import Store
    from vizinho.text.language import Language

    pairs = [entry.partition("=") for entry in _listed(values)]
    for donor, _, ref in pairs:
        if not donor or not ref:
            raise SpecError(f"{donor!r} has no model", where="--models", fix="give DONOR=MODEL, as es=es-demo")
    return {
        Language.parse(donor, where="--models", error=SpecError).code: Store().resolve(ref) for donor, _, ref in pairs
    }


def _shared(part: str) -> Path | None:
    folder = os.environ.get("VIZINHO_SHARED")
    path = Path(folder) / part if folder else None
    return path if path is not None and path.is_dir() else None


def _manifests(folder: Path | None) -> dict[str, Path]:
    from vizinho.errors import CorpusError
    from vizinho.text.language import Language

    if folder is None:
        return {}
    if not folder.is_dir():
        fix = "give --speech a folder of LANG.jsonl files"
        raise CorpusError("no such folder of recordings", where=folder, fix=fix)
    # Other manifests in the folder, such as pt_read.jsonl, keep their name and are never asked for.
    return {Language.of(path.stem).code: path for path in sorted(folder.glob("*.jsonl"))}
