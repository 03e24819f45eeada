import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.records import Segment, Transcript, Word
from vizinho.server.protocols import openai
from vizinho.server.security.refusals import Refusal

WORDS = (Word("hola", 0.5, 0.8, 0.9), Word("adiós", 4.0, 4.5, 0.7))
SEGMENTS = tuple(Segment(w.start_seconds, w.end_seconds, w.text, w.confidence, (w,)) for w in WORDS)
HEARD = Transcript("", "hola adiós", WORDS, 0.8, 5.2, SEGMENTS)


def fields(**values):
    return openai.read_fields([("model", "es"), *values.items()]).fields


def test_json_is_the_text_and_the_seconds_that_are_counted():
    assert openai.body(fields(), HEARD, "es").model_dump(exclude_none=True) == {
        "text": "hola adiós",
        "usage": {"type": "duration", "seconds": 6},
    }


def test_verbose_json_has_segments_or_words_or_both_as_asked():
    pairs = [("model", "es"), ("response_format", "verbose_json")]
    granularities = [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")]
    plain = openai.body(openai.read_fields(pairs).fields, HEARD, "es")
    words = openai.body(openai.read_fields([*pairs, granularities[0]]).fields, HEARD, "es")
    both = openai.body(openai.read_fields([*pairs, *granularities]).fields, HEARD, "es")
    assert (len(plain.segments), plain.words) == (2, None)
    assert ([w.word for w in words.words], words.segments) == (["hola", "adiós"], None)
    assert len(both.words) == len(both.segments) == 2
    assert both.segments[1].avg_logprob == pytest.approx(math.log(0.7), abs=1e-4)
    assert (both.language, both.duration, both.task) == ("spanish", 5.2, "transcribe")


DIARIZED = [("model", "es"), ("response_format", "diarized_json")]
ANA = [("known_speaker_names[]", "ana"), ("known_speaker_references[]", "data:audio/wav;base64,AAEC")]


def test_known_speakers_have_their_names_and_others_letters():
    asked = openai.read_fields([*DIARIZED, *ANA])
    assert asked.voices == (bytes([0, 1, 2]),) and not asked.ignored
    segments = tuple(
        replace(segment, words=tuple(replace(word, speaker=number) for word in segment.words))
        for segment, number in zip(HEARD.segments, (2, 1), strict=True)
    )
    body = openai.body(asked.fields, replace(HEARD, segments=segments), "es")
    assert [segment.speaker for segment in body.segments] == ["A", "ana"]


@pytest.mark.parametrize(
    ("pairs", "parameter"),
    [
        ([], "model"),
        ([("model", "")], "model"),
        ([("model", "es"), ("response_format", "docx")], "response_format"),
        ([("model", "es"), ("stream", "true"), ("response_format", "verbose_json")], "stream"),
        ([("model", "es"), ("timestamp_granularities[]", "letter")], "timestamp_granularities"),
        ([("model", "es"), ("stream", "perhaps")], "stream"),
        ([("model", "es"), ("stream", "true"), ("response_format", "srt")], "stream"),
        ([("model", "es"), ("include[]", "tokens")], "include"),
        ([("model", "es"), ("known_speaker_names[]", "ana")], "known_speaker_names"),
        ([*DIARIZED, ("known_speaker_names[]", "ana")], "known_speaker_references"),
        ([*DIARIZED, *ANA, *ANA], "known_speaker_names"),
        ([*DIARIZED, ANA[0], ("known_speaker_references[]", "https://example.org/a.wav")], "known_speaker_references"),
        ([*DIARIZED, ANA[0], ("known_speaker_references[]", "data:audio/wav;base64,?")], "known_speaker_references"),
        ([*DIARIZED, *(("known_speaker_names[]", name) for name in "abcde")], "known_speaker_names"),
    ],
)
def test_a_wrong_field_is_named(pairs, parameter):
    with pytest.raises(Refusal) as refused:
        openai.read_fields(pairs)
    assert (refused.value.status, refused.value.parameter) == (400, parameter)


def test_fields_that_changed_nothing_are_named_unless_they_ask_for_what_happens_anyway():
    pairs = [
        ("model", "es"),
        ("prompt", "names"),
        ("keywords[]", "casa"),
        ("temperature", "0"),
        ("chunking_strategy", "auto"),
        ("made_up", "1"),
    ]
    assert openai.read_fields(pairs).ignored == ("made_up",)


@pytest.mark.parametrize(
    ("field", "format_", "stream", "ignored"),
    [
        (("include[]", "logprobs"), "json", "false", False),
        (("include[]", "logprobs"), "verbose_json", "false", True),
        (("include[]", "logprobs"), "diarized_json", "false", True),
        (("include[]", "logprobs"), "diarized_json", "true", False),
        (("timestamp_granularities[]", "word"), "verbose_json", "false", False),
        (("timestamp_granularities[]", "word"), "json", "false", True),
        (("timestamp_granularities[]", "word"), "json", "true", True),
    ],
)
def test_fields_of_another_format_are_named(field, format_, stream, ignored):
    pairs = [("model", "es"), ("response_format", format_), ("stream", stream), field]
    assert openai.read_fields(pairs).ignored == ((field[0].removesuffix("[]"),) if ignored else ())


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=8))
def test_no_form_is_anything_but_read_or_refused(pairs):
    try:
        openai.read_fields(pairs)
    except Refusal as refusal:
        assert refusal.status == 400


def test_a_stream_that_tells_people_apart_has_their_segments_after_the_text():
    asked = openai.read_fields([*DIARIZED, ("stream", "true")]).fields
    events = [json.loads(line.removeprefix("data: ")) for line in openai.done_events(asked, HEARD).split("\n\n")[:-2]]
    assert [e["type"] for e in events] == ["transcript.text.segment"] * 2 + ["transcript.text.done"]
    assert [(e["text"], e["speaker"], e["start"]) for e in events[:2]] == [("hola", "A", 0.5), ("adiós", "A", 4.0)]


def test_events_of_a_stream_end_with_the_whole_text():
    said = (
        openai.delta_event("hola")
        + openai.delta_event(" adiós")
        + openai.done_events(openai.read_fields([("model", "es")]).fields, HEARD)
    )
    lines = [line.removeprefix("data: ") for line in said.split("\n\n") if line]
    events = [json.loads(line) for line in lines[:-1]]
    assert "".join(e["delta"] for e in events[:-1]) == events[-1]["text"] == HEARD.text
    assert lines[-1] == "[DONE]"


def test_log_probabilities_of_words_make_the_text():
    fields = openai.read_fields([("model", "es"), ("include[]", "logprobs")]).fields
    body = openai.body(fields, HEARD, "es")
    assert "".join(p.token for p in body.logprobs) == HEARD.text
    assert all(bytes(p.bytes).decode() == p.token and p.logprob <= 0 for p in body.logprobs)
    done = json.loads(openai.done_events(fields, HEARD).split("\n\n")[0].removeprefix("data: "))
    assert [p["logprob"] for p in done["logprobs"]] == [p.logprob for p in body.logprobs]
    assert openai.body(openai.read_fields([("model", "es")]).fields, HEARD, "es").logprobs is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (429, "rate_limit_error"), (503, "server_error")],
)
def test_a_refusal_is_of_the_kind_that_clients_look_at(status, kind):
    said = openai.error(Refusal(status, "CODE", "message", parameter="file")).error
    assert (said.type, said.code, said.param) == (kind, "code", "file")
