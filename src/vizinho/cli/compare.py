"""`vizinho compare`: how near languages are to a target, measure by measure, and which donor to start from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    # The bars are drawn here, the levels report to them from their own processes.
    with board() as show:
        comparison = comparing.compare(
            target,
            _listed(donors) if donors else _candidates(target),
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
    emit(values, as_json, text(comparison, prediction) + (f"\n\n{html}" if html else ""))


def _candidates(target: str) -> tuple[str, ...]:
    """Donors to compare with where none are named."""
    from vizinho.errors import SpecError
    from vizinho.languages.candidates import candidates
    from vizinho.store.store import Store
    from vizinho.text.language import Language

    store = Store()
    cards = [store.card(entry.ref) for entry in store.entries() if entry.current]
    stored = sorted({card.language for card in cards if card is not None})
    return candidates(Language.parse(target, where="target", error=SpecError), stored)


def _prediction(comparison: Comparison, results: Sequence[Path]) -> Prediction:
    from vizinho.languages.measured import read_measured
    from vizinho.languages.predict import predict

    return predict(comparison.ranking, [m for path in results for m in read_measured(path)], comparison.target)


def text(comparison: Comparison, prediction: Prediction | None = None) -> str:
    """The ranking, every measure of every donor, and the gaps, as plain tables."""
    # A donor with a model has the level of acoustics even where it was not asked for.
    levels = dict.fromkeys(result.level for results in comparison.results.values() for result in results)
    parts = [_ranking(comparison), *(_level(comparison, level) for level in levels)]
    if prediction is not None:
        parts.append(_predicted(prediction))
    gaps = _gaps(comparison)
    if gaps:
        parts.append("gaps (left out of the votes, not counted as zero):\n" + "\n".join(gaps))
    return "\n\n".join(parts)


def _ranking(comparison: Comparison) -> str:
    votes = comparison.ranking[0].votes
    head = ["donor", "score", "votes", *(f"{v.name.replace('_', ' ')} (x{v.weight:g})" for v in votes)]
    rows = [
        [r.donor, "-" if r.score is None else f"{r.score:.2f}", r.cast, *map(_vote, r.votes)]
        for r in comparison.ranking
    ]
    note = (
        "score: weighted share of the votes won against the other donors; a vote shows the value and how far it is won"
    )
    from vizinho.languages.rank import order

    return f"donors for {comparison.target}, {order(comparison.ranking)} ({note})\n\n{markdown(head, rows)}"


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
    measured = {m.donor: m.benefit for m in prediction.measured}
    rows = [
        [
            donor,
            "{:.2f} [{:.2f}, {:.2f}]".format(*prediction.expected[donor]) if donor in prediction.expected else "-",
            f"{measured[donor]:.2f}" if donor in measured else "-",
        ]
        for donor in dict.fromkeys([*prediction.expected, *measured])
    ]
    errors = ", ".join(f"{name} {error:.3f}" for name, error in prediction.errors.items())
    note = prediction.note + (f"; error when left out: {errors}" if errors else "")
    head = ["donor", "predicted share of scratch's errors saved", "measured"]
    return f"{markdown(head, rows)}\n({note})"


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
