from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from tones import Loudness, tone_speech

from vizinho.audio.io import SAMPLE_RATE
from vizinho.decoding.beam import BeamDecoder
from vizinho.decoding.greedy import greedy
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.setup import DecoderSpec
from vizinho.errors import SpecError
from vizinho.recognition import recognizer as recognizing
from vizinho.recognition.cutting import Cutter, Piece
from vizinho.recognition.recognizer import Recognizer, TranscribeOptions, batches
from vizinho.recognition.segments import joined
from vizinho.records import Word
from vizinho.text.tokens import TokenInventory


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


def test_blocks_and_whole_samples_give_the_same_transcript_however_long(tone_model, monkeypatch):
    monkeypatch.setattr(recognizing, "Cutter", lambda options: Cutter(options, Loudness()))
    recognizer = Recognizer.load(tone_model, "torch")
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    for count in (2, 40):
        audio = np.concatenate([part for n in range(count) for part in (tone_speech("abc def", seed=n), pause)])
        assert (audio.size > 20 * SAMPLE_RATE) == (count == 40)
        whole = recognizer.transcribe(audio, "x")
        assert recognizer.transcribe((audio[i : i + 7777] for i in range(0, audio.size, 7777)), "x") == whole
        assert whole.duration_seconds == audio.size / SAMPLE_RATE
        (acoustics,) = recognizer.log_probs([audio], ["x"])
        assert recognizer.decode(acoustics) == whole
        assert len(acoustics.pieces) == (1 if count == 2 else 40)


def test_alternatives_are_the_best_ways_through_all_pieces(tone_model, monkeypatch):
    """Against all combinations of the pieces' hypotheses."""
    monkeypatch.setattr(recognizing, "Cutter", lambda options: Cutter(options, Loudness()))
    options = TranscribeOptions(cut_above_seconds=0.5, n_best=4)
    recognizer = Recognizer.load(tone_model, "torch", options, search=DecoderSpec(options=BeamOptions(lm_weight=0.0)))
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    audio = np.concatenate([tone_speech("abc"), pause, tone_speech("fed"), pause])
    (acoustics,) = recognizer.log_probs([audio])
    assert len(acoustics.pieces) == 2
    first, second = (recognizer.decoder.n_best(p.output, 4) for p in acoustics.pieces)
    ways = {}
    for a, b in product(first, second):
        text = f"{a.text} {b.text}".strip()
        ways[text] = max(a.score + b.score, ways.get(text, -np.inf))
    expected = sorted(ways.values(), reverse=True)[:4]
    transcript = recognizer.transcribe(audio)
    assert [a.score for a in transcript.n_best] == pytest.approx(expected)
    assert len({a.text for a in transcript.n_best}) == 4
    assert transcript.text == transcript.n_best[0].text
    with pytest.raises(SpecError, match="need a beam search"):
        recognizer.with_decoder(None).transcribe(audio)


def test_audio_is_cut_to_what_the_network_has_positions_for(monkeypatch):
    class Short:
        max_seconds, frame_seconds, blank = 3.0, 0.04, 0
        inventory = TokenInventory(("_", "a"), ("blank", "letter"))

        def log_probs(self, waveforms):
            assert all(w.size <= 3.0 * SAMPLE_RATE for w in waveforms)
            return [np.log(np.full((w.size // 640, 2), 0.5, np.float32)) for w in waveforms]

    monkeypatch.setattr(recognizing, "Cutter", lambda options: Cutter(options, Loudness()))
    recognizer = Recognizer(Short())
    (acoustics,) = recognizer.log_probs([tone_speech("abcdef" * 20)])
    assert len(acoustics.pieces) > 4
    assert len(recognizer.log_probs([tone_speech("abcdef" * 4)])[0].pieces) == 1


class Spelling:
    """An engine of four tokens that gives what it is told."""

    inventory = TokenInventory(("<pad>", "a", "B", "|", "."), ("blank", "letter", "letter", "space", "letter"))
    blank, frame_seconds, max_seconds = 0, 0.04, None


def test_a_search_writes_capitals_and_marks_and_a_pause_parts_words():
    recognizer = Recognizer(Spelling())
    searching = recognizer.with_decoder(BeamDecoder(Spelling.inventory, BeamOptions(lm_weight=0.0)))
    for tokens, texts in (([2, 0, 1, 4, 3, 1], ["Ba.", "a"]), ([1, *[0] * 30, 2], ["a", "B"])):
        log_probs = np.full((len(tokens), 5), np.log(0.01), np.float32)
        log_probs[np.arange(len(tokens)), tokens] = np.log(0.96)
        assert [w.text for w in searching.words_of(log_probs, 0.0)] == texts
        assert searching.words_of(log_probs, 0.0) == recognizer.words_of(log_probs, 0.0)
