from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tones import tone_speech

from vizinho.audio.io import SAMPLE_RATE
from vizinho.decoding.greedy import greedy
from vizinho.errors import SpecError
from vizinho.recognition.cutting import Piece
from vizinho.recognition.recognizer import Recognizer, batches, joined
from vizinho.records import Word


def word(text, start, end):
    return Word(text, start, end, 1.0)


def piece(start, end, overlap=0.0):
    samples = np.zeros(round((end - start) * SAMPLE_RATE), np.float32)
    return Piece(round(start * SAMPLE_RATE), samples, overlap_samples=round(overlap * SAMPLE_RATE))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([word("uno", 8.0, 8.5), word("dos", 9.4, 9.9)], [word("dos", 9.4, 9.9), word("tres", 10.5, 11.0)]),
        ([word("uno", 8.0, 8.5), word("dos", 9.8, 10.4)], [word("dos", 9.5, 10.2), word("tres", 10.5, 11.0)]),
        ([word("uno", 8.0, 8.5), word("dos", 9.96, 10.0)], [word("dos", 10.0, 10.04), word("tres", 10.5, 11.0)]),
        ([word("uno", 8.0, 8.5)], [word("dos", 9.5, 10.2), word("tres", 10.5, 11.0)]),
        ([word("uno", 8.0, 8.5), word("dos", 9.4, 9.9), word("tres", 10.5, 11.0)], [word("tres", 10.5, 11.0)]),
    ],
)
def test_a_word_on_a_cut_is_neither_lost_nor_doubled(left, right):
    pieces = [(piece(0.0, 11.0, overlap=2.0).until_seconds, left), (piece(9.0, 15.0).until_seconds, right)]
    assert [w.text for w in joined(pieces)] == ["uno", "dos", "tres"]


def test_a_word_that_is_said_twice_stays_twice():
    pieces = [(piece(0.0, 2.0), word("sí", 1.0, 1.4)), (piece(2.0, 4.0), word("sí", 2.2, 2.6))]
    assert len(joined((p.until_seconds, [w]) for p, w in pieces)) == 2


def test_batches_hold_every_piece_once_within_the_limit():
    sizes = [int(s) for s in np.random.default_rng(1).integers(1, 20 * SAMPLE_RATE, 60)]
    made = list(batches(sizes, 30.0))
    assert sorted(i for b in made for i in b) == list(range(60))
    assert all(max(sizes[i] for i in b) * len(b) <= 30 * SAMPLE_RATE for b in made)


@pytest.fixture(scope="module")
def recognizer(tone_model):
    return Recognizer.load(tone_model, "torch")


def test_words_have_times_and_segments_hold_all_words(recognizer):
    found = recognizer.transcribe(tone_speech("abc dabc"), "x")
    assert found.id == "x"
    assert found.text
    assert [w for s in found.segments for w in s.words] == list(found.words)
    for w in found.words:
        assert 0.0 <= w.start_seconds < w.end_seconds <= found.duration_seconds + 0.04
        assert 0.0 < w.confidence <= 1.0


def test_nothing_and_one_sample_are_transcribed_as_nothing_said(recognizer):
    for size in (0, 1):
        found = recognizer.transcribe(np.zeros(size, np.float32))
        assert found.duration_seconds == size / SAMPLE_RATE


def test_one_recognizer_serves_many_threads(recognizer):
    waveforms = [tone_speech(text, seed=i) for i, text in enumerate(["abc de", "fed", "cab bad", "ef"] * 6)]
    alone = [recognizer.transcribe(w).text for w in waveforms]
    with ThreadPoolExecutor(4) as pool:
        assert [t.text for t in pool.map(recognizer.transcribe, waveforms)] == alone
    assert [t.text for t in recognizer.transcribe_many(waveforms)] == alone


def test_a_decoder_of_ones_own_is_used_and_entered_by_one_thread_at_a_time(tone_model):
    inside = []

    def decoder(frames):
        inside.append(1)
        assert len(inside) == 1
        emissions = greedy(frames, own.engine.blank)
        inside.pop()
        return emissions[:1]

    own = Recognizer.load(tone_model, "torch").with_decoder(decoder)
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda i: own.transcribe(tone_speech("abc de", seed=i)).text, range(8)))
    assert all(len(text) <= 1 for text in texts)


def test_unknown_engine(tone_model):
    with pytest.raises(SpecError, match="use onnx or torch"):
        Recognizer.load(tone_model, "tensorflow")
