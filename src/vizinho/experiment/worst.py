"""The utterances that are recognised worst, with short clips of their audio to listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.experiment.guard import utterances_of_test
from vizinho.experiment.results import ArmResult, LineHypothesis, WorstUtterance, lines_of
from vizinho.experiment.spec import ExperimentSpec
from vizinho.records import UtteranceErrors

COUNT = 8
"""Utterances that are shown."""
LONGEST_SECONDS = 15.0
"""Longer ones are cut, so that a page with all clips stays small."""


def worst_utterances(spec: ExperimentSpec, arms: Sequence[ArmResult], folder: Path) -> list[WorstUtterance]:
    """The utterances with the most character errors a letter over all arms, what each line made of them, and a clip.

    Clips are MP3, which every browser plays, under `folder`/clips; recordings stay out of results.json, which may be
    published where they may not.
    """
    test = {u.id: u for u in utterances_of_test(spec)}
    errors: dict[str, list[UtteranceErrors]] = {}
    for arm in arms:
        for row in arm.test.per_utterance:
            errors.setdefault(row.id, []).append(row)
    rates = {
        id_: sum(row.character_errors for row in rows) / max(sum(row.characters for row in rows), 1)
        for id_, rows in errors.items()
    }
    ranked = sorted((id_ for id_ in rates if rates[id_]), key=lambda id_: (-rates[id_], id_))[:COUNT]
    shown = []
    for number, id_ in enumerate(ranked):
        clip = folder / "clips" / f"{number}.mp3"
        _write_clip(test[id_].audio, clip)
        place = clip.relative_to(folder).as_posix()
        first = errors[id_][0]
        shown.append(WorstUtterance(id_, first.speaker, rates[id_], first.reference, _hypotheses(arms, id_), place))
    return shown


def _hypotheses(arms: Sequence[ArmResult], id_: str) -> tuple[LineHypothesis, ...]:
    """What the first seed of each line made of an utterance."""
    return tuple(
        LineHypothesis(
            line.name, line.minutes, next(row.hypothesis for row in line.first.test.per_utterance if row.id == id_)
        )
        for line in lines_of(arms)
    )


def _write_clip(audio: Path, clip: Path) -> None:
    import soundfile

    clip.parent.mkdir(parents=True, exist_ok=True)
    samples = load_audio(audio)[: int(LONGEST_SECONDS * SAMPLE_RATE)]
    soundfile.write(clip, samples, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
