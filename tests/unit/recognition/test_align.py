"""Placements are in order, apart and inside the recording, whatever is missing, and windows change nothing."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vizinho.audio.io import SAMPLE_RATE
from vizinho.decoding.alignment import Observed
from vizinho.errors import CorpusError
from vizinho.recognition import align
from vizinho.recognition.align import Columns, Frames, null_deficit, observe, place
from vizinho.recognition.recognizer import PieceOutput

BLANK, SPACE, LETTERS, TOKENS = 0, 1, range(2, 26), 26
STEP = 0.04


def sentences(rng, count):
    return [np.array(rng.choice(LETTERS, size=rng.integers(12, 30)), np.int64) for _ in range(count)]


def recording(rng, texts, noise=1.5):
    """Frames in which texts are spoken, two frames a letter, with pauses between; and the seconds of each."""
    rows, starts, pauses, places, now = [], [], [], [], 0.0

    def add(token, seconds):
        nonlocal now
        row = np.where(np.arange(TOKENS) == token, 0.0, -6.0 + rng.normal(0, noise, TOKENS))
        rows.append(np.minimum(row, 0.0) - min(0.0, float(row.max())))
        starts.append(now)
        pauses.append(token is None)
        now += seconds

    for tokens in texts:
        add(None, float(rng.uniform(0.3, 1.0)))
        begin = now
        for token in tokens:
            add(token, STEP)
            add(BLANK, STEP)
        places.append((begin, now))
    add(None, 0.5)
    deficits = np.array(rows, np.float32)
    deficits -= deficits.max(axis=1, keepdims=True)
    deficits[pauses] = 0.0
    observed = Observed(deficits, np.array(pauses), BLANK)
    return Frames(observed, np.array(starts), np.array([*starts[1:], now])), places


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 15), st.sets(st.integers(0, 14)), st.sets(st.integers(0, 14)))
@pytest.mark.parametrize("window", [5.0, 1e6], ids=["windows", "whole"])
def test_placements_are_in_order_apart_and_inside(monkeypatch, window, seed, count, unwritten, unspoken):
    monkeypatch.setattr(align, "_WINDOW_SECONDS", window)
    rng = np.random.default_rng(seed)
    texts = sentences(rng, count)
    frames, _ = recording(rng, [t for n, t in enumerate(texts) if n not in unspoken] or texts[:1])
    written = [t for n, t in enumerate(texts) if n not in unwritten]
    if sum(t.size for t in written) > (~frames.observed.is_pause).sum():
        return  # refused: another test
    done = 0.0

    def progress(amount, _note=""):
        nonlocal done
        done += amount

    placed = place(frames, written, {SPACE}, progress)
    assert len(placed) == len(written)
    placements = [p for p in placed if p is not None]
    assert all(0 <= p.start_seconds < p.end_seconds <= frames.ends[-1] for p in placements)
    assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(placements))
    assert all(0 <= p.confidence <= 1 for p in placements)
    assert done <= len(frames.starts)


def test_windows_place_what_the_whole_search_places(monkeypatch):
    rng = np.random.default_rng(5)
    texts = sentences(rng, 60)
    # Sentences are missing here and there on both sides; where many are, others take their room with low scores.
    spoken = [n for n in range(60) if n % 9]
    written = [n for n in range(60) if n % 7]
    frames, places = recording(rng, [texts[n] for n in spoken])
    whole = place(frames, [texts[n] for n in written], {SPACE})
    monkeypatch.setattr(align, "_WINDOW_SECONDS", 60.0)
    windowed = place(frames, [texts[n] for n in written], {SPACE})
    right = 0
    for number, one, other in zip(written, whole, windowed, strict=True):
        sure = one is not None and one.evidence.score > 0.9
        assert sure == (other is not None and other.evidence.score > 0.9)
        if sure:
            assert other == one
            assert (one.start_seconds, one.end_seconds) == pytest.approx(places[spoken.index(number)], abs=0.1)
            right += 1
    assert right >= 0.9 * len({*spoken} & {*written})


def test_the_search_grows_with_the_length_and_not_with_its_square(monkeypatch):
    """Every window looks at frames and text of its own size, however long the recording is."""
    monkeypatch.setattr(align, "_WINDOW_SECONDS", 20.0)
    cells, search = [], align.align
    monkeypatch.setattr(
        align,
        "align",
        lambda observed, texts, *rest: (
            cells.append(len(observed.is_pause) * sum(t.size for t in texts)) or search(observed, texts, *rest)
        ),
    )
    work = {}
    for count in (40, 160):
        cells.clear()
        rng = np.random.default_rng(2)
        texts = sentences(rng, count)
        frames, _ = recording(rng, texts)
        place(frames, texts, {SPACE})
        work[count] = (sum(cells), max(cells))
    assert work[160][0] < 8 * work[40][0]  # 4 if it were linear to the digit, 16 for a square
    assert work[160][1] < 2 * work[40][1]


def test_a_text_that_cannot_be_spoken_so_fast_is_refused():
    rng = np.random.default_rng(0)
    texts = sentences(rng, 5)
    frames, _ = recording(rng, texts[:1])
    with pytest.raises(CorpusError, match=r"letters do not fit into .* s of speech"):
        place(frames, texts * 2, {SPACE})
    assert null_deficit(frames, texts[:1]) > 2


class Pieces:
    """A recogniser of two overlapping pieces and one apart; every row says which piece it is from."""

    ctc = type("Engine", (), {"frame_seconds": STEP})

    def pieces(self, blocks):
        for _ in blocks:
            pass
        for number, (start, until, count) in enumerate([(1.0, 2.0, 40), (1.6, math.inf, 25), (4.0, math.inf, 10)]):
            output = np.full((count, 4), -9.0, np.float32)
            output[:, number + 1] = 0.0
            yield PieceOutput(output, start, until)


def test_frames_cover_the_recording_once():
    blocks = [np.zeros(SAMPLE_RATE, np.float32)] * 5
    frames = observe(Pieces(), blocks, Columns(np.array([0, 1, 2]), 0, frozenset()))
    assert np.all(np.diff(frames.starts) > 0)
    assert frames.starts[0] == 0.0
    assert np.array_equal(frames.ends[:-1], frames.starts[1:])
    assert frames.ends[-1] == 5.0
    assert frames.observed.is_pause.sum() == 3  # before, between, after
    # The first piece ends where its neighbour takes over; the third piece's column is not in use.
    spoken = ~frames.observed.is_pause
    first, second = (
        frames.starts[spoken & (frames.observed.deficits[:, c] == 0) & (frames.starts < 3)] for c in (1, 2)
    )
    assert first[-1] + STEP / 2 < 2.0 <= second[0] + STEP / 2


def test_a_silent_recording_has_no_frames():
    class Silent(Pieces):
        def pieces(self, blocks):
            return iter(())

    frames = observe(Silent(), [np.zeros(SAMPLE_RATE, np.float32)], Columns(np.array([0, 1]), 0, frozenset()))
    assert frames.speech_seconds == 0.0
