"""Pieces of long recordings, one after another or in any order, of one channel or of their mean."""

from __future__ import annotations

import numpy as np
import pytest
from fieldwork import pitch_of, recording

from vizinho.audio import blocks
from vizinho.audio.io import load_audio
from vizinho.corpora.readers import cutting
from vizinho.corpora.readers.cutting import Cutter
from vizinho.errors import CorpusError


def test_a_recording_is_decoded_once_whatever_the_order(tmp_path, monkeypatch):
    opened = []

    def counted(path):
        opened.append(path)
        return blocks.read_blocks(path)

    monkeypatch.setattr(cutting, "read_blocks", counted)
    long = recording(tmp_path / "v.flac")
    cut = Cutter(tmp_path / "cut")
    for second in (7, 2, 9, 0):
        path, seconds = cut(long, second, second + 1, f"s{second}", "here")
        assert (seconds, pitch_of(load_audio(path))) == (1.0, (second + 1) * 100)
    assert len(opened) == 1
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == ["s0.flac", "s2.flac", "s7.flac", "s9.flac"]


def test_channels(tmp_path):
    long = recording(tmp_path / "v.wav", channels=2)
    cut = Cutter(tmp_path / "cut")
    left, right, mean = (load_audio(cut(long, 3, 4, f"c{c}", "here", c)[0]) for c in (0, 1, None))
    assert (pitch_of(left), pitch_of(right)) == (400, 800)
    np.testing.assert_allclose(mean, (left + right) / 2, atol=1e-4)
    with pytest.raises(CorpusError, match=r"row 7: channel 2 of a recording with 2"):
        cut(long, 3, 4, "c2", "row 7", 2)


def test_a_broken_recording_is_opened_once(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(cutting, "read_blocks", lambda path: opened.append(path) or blocks.read_blocks(path))
    (tmp_path / "v.wav").write_bytes(b"RIFF")
    cut = Cutter(tmp_path / "cut")
    for row in ("row 1", "row 2"):
        with pytest.raises(CorpusError, match=f"{row}.*cannot decode"):
            cut(tmp_path / "v.wav", 0, 1, "x", row)
    assert len(opened) == 1
