"""What a live stream's client may change while it is open."""

from pathlib import Path

import pytest

from vizinho.records import Word
from vizinho.server.protocols.deepgram import check_extras
from vizinho.server.protocols.deepgram_live import LiveMessages, read_query
from vizinho.server.security.refusals import Refusal
from vizinho.server.served import ServedModel
from vizinho.server.workers.messages import StreamEvent, StreamReport

MODEL = ServedModel("es-demo", 1, Path("es-demo"), "es")
WORDS = tuple(Word(text, float(i), i + 0.9, 0.5) for i, text in enumerate(["tengo", "veintiún", "libros", "caros"]))
RAW = [("encoding", "linear16"), ("sample_rate", "16000")]


def messages_of(*pairs, profane=None, warnings=()):
    return LiveMessages(read_query([*RAW, *pairs]), "id-1", MODEL, profane, warnings)


def text_of(messages):
    report = StreamReport(1, MODEL, (StreamEvent("final", 0, 4.0, WORDS, True),), 4.0)
    return messages.results(report)[0]["channel"]["alternatives"][0]["transcript"]


@pytest.mark.parametrize("name", ["callback", "search", "redact"])
def test_what_only_recordings_can_have_is_refused_in_streams(name):
    query = read_query([*RAW, (name, "http://127.0.0.1/here")])
    with pytest.raises(Refusal) as refused:
        check_extras(query.model_extra)
    assert (refused.value.status, refused.value.parameter) == (400, name)


def test_metadata_names_what_changed_nothing():
    warnings = check_extras(read_query([*RAW, ("dictation", "true"), ("made_up", "1")]).model_extra)
    metadata = messages_of(warnings=warnings).closed(StreamReport(1, MODEL, (), 4.0, bad_packets=2))[-1]
    assert [w["parameter"] for w in metadata["warnings"]] == ["dictation", "made_up", "encoding"]
    assert "warnings" not in messages_of().closed(StreamReport(1, MODEL, (), 4.0))[-1]


def test_configure_changes_keyterms_and_features():
    messages = messages_of(
        ("keyterm", "casa"), ("keywords", "pan:2"), ("endpointing", "false"), profane=frozenset({"caros"})
    )
    assert text_of(messages) == "tengo veintiún libros caros"
    features = {"numerals": True, "profanity_filter": True}
    changed = messages.configuration({"type": "Configure", "keyterms": ["mesa"], "features": features})
    assert dict(changed.favoured) == {"pan": 10.0, "mesa": 5.0} and changed.pause_seconds == float("inf")
    assert messages.in_digits and text_of(messages) == "tengo veintiún libros caros"  # until the worker has taken it
    assert messages.configured() == {"type": "ConfigureSuccess", "request_id": "id-1", "keyterms": ["mesa"]}
    assert text_of(messages) == "tengo 21 libros c****"
    assert dict(messages.configuration({"keyterms": None, "features": {"numerals": False}}).favoured)["mesa"] == 5.0
    assert "keyterms" not in messages.configured() and text_of(messages) == "tengo veintiún libros c****"


@pytest.mark.parametrize(
    "wrong",
    [{"keyterms": "casa"}, {"features": {"dance": True}}, {"features": {"profanity_filter": True}}, {"features": 1}],
    ids=["no list", "unknown", "no words to mask", "no object"],
)
def test_what_configure_refuses_changes_nothing(wrong):
    messages = messages_of(("keyterm", "casa"), ("numerals", "true"))
    with pytest.raises(Refusal) as refused:
        messages.configuration(wrong)
    assert messages.configured(refused.value)["type"] == "ConfigureFailure"
    assert dict(messages.configuration({}).favoured) == {"casa": 5.0} and text_of(messages) == "tengo 21 libros caros"
