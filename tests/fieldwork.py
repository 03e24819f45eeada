"""Small field recordings with transcripts, as tests need them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from vizinho.corpora.readers import configured
from vizinho.corpora.tiers import Choice
from vizinho.corpora.turns import FieldOptions, Note
from vizinho.errors import VizinhoError
from vizinho.records import Utterance

RATE = 16_000


def recording(path: Path, seconds: float = 10.0, channels: int = 1) -> Path:
    """A recording in which second n has the pitch (n + 1) * 100 Hz, and an octave more in each further channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch_hz = (np.floor(time) + 1) * 100
    tracks = [0.3 * np.sin(2 * np.pi * pitch_hz * 2**channel * time) for channel in range(channels)]
    soundfile.write(path, np.stack(tracks, axis=1), RATE)
    return path


def pitch_of(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / samples.size)


class Reading:
    """What a reader made of a source: utterances, problems, notes and the choice of tiers."""

    def __init__(self, kind: str, source: Path, lang: str = "pt", split: str | None = None, **options: object) -> None:
        self.problems: list[VizinhoError] = []
        self.notes: list[Note] = []
        choices: list[Choice] = []
        read = configured(kind, FieldOptions(**options), self.notes.append, choices.append)
        audio_dir = source.parent / f"{source.name}-audio"
        self.utterances: list[Utterance] = list(
            read(source, lang=lang, split=split, audio_dir=audio_dir, on_problem=self.problems.append)
        )
        self.choice = choices[0] if choices else None

    @property
    def texts(self) -> list[str]:
        return [u.text for u in self.utterances]

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(u.speaker, u.text) for u in self.utterances]

    def noted(self, kind: str) -> list[str]:
        return [note.detail for note in self.notes if note.kind == kind]

    @property
    def faults(self) -> list[str]:
        return [str(problem) for problem in self.problems]


def eaf(path: Path, tiers: Sequence[tuple[str, str, Sequence[tuple[float, float, str]]]], media: str = "") -> Path:
    """An ELAN file as pympi writes it, of (tier, participant, [(start, end, text)])."""
    import pympi

    document = pympi.Eaf()
    document.remove_tier("default")
    if media:
        document.add_linked_file(media, media, "audio/x-wav")
    for name, participant, spans in tiers:
        document.add_tier(name, part=participant or None)
        for start, end, text in spans:
            document.add_annotation(name, round(start * 1000), round(end * 1000), text)
    path.parent.mkdir(parents=True, exist_ok=True)
    document.to_file(path)
    return path
