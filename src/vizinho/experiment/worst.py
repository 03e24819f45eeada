"""The utterances that are recognised worst, with short clips of their audio to listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.experiment.results import lines_of
from vizinho.experiment.spec import ExperimentSpec

COUNT = 8
"""Utterances that are shown."""
LONGEST_SECONDS = 15.0
"""Longer ones are cut, so that a page with all clips stays small."""


def worst_utterances(spec: ExperimentSpec, arms: Sequence[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The utterances with the most character errors a letter over all arms, what each line heard, and a clip.

    Clips are MP3, which every browser plays, under `folder`/clips; recordings stay out of results.json, which may be
    published where they may not.
    """
    test = {u.id: u for path in spec.corpora for u in read_manifest(path) if u.split == "test"}
    totals: dict[str, list[int]] = {id_: [0, 0] for id_ in test}
    for arm in arms:
        for row in arm["test"]["per_utterance"]:
            totals[row["id"]][0] += row["character_errors"]
            totals[row["id"]][1] += row["characters"]
    rates = {id_: errors / max(characters, 1) for id_, (errors, characters) in totals.items()}
    worst = sorted((id_ for id_ in rates if rates[id_]), key=lambda id_: (-rates[id_], id_))[:COUNT]
    made = []
    for number, id_ in enumerate(worst):
        clip = folder / "clips" / f"{number}.mp3"
        _write_clip(test[id_].audio, clip)
        made.append(
            {
                "id": id_,
                "speaker": test[id_].speaker,
                "cer": rates[id_],
                "reference": next(r["reference"] for r in arms[0]["test"]["per_utterance"] if r["id"] == id_),
                "heard": _heard(arms, id_),
                "clip": clip.relative_to(folder).as_posix(),
            }
        )
    return made


def _heard(arms: Sequence[dict[str, Any]], id_: str) -> list[dict[str, Any]]:
    """What the first seed of each line made of an utterance."""
    return [
        {
            "line": line.name,
            "minutes": line.minutes,
            "hypothesis": next(r["hypothesis"] for r in line.arms[0]["test"]["per_utterance"] if r["id"] == id_),
        }
        for line in lines_of(arms)
    ]


def _write_clip(audio: Path, clip: Path) -> None:
    import soundfile

    clip.parent.mkdir(parents=True, exist_ok=True)
    samples = load_audio(audio)[: int(LONGEST_SECONDS * SAMPLE_RATE)]
    soundfile.write(clip, samples, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
