import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vizinho.records import Transcript, Word
from vizinho.server.protocols.deepgram import ListenQuery, ListenResult, check_extras, error, response
from vizinho.server.security.refusals import Refusal
from vizinho.server.served import ServedModel

WORDS = (Word("hola", 0.5, 0.81234, 0.91237), Word("mundo", 0.9, 1.2, 0.8), Word("adiós", 4.0, 4.5, 0.7))
HEARD = Transcript("", "hola mundo adiós", WORDS, 0.8, 5.0)


def answered(heard=(HEARD,), detected=None, topics=None, warnings=(), **parameters):
    model = ServedModel("es", 3, Path("es"), "es")
    result = ListenResult("id-1", b"audio", model, heard, detected, topics, warnings)
    return response(ListenQuery(**parameters), result, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_the_plain_answer_has_times_confidences_and_what_made_it():
    made = answered().model_dump(exclude_none=True)
    assert made["metadata"] == {
        "transaction_key": "deprecated",
        "request_id": "id-1",
        "sha256": hashlib.sha256(b"audio").hexdigest(),
        "created": "2026-01-02T03:04:05.000Z",
        "duration": 5.0,
        "channels": 1,
        "models": ["es@3"],
        "model_info": {"es@3": {"name": "es", "version": "3", "arch": "ctc"}},
    }
    heard = made["results"]["channels"][0]["alternatives"][0]
    assert heard["transcript"] == "hola mundo adiós"
    assert heard["words"][0] == {"word": "hola", "start": 0.5, "end": 0.812, "confidence": 0.9124}
    assert made["results"].keys() == {"channels"}


def test_punctuation_leaves_the_words_and_adds_how_they_are_written():
    made = answered(punctuate=True).results.channels[0].alternatives[0]
    assert made.transcript == "Hola mundo. Adiós."
    assert [w.word for w in made.words] == ["hola", "mundo", "adiós"]
    assert [w.punctuated_word for w in made.words] == ["Hola", "mundo.", "Adiós."]


def test_numerals_write_a_number_as_one_word_that_lasts_as_long():
    texts = ["son", "veinte", "mil", "euros"]
    spoken = tuple(Word(text, float(i), i + 0.9, 0.8) for i, text in enumerate(texts))
    transcript = Transcript("", " ".join(texts), spoken, 0.8, 5.0)
    best = answered((transcript,), numerals=True).results.channels[0].alternatives[0]
    assert best.transcript == "son 20000\xa0€"
    assert [(w.word, w.start, w.end) for w in best.words] == [("son", 0.0, 0.9), ("20000\xa0€", 1.0, 3.9)]
    formatted = answered((transcript,), smart_format=True)
    assert formatted.results.channels[0].alternatives[0].transcript == "Son 20000\xa0€."
    assert formatted.metadata.warnings is None
    assert answered((transcript,)).results.channels[0].alternatives[0].transcript == "son veinte mil euros"


@pytest.mark.parametrize("wish", ["numerals", "smart_format"])
def test_numbers_of_a_language_without_known_words_stay_and_are_warned_of(wish):
    model = ServedModel("gv", 1, Path("gv"), "gv")
    result = ListenResult("r", b"", model, (HEARD,))
    answer = response(ListenQuery(**{wish: True}), result)
    assert [(w.parameter, w.type) for w in answer.metadata.warnings] == [(wish, "partial")]


def test_utterances_are_of_one_channel_each_in_order_of_time():
    other = Transcript("", "sí", (Word("sí", 2.0, 2.2, 0.6),), 0.6, 5.0)
    made = answered((HEARD, other), utterances=True, multichannel=True).results
    assert [(u.channel, u.transcript) for u in made.utterances] == [(0, "hola mundo"), (1, "sí"), (0, "adiós")]
    assert len({u.id for u in made.utterances}) == 3
    assert made.utterances[0].confidence == pytest.approx((0.91237 + 0.8) / 2, abs=1e-4)


def test_the_pause_between_utterances_is_the_clients_choice():
    made = answered(utterances=True, utt_split=10.0).results
    assert [u.transcript for u in made.utterances] == ["hola mundo adiós"]


def test_paragraphs_are_sentences_between_longer_pauses():
    made = answered(paragraphs=True).results.channels[0].alternatives[0].paragraphs
    assert made.transcript == "Hola mundo.\n\nAdiós."
    assert [p.num_words for p in made.paragraphs] == [2, 1]


def test_language_topics_tags_and_extras_come_back():
    made = answered(
        detected=("es", 0.75), topics=[("viajes", 0.9)], tag=["a", "b"], extra=["k:v:w", "alone"]
    ).model_dump(exclude_none=True)
    assert made["results"]["channels"][0]["detected_language"] == "es"
    assert made["results"]["topics"]["segments"][0]["topics"] == [{"topic": "viajes", "confidence_score": 0.9}]
    assert (made["metadata"]["tags"], made["metadata"]["extra"]) == (["a", "b"], {"k": "v:w", "alone": ""})


def test_silence_is_an_empty_transcript():
    made = answered((Transcript("", "", (), 0.0, 3.0),), utterances=True, paragraphs=True, topics=()).results
    assert made.channels[0].alternatives[0].model_dump(include={"transcript", "confidence", "words"}) == {
        "transcript": "",
        "confidence": 0.0,
        "words": [],
    }
    assert (made.utterances, made.topics.segments) == ([], [])


@pytest.mark.parametrize("name", ["diarize", "redact", "summarize", "sentiment"])
def test_what_cannot_be_done_is_refused_when_it_is_asked_for(name):
    with pytest.raises(Refusal) as refused:
        check_extras({name: "true"})
    assert (refused.value.status, refused.value.parameter) == (400, name)
    assert check_extras({name: "false"}) == ()


def test_what_is_left_out_without_harm_is_warned_of():
    warnings = check_extras({"measurements": "true", "made_up": "1", "version": "latest", "mip_opt_out": "true"})
    assert [(w.parameter, w.type) for w in warnings] == [("measurements", "ignored"), ("made_up", "unknown_parameter")]
    assert [w.parameter for w in check_extras({"version": "2024-01-01", "dictation": "true"})] == [
        "version",
        "dictation",
    ]


def test_people_are_told_apart_by_either_parameter():
    asked = [{"diarize": True}, {"diarize_model": "latest"}, {"diarize_model": "false"}, {}]
    assert [ListenQuery(**values).speakers for values in asked] == [True, True, False, False]


def test_keywords_are_worth_nats():
    query = ListenQuery(keywords=["praça:2", "rio"], keyterm=["são paulo"])
    assert query.favoured == (("praça", 10.0), ("rio", 5.0), ("são paulo", 5.0))
    for wrong in ("rio:much", "rio:-1", "rio:99"):
        with pytest.raises(Refusal) as refused:
            _ = ListenQuery(keywords=[wrong]).favoured
        assert (refused.value.status, refused.value.parameter) == (400, "keywords")


@pytest.mark.parametrize(
    ("sent", "detects", "among"),
    [([], False, ()), (["false"], False, ()), (["true"], True, ()), (["es", "pt"], True, ("es", "pt"))],
)
def test_detect_language_is_a_switch_or_a_list(sent, detects, among):
    query = ListenQuery(detect_language=sent)
    assert (query.detects, query.among) == (detects, among)


def test_a_refusal_names_its_parameter_and_the_request():
    said = error(Refusal(400, "BAD_PARAMETER", "is wrong", parameter="model"), "id-1")
    assert said.model_dump() == {"err_code": "BAD_PARAMETER", "err_msg": "model: is wrong", "request_id": "id-1"}


def test_what_is_redacted_masked_or_replaced_stands_nowhere_in_the_answer():
    heard = "mi tarjeta es cuatro uno uno uno dos tres cuatro cinco seis siete ocho nueve cero uno dos tres adiós"
    spoken = tuple(Word(text, float(i), i + 0.9, 0.8) for i, text in enumerate(heard.split()))
    transcript = Transcript("", heard, spoken, 0.8, 20.0)
    wishes = {"utterances": True, "paragraphs": True, "search": ["cuatro uno"], "replace": ["adiós:chao"]}
    made = answered((transcript,), topics=[("dinero", 0.9)], redact=["pci"], **wishes)
    assert made.results.channels[0].alternatives[0].transcript == "mi tarjeta es [PCI_1] chao"
    assert made.results.topics.segments[0].text == "mi tarjeta es [PCI_1] chao"
    said = made.model_dump_json()
    for text in ("cuatro uno uno", "4111", "4 1", "siete", "adiós"):
        assert text not in said
