"""Cuts utterances out of long recordings, for sources that give each one's start and end."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.readers.base import store_clip
from vizinho.errors import AudioError, CorpusError

_OVERHANG_SECONDS = 0.5  # a segment may end this long after its recording: labels are rounded


class Cutter:
    """Writes pieces of recordings as FLAC files into one folder; caches the last decoded recording."""

    def __init__(self, audio_dir: Path) -> None:
        self._audio_dir = audio_dir
        self._path: Path | None = None
        self._samples: Waveform = np.zeros(0, dtype=np.float32)

    def __call__(
        self, recording: Path, start_seconds: float, end_seconds: float | None, utterance_id: str, where: str
    ) -> tuple[Path, float]:
        """Write one piece (to the end for None); returns its file and seconds. Raises CorpusError naming the row."""
        samples = self._decoded(recording, where)
        length_seconds = samples.size / SAMPLE_RATE
        end = length_seconds if end_seconds is None else end_seconds
        if not 0 <= start_seconds < min(end, length_seconds) or end > length_seconds + _OVERHANG_SECONDS:
            raise CorpusError(
                f"segment {start_seconds:g} to {end:g} s does not lie in the {length_seconds:.2f} s of {recording}",
                where=where,
                fix="correct the times or leave the row out",
            )
        piece = samples[round(start_seconds * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
        return store_clip(self._audio_dir, utterance_id, piece, SAMPLE_RATE)

    def _decoded(self, recording: Path, where: str) -> Waveform:
        if recording != self._path:
            try:
                self._path, self._samples = recording, load_audio(recording)
            except AudioError as error:
                self._path = None
                raise CorpusError(error.what, where=f"{where} ({recording})", fix=error.fix) from error
        return self._samples
