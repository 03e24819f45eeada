from itertools import pairwise

import numpy as np
import pytest
from tones import Loudness, ToneWords, tone_speech

from vizinho.audio.io import SAMPLE_RATE
from vizinho.errors import SpecError
from vizinho.evaluation.score import error_rates
from vizinho.recognition.cutting import CutOptions
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Final, Partial, SpeechStarted, StreamOptions, StreamSession, UtteranceEnd

OPTIONS = StreamOptions(
    partial_seconds=0.2,
    utterance_end_seconds=0.8,
    cutting=CutOptions(silence_seconds=0.3, pad_seconds=0.05, max_seconds=6.0, overlap_seconds=1.0),
)


@pytest.fixture(scope="module")
def transcriber(tone_model):
    return Recognizer.load(tone_model, "torch")


def pause(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def run(transcriber, audio, step=1600, options=OPTIONS):
    session, events = StreamSession(transcriber, options, Loudness()), []
    for start in range(0, audio.size, step):
        events += session.accept(audio[start : start + step])
    return [*events, *session.finish()]


def whole(transcriber, audio, final):
    """What the transcriber hears of a final result's audio without a stream."""
    start, end = round(final.start_seconds * SAMPLE_RATE), round(final.end_seconds * SAMPLE_RATE)
    return transcriber.transcribe(audio[start:end]).text


def error_rate(said, heard):
    """Letters wrong; the tiny network errs now and then, most often at an utterance's ends."""
    return error_rates({0: said}, {0: heard})[0]


def test_events_come_in_order_with_times_of_the_stream(transcriber):
    audio = np.concatenate([pause(1.0), tone_speech("abc def"), pause(2.0), tone_speech("fade bed"), pause(0.5)])
    events = run(transcriber, audio)
    kinds = [type(e) for e in events if not isinstance(e, Partial)]
    assert kinds == [SpeechStarted, Final, UtteranceEnd, SpeechStarted, Final, UtteranceEnd]
    started, final, ended = [e for e in events if not isinstance(e, Partial)][:3]
    assert started.at_seconds == pytest.approx(0.95, abs=0.1)
    assert final.text == whole(transcriber, audio, final)
    assert error_rate("abc def", final.text) < 0.35
    assert final.speech_final
    assert final.words[0].start_seconds == pytest.approx(1.0, abs=0.15)
    assert ended.last_word_end_seconds == final.words[-1].end_seconds
    second = [e for e in events if isinstance(e, Final)][1]
    assert second.text == whole(transcriber, audio, second)
    assert error_rate("fade bed", second.text) < 0.35
    assert second.words[0].start_seconds == pytest.approx(1.0 + 7 * 0.12 + 2.0, abs=0.15)


def test_partial_results_grow_towards_the_final_one(transcriber):
    events = run(transcriber, np.concatenate([tone_speech("deaf face"), pause(1.0)]))
    partials = [e.text for e in events if isinstance(e, Partial)]
    assert len(partials) >= 2
    assert len(partials[0]) < len(partials[-1])
    (final,) = [e for e in events if isinstance(e, Final)]
    assert error_rate("deaf face", final.text) < 0.35


def test_finals_do_not_depend_on_how_the_audio_comes(transcriber):
    audio = np.concatenate([pause(0.5), tone_speech("abc def"), pause(1.0), tone_speech("cafe"), pause(0.2)])
    texts = {
        step: [e.text for e in run(transcriber, audio, step) if isinstance(e, Final)] for step in (333, 1600, 10**6)
    }
    assert len(set(map(tuple, texts.values()))) == 1


def test_finalize_ends_the_utterance_and_the_stream_goes_on(transcriber):
    session = StreamSession(transcriber, OPTIONS, Loudness())
    session.accept(tone_speech("abc def"))
    (final,) = session.finalize()
    assert error_rate("abc def", final.text) < 0.35
    assert not final.speech_final
    assert session.finalize() == []
    session.accept(np.concatenate([pause(0.5), tone_speech("bed cab")]))
    (second,) = [e for e in session.finish() if isinstance(e, Final)]
    assert error_rate("bed cab", second.text) < 0.35


def test_speech_without_end_costs_a_bounded_amount(transcriber):
    """Every sample is decoded a few times at most, and the audio held does not grow."""
    decoded = 0

    class Counting:
        options, engine = transcriber.options, transcriber.engine
        live, writes_words = None, False

        def words(self, piece):
            nonlocal decoded
            decoded += piece.samples.size
            return transcriber.words(piece)

        def hasty(self):
            return self

    audio = np.tile(tone_speech("abcdefabcdef"), 20)
    session, held = StreamSession(Counting(), OPTIONS, Loudness()), []
    finals = []
    for start in range(0, audio.size, 1600):
        finals += [e for e in session.accept(audio[start : start + 1600]) if isinstance(e, Final)]
        held.append(session._cutter._room.size)
    assert decoded < 10 * audio.size
    assert max(held) < 14 * SAMPLE_RATE  # room for twice an utterance
    assert len(finals) >= 4
    assert not any(e.speech_final for e in finals)


def test_no_partials_and_no_utterance_ends_when_not_wanted(transcriber):
    options = StreamOptions(None, None, OPTIONS.cutting)
    events = run(transcriber, np.concatenate([tone_speech("abc def"), pause(2.0)]), options=options)
    assert [type(e) for e in events] == [SpeechStarted, Final]


def test_impossible_options_are_refused():
    with pytest.raises(SpecError):
        StreamOptions(partial_seconds=0.0)
    with pytest.raises(SpecError):
        StreamOptions(utterance_end_seconds=-1.0)


# Networks with a decoder.

SENTENCE = "abc def fade bed cab deaf"


@pytest.fixture(scope="module")
def writer():
    return Recognizer(ToneWords())


def test_words_that_two_decodings_agree_on_are_final_while_the_speech_goes_on(writer):
    audio = np.concatenate([pause(0.5), tone_speech(SENTENCE), pause(1.0)])
    events = run(writer, audio)
    finals = [e for e in events if isinstance(e, Final)]
    assert [w.text for e in finals for w in e.words] == SENTENCE.split()
    assert [e.speech_final for e in finals] == [False] * (len(finals) - 1) + [True]
    assert len(finals) >= 3
    spoken_until = events.index(finals[-1])
    assert all(events.index(e) < spoken_until for e in finals[:-1])
    for first, second in pairwise([w for e in finals for w in e.words]):
        assert first.end_seconds <= second.start_seconds + 0.05


def test_partial_results_hold_only_what_is_not_final_yet(writer):
    events = run(writer, np.concatenate([tone_speech(SENTENCE), pause(1.0)]))
    said = []
    for event in events:
        if isinstance(event, Final):
            said += event.words
        if isinstance(event, Partial) and said:
            assert event.words[0].start_seconds > said[-1].start_seconds
    assert [w.text for w in said] == SENTENCE.split()


def test_the_last_result_comes_even_if_all_words_were_final_before(writer):
    """Speech that ends while its last word is agreed on: clients wait for the result that ends the sentence."""
    audio = np.concatenate([tone_speech("abc def"), 0.06 * tone_speech("          "), pause(1.0)])
    finals = [e for e in run(writer, audio) if isinstance(e, Final)]
    assert finals[-1].speech_final
    assert [w.text for e in finals for w in e.words][:2] == ["abc", "def"]


def test_nothing_is_final_early_where_no_partial_results_are_wanted(writer):
    options = StreamOptions(None, None, OPTIONS.cutting)
    (final,) = run(writer, np.concatenate([tone_speech(SENTENCE), pause(1.0)]), options=options)[1:]
    assert final.text == SENTENCE


def test_speech_cut_for_its_length_is_written_once(writer):
    text = " ".join(["abc", "def", "fade", "bed"] * 6)
    events = run(writer, np.concatenate([tone_speech(text), pause(1.0)]))
    heard = " ".join(e.text for e in events if isinstance(e, Final))
    assert error_rate(text, heard) < 0.1


def test_the_first_words_come_before_half_a_second_and_later_ones_at_their_pace(transcriber):
    audio = np.concatenate([pause(0.5), tone_speech("abc def fade bed"), pause(0.5)])
    options = StreamOptions(partial_seconds=0.8, cutting=OPTIONS.cutting)
    partials = [event.end_seconds for event in run(transcriber, audio, options=options) if isinstance(event, Partial)]
    assert partials[0] <= 0.5 + 0.45
    assert min(later - earlier for earlier, later in pairwise(partials)) >= 0.79
