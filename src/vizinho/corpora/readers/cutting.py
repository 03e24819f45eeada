"""Cuts utterances out of long recordings, for sources that give each one's start and end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vizinho.audio.blocks import read_blocks
from vizinho.audio.io import SAMPLE_RATE
from vizinho.corpora.readers.base import store_clip
from vizinho.errors import AudioError, CorpusError

Channels = npt.NDArray[np.float32]
"""16 kHz samples, shape (N, channels)."""
_OVERHANG_SECONDS = 0.5  # a segment may end this long after its recording: labels are rounded


class Cutter:
    """Writes pieces of recordings as FLAC files into one folder.

    A recording is decoded once, block by block, into a temporary file on the disk of that folder: hours of audio take
    no memory, and pieces may come in any order. The last recording stays decoded.
    """

    def __init__(self, audio_dir: Path) -> None:
        self._audio_dir = audio_dir
        self._path: Path | None = None
        self._fault: AudioError | None = None
        self._samples: Channels = np.zeros((0, 1), dtype=np.float32)

    def __call__(
        self,
        recording: Path,
        start_seconds: float,
        end_seconds: float | None,
        utterance_id: str,
        where: str,
        channel: int | None = None,
    ) -> tuple[Path, float]:
        """Write one piece, to the end for None, of one channel (from 0) or of their mean; returns file and seconds.

        Raises CorpusError naming the row.
        """
        samples = self._decoded(recording, where)
        length_seconds = len(samples) / SAMPLE_RATE
        end = length_seconds if end_seconds is None else end_seconds
        if not 0 <= start_seconds < min(end, length_seconds) or end > length_seconds + _OVERHANG_SECONDS:
            raise CorpusError(
                f"segment {start_seconds:g} to {end:g} s does not lie in the {length_seconds:.2f} s of {recording}",
                where=where,
                fix="correct the times or leave the row out",
            )
        if channel is not None and not 0 <= channel < samples.shape[1]:
            what = f"channel {channel} of a recording with {samples.shape[1]} (counted from 0): {recording}"
            raise CorpusError(what, where=where, fix="correct the channel")
        # Only these samples are read from the disk.
        piece = samples[round(start_seconds * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
        mono = piece.mean(axis=1, dtype=np.float32) if channel is None else piece[:, channel]
        return store_clip(self._audio_dir, utterance_id, mono, SAMPLE_RATE)

    def _decoded(self, recording: Path, where: str) -> Channels:
        """All samples, (N, channels), as a view of a file that disappears with it."""
        if recording != self._path:
            self._path, self._fault = recording, None
            self._audio_dir.mkdir(parents=True, exist_ok=True)
            try:
                with tempfile.TemporaryFile(dir=self._audio_dir) as file:
                    for block in read_blocks(recording):
                        channels = block.shape[0]
                        file.write(np.ascontiguousarray(block.T).tobytes())
                    file.flush()
                    self._samples = np.memmap(file, np.float32, mode="r").reshape(-1, channels)
            except AudioError as error:
                self._fault = error  # a broken recording is not decoded again for each of its rows
        if self._fault is not None:
            raise CorpusError(self._fault.what, where=f"{where} ({recording})", fix=self._fault.fix)
        return self._samples
