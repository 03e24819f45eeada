"""`vizinho compare`: how near languages are to a target, measure by measure, and which donor to start from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Seed

if TYPE_CHECKING:
    from vizinho.languages.predict import Prediction


class G2P(StrEnum):
    """Sources of pronunciations."""

    espeak = "espeak"
    lexicon = "lexicon"


def compare(
    target: Annotated[
        str, typer.Argument(help="Language that is to get a recogniser: pt, or a variant such as pt-br.")
    ],
    donors: Annotated[str, typer.Option("--donors", help="Languages to compare it with, as es,gl,it,en.")],
    levels: Annotated[
        str | None,
        typer.Option(
            "--levels",
            help="Levels to compare on, as sounds,vocabulary,spelling,syntax,map,acoustics,vectors; "
            "all but vectors if left out.",
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts",
            help="Folder with treebanks/, lexicons/, sentences/ and parallel/ (docs/compare.md); "
            "$VIZINHO_SHARED/text where that is set; else only what is built in.",
        ),
    ] = None,
    speech: Annotated[
        Path | None,
        typer.Option(
            "--speech",
            help="Folder with a manifest of recordings for each language, as es.jsonl; $VIZINHO_SHARED/speech.",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models", help="Recognisers of the donors, as es=es-demo,en=en-demo: what each hears untrained."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", help="Speech of each language for the acoustic level.", min=0)
    ] = 5.0,
    top: Annotated[int, typer.Option("--top", help="Most frequent words for the vocabulary level.", min=1)] = 5000,
    g2p: Annotated[
        G2P, typer.Option("--g2p", help="Pronunciations from eSpeak NG's rules or from lexicons/, for both languages.")
    ] = G2P.espeak,
    seed: Seed = 1,
    predict: Annotated[
        list[Path] | None,
        typer.Option("--predict", help="results.json of an experiment: say what donors may bring (repeatable)."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write one self-contained page.")] = None,
    cached: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Use and keep results in the store's cache.")
    ] = True,
    processes: Annotated[
        int, typer.Option("--processes", help="Levels computed at the same time, one core each.", min=1)
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Compare a target language with possible donors on every level, with evidence, and rank the donors.

    Every number stands beside its chance floor and its ceiling; what cannot be computed is named as a gap.
    """
    from vizinho.languages import compare as comparing
    from vizinho.languages.sources import TextSources
    from vizinho.progress import board
    from vizinho.store.store import default_home

    home = default_home()
    inputs = comparing.Inputs(
        texts=TextSources(texts or _shared("text")),
        speech=_manifests(speech or _shared("speech")),
        minutes=minutes,
        top=top,
        g2p=g2p.value,
        seed=seed,
        work=home / "cache" / "vectors",
    )
    wanted = tuple(_split(levels)) if levels else comparing.QUICK_LEVELS
    with board() as show:
        found = comparing.compare(
            target,
            _split(donors),
            inputs,
            levels=wanted,
            cache=home / "cache" / "compare" if cached else None,
            processes=processes,
            progress=show,
        )
    if models:
        found = _with_hearing(found, models, inputs.speech)
    values = found.as_json()
    prediction = _prediction(found, predict) if predict else None
    if prediction is not None:
        values["prediction"] = asdict(prediction)
    if html is not None:
        from vizinho.report.compare_page import write_compare_page

        write_compare_page(found, html, prediction)
    emit(values, as_json, text(values))
    if html is not None and not as_json:
        typer.echo(f"\n{html}")


def _with_hearing(found: Any, models: str, speech: Mapping[str, Path]) -> Any:
    """The comparison with the measures of zero-shot decoding added to the level of acoustics."""
    from dataclasses import replace

    from vizinho.errors import SpecError
    from vizinho.languages.levels.zero_shot import LEVEL, hear
    from vizinho.languages.measures import Gap, LevelResult
    from vizinho.store.store import Store
    from vizinho.text.language import Language

    results = dict(found.results)
    for entry in filter(None, map(str.strip, models.split(","))):
        donor, _, ref = entry.partition("=")
        donor = Language.of(donor.strip()).code
        if donor not in results or not ref:
            raise SpecError(f"{entry!r} is not DONOR=MODEL", where="--models", fix=f"donors: {', '.join(results)}")
        bases = [Language.of(code).base for code in (found.target, donor)]
        lacking = [base for base in bases if base not in speech]
        if lacking:
            fix = "put LANG.jsonl into the folder given with --speech"
            added = LevelResult(LEVEL, gaps=(Gap(LEVEL, "zero_shot", f"no recordings of {', '.join(lacking)}", fix),))
        else:
            added = LevelResult(LEVEL, tuple(hear(Store().resolve(ref), speech[bases[0]], speech[bases[1]])))
        levels = results[donor]
        if all(level.level != LEVEL for level in levels):
            levels = (*levels, LevelResult(LEVEL))
        results[donor] = tuple(
            replace(r, measures=(*r.measures, *added.measures), gaps=(*r.gaps, *added.gaps)) if r.level == LEVEL else r
            for r in levels
        )
    return replace(found, results=results)


