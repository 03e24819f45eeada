import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.records import Word
from vizinho.server.protocols.flux import FluxMessages, confidence_of_end, pause_for, read_flux_query
from vizinho.server.security.refusals import Refusal
from vizinho.server.served import ServedModel
from vizinho.server.workers.messages import StreamEvent, StreamReport

RAW = [("encoding", "linear16"), ("sample_rate", "16000")]
KINDS = ("speech_started", "partial", "paused", "resumed", "final", "utterance_end")


@given(st.floats(0.01, 0.99))
def test_a_pause_is_as_long_as_its_confidence_wants(confidence):
    assert confidence_of_end(pause_for(confidence)) == pytest.approx(confidence)


def messages_of(*pairs):
    return FluxMessages(read_flux_query([*RAW, *pairs]), "id-1")


def report(*events, seconds=0.0):
    return StreamReport(1, ServedModel("es", 1, None, "es"), tuple(events), seconds)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.booleans()), max_size=40), st.booleans())
def test_turns_start_once_end_once_and_say_nothing_between(drawn, eager):
    messages = messages_of(*([("eager_eot_threshold", "0.5")] if eager else []))
    sent = messages.opened()
    for at, (kind, count, paused) in enumerate(drawn):
        words = tuple(Word(f"w{i}", at + i / 10, at + i / 10 + 0.05, 0.5) for i in range(count))
        sent += messages.results(report(StreamEvent(kind, 0, at + 1.0, words, paused)))
    sent += messages.closed(report(seconds=99.0))
    assert [m["sequence_id"] for m in sent] == list(range(len(sent)))
    open_turn, resumable, turn = False, False, 0
    for message in sent[1:]:
        json.dumps(message)
        event = message["event"]
        assert message["turn_index"] == turn and message["transcript"]
        assert (event == "StartOfTurn") is not open_turn
        assert ("trigger" in message) is (event == "EndOfTurn")
        assert event != "TurnResumed" or resumable
        assert event != "EagerEndOfTurn" or eager
        resumable = event == "EagerEndOfTurn" or (resumable and event == "Update")
        open_turn = event != "EndOfTurn"
        turn += event == "EndOfTurn"
    assert not open_turn


def test_a_last_result_without_words_ends_the_turn_with_those_that_are_final():
    messages, first, guess = messages_of(), Word("bom", 0.0, 0.3, 0.9), Word("dias", 0.4, 0.6, 0.2)
    messages.results(report(StreamEvent("final", 0, 0.3, (first,)), StreamEvent("partial", 0, 0.7, (guess,))))
    (end,) = messages.results(report(StreamEvent("final", 0, 1.5, (), paused=True)))
    assert (end["event"], end["transcript"]) == ("EndOfTurn", "Bom.")


@pytest.mark.parametrize(
    ("pairs", "parameter"),
    [
        ([("eot_threshold", "0.2")], "eot_threshold"),
        ([("eager_eot_threshold", "0.95")], "eager_eot_threshold"),
        ([("eot_timeout_ms", "5")], "eot_timeout_ms"),
        ([("eot_threshold", "nan")], "eot_threshold"),
        ([("encoding", "speex")], "encoding"),
    ],
)
def test_wrong_parameters_are_named(pairs, parameter):
    with pytest.raises(Refusal) as refused:
        read_flux_query([*[pair for pair in RAW if pair[0] != pairs[0][0]], *pairs])
    assert (refused.value.status, refused.value.parameter) == (400, parameter)


def test_what_configure_refuses_changes_nothing():
    messages = messages_of(("keyterm", "casa"))
    before = messages.configuration({})
    for wrong in ({"thresholds": {"eot_threshold": 3}}, {"thresholds": {"speed": 1}}, {"keyterms": "casa"}):
        with pytest.raises(Refusal):
            messages.configuration(wrong)
    assert messages.configuration({}) == before and before.favoured[0][0] == "casa"
    messages.configuration({"thresholds": {"eot_threshold": 0.9}, "keyterms": []})
    assert messages.configured()["thresholds"]["eot_threshold"] == 0.9
    assert messages.configuration({}).favoured == ()


def test_turns_have_numbers_in_digits_and_words_masked():
    query = read_flux_query([*RAW, ("numerals", "true"), ("profanity_filter", "true")])
    with pytest.raises(Refusal, match="no list"):
        FluxMessages(query, "id-1", "es")
    messages = FluxMessages(query, "id-1", "es", frozenset({"caros"}))
    spoken = tuple(Word(t, float(i), i + 0.9, 0.5) for i, t in enumerate(["tengo", "veinte", "libros", "caros"]))
    (_, turn) = messages.results(StreamReport(1, None, (StreamEvent("final", 0, 4.0, spoken, True),), 4.0))
    assert turn["event"] == "EndOfTurn" and turn["transcript"] == "Tengo 20 libros c****."
    assert [word["word"] for word in turn["words"]] == turn["transcript"].split()
