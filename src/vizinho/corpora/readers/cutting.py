"""Cuts utterances out of long recordings, for sources that give each one's start and end."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vizinho.audio.blocks import read_blocks
from vizinho.audio.io import SAMPLE_RATE
from vizinho.corpora.readers.base import store_clip
from vizinho.errors import AudioError, CorpusError

_OVERHANG_SECONDS = 0.5  # a segment may end this long after its recording: labels are rounded
_SAMPLE_BYTES = 4


class Cutter:
    """Writes pieces of recordings as FLAC files into one folder.

    A recording is decoded once, block by block, into a temporary file on the disk of that folder: hours of audio take
    no memory, and pieces may come in any order. The last recording stays decoded.
    """

    def __init__(self, audio_dir: Path) -> None:
        self._audio_dir = audio_dir
        self._path: Path | None = None
        self._fault: AudioError | None = None
        self._samples = -1  # descriptor of the temporary file
        self._channels, self._count = 1, 0

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
        self._decode(recording, where)
        length_seconds = self._count / SAMPLE_RATE
        end = length_seconds if end_seconds is None else end_seconds
        if not 0 <= start_seconds < min(end, length_seconds) or end > length_seconds + _OVERHANG_SECONDS:
            raise CorpusError(
                f"segment {start_seconds:g} to {end:g} s does not lie in the {length_seconds:.2f} s of {recording}",
                where=where,
                fix="correct the times or leave the row out",
            )
        if channel is not None and not 0 <= channel < self._channels:
            what = f"channel {channel} of a recording with {self._channels} (counted from 0): {recording}"
            raise CorpusError(what, where=where, fix="correct the channel")
        piece = self._read(round(start_seconds * SAMPLE_RATE), round(end * SAMPLE_RATE))
        mono = piece.mean(axis=1, dtype=np.float32) if channel is None else piece[:, channel]
        return store_clip(self._audio_dir, utterance_id, mono, SAMPLE_RATE)

    def _read(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Samples of all channels, (N, channels), up to `last` or the end."""
        frame = self._channels * _SAMPLE_BYTES
        data = os.pread(self._samples, (min(last, self._count) - first) * frame, first * frame)
        return np.frombuffer(data, np.float32).reshape(-1, self._channels)

    def _decode(self, recording: Path, where: str) -> None:
        """Decode a recording to the temporary file, unless it is there already. Raises CorpusError."""
        if recording != self._path:
            self._path, self._fault, self._count = recording, None, 0
            self._clear()
            try:
                with open(self._samples, "wb", closefd=False) as file:
                    for block in read_blocks(recording):
                        self._channels, self._count = block.shape[0], self._count + block.shape[1]
                        file.write(block.T.tobytes())  # (channels, N) to frames
            except AudioError as error:
                self._fault = error  # a broken recording is not decoded again for each of its rows
        if self._fault is not None:
            raise CorpusError(self._fault.what, where=f"{where} ({recording})", fix=self._fault.fix)

    def _clear(self) -> None:
        """Empty the temporary file; it has no name, so nothing is left of it when the process ends."""
        if self._samples < 0:
            self._audio_dir.mkdir(parents=True, exist_ok=True)
            self._samples, name = tempfile.mkstemp(dir=self._audio_dir)
            Path(name).unlink()
            weakref.finalize(self, os.close, self._samples)
        os.ftruncate(self._samples, 0)
        os.lseek(self._samples, 0, os.SEEK_SET)