def _prediction(found: Any, results: list[Path]) -> Prediction:
    from vizinho.languages.predict import predict, read_measured

    measured = [m for path in results for m in read_measured(path)]
    return predict(found.ranking, measured, found.target)


def _predicted(prediction: dict[str, Any]) -> str:
    from vizinho.cli.emit import markdown

    measured = {m["donor"]: m["benefit"] for m in prediction["measured"]}
    donors = [*prediction["expected"], *(d for d in measured if d not in prediction["expected"])]
    rows = [
        [
            donor,
            "{:.2f} [{:.2f}, {:.2f}]".format(*prediction["expected"][donor])
            if donor in prediction["expected"]
            else "-",
            f"{measured[donor]:.2f}" if donor in measured else "-",
        ]
        for donor in donors
    ]
    errors = ", ".join(f"{name} {error:.3f}" for name, error in prediction["errors"].items())
    note = prediction["note"] + (f"; error when left out: {errors}" if errors else "")
    head = ["donor", "predicted share of scratch's errors saved", "measured"]
    return f"{markdown(head, rows)}\n({note})"


def text(values: dict[str, Any]) -> str:
    """The ranking, every measure of every donor, and the gaps, as plain tables."""
    from vizinho.cli.emit import markdown

    donors = [r["donor"] for r in values["ranking"]]
    parts = [_ranking(values), *(_level(values, level, donors, markdown) for level in _levels(values))]
    if "prediction" in values:
        parts.append(_predicted(values["prediction"]))
    gaps = _gaps(values)
    if gaps:
        parts.append("gaps (left out of the votes, not counted as zero):\n" + "\n".join(gaps))
    return "\n\n".join(parts)


def _ranking(values: dict[str, Any]) -> str:
    from vizinho.cli.emit import markdown

    votes = values["ranking"][0]["votes"]
    head = ["donor", "score", *(f"{v['name'].replace('_', ' ')} (x{v['weight']:g})" for v in votes)]
    rows = [
        [r["donor"], "gap" if r["score"] is None else f"{r['score']:.2f}", *(_vote(v) for v in r["votes"])]
        for r in values["ranking"]
    ]
    note = (
        "score: weighted share of the votes won against the other donors; a vote shows the value and how far it is won"
    )
    return f"donors for {values['target']}, nearest first ({note})\n\n{markdown(head, rows)}"


def _vote(vote: dict[str, Any]) -> str:
    if vote["value"] is None:
        return "gap"
    return f"{vote['value']:.3f}" + ("" if vote["won"] is None else f" ({vote['won']:.0%})")


def _levels(values: dict[str, Any]) -> list[str]:
    return [level["level"] for level in next(iter(values["levels"].values()))]


def _level(values: dict[str, Any], level: str, donors: list[str], markdown: Any) -> str:
    by_donor = {
        donor: {m["name"]: m for row in values["levels"][donor] if row["level"] == level for m in row["measures"]}
        for donor in donors
    }
    names = list(dict.fromkeys(name for measures in by_donor.values() for name in measures))
    rows = []
    for name in names:
        some = next(m[name] for m in by_donor.values() if name in m)
        arrow = "higher" if some["nearer"] == "higher" else "lower"
        cells = [_value(by_donor[donor].get(name)) for donor in donors]
        rows.append([some["title"], arrow, *cells, f"{some['floor']:.3g}", f"{some['ceiling']:.3g}", some["n"]])
    head = [level, "nearer is", *donors, "chance floor", "ceiling", "n"]
    return markdown(head, rows) if rows else f"{level}: nothing could be computed"


def _value(measure: dict[str, Any] | None) -> str:
    if measure is None:
        return "gap"
    value = f"{measure['value']:.3g}"
    if measure["interval"] is None:
        return value
    low, high = measure["interval"]
    return f"{value} [{low:.3g}, {high:.3g}]"


def _gaps(values: dict[str, Any]) -> list[str]:
    lines: dict[str, list[str]] = {}
    for donor, levels in values["levels"].items():
        for level in levels:
            for gap in level["gaps"]:
                fix = f" -> {gap['fix']}" if gap["fix"] else ""
                lines.setdefault(f"{gap['level']}/{gap['name']}: {gap['reason']}{fix}", []).append(donor)
    return [f"  {', '.join(who)}: {line}" for line, who in lines.items()]


def _split(values: str) -> list[str]:
    return [value.strip() for value in values.split(",") if value.strip()]


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
        raise CorpusError(
            "no such folder of recordings", where=str(folder), fix="give --speech a folder of LANG.jsonl files"
        )
    return {Language.of(path.stem).code: path for path in sorted(folder.glob("*.jsonl"))}
