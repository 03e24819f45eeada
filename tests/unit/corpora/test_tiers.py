"""Which tiers hold the transcription."""

from __future__ import annotations

from pathlib import Path

import pytest

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.tiers import choose_tiers

SAID = ["bom dia a todos", "não sei bem", "vou para casa"]
MEANT = ["good morning all", "I do not know", "I go home"]


def tier(name, texts=SAID, speaker="", kind="", lang="", start=0.0, step=2.0):
    spans = tuple(Span(start + i * step, start + (i + 1) * step, t) for i, t in enumerate(texts))
    return Tier(name, spans, speaker, kind, "", lang)


def chosen(*tiers, patterns=(), lang="pt"):
    choice = choose_tiers([Document(Path("v.eaf"), tiers)], patterns, lang)
    return [t.name for t in tiers if choice.takes(t)]


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (("ref@A", "tx@A", "mb@A", "ge@A", "ft@A"), ["tx@A"]),  # Toolbox
        (("Transcription", "Phrase Free Translation"), ["Transcription"]),  # SayMore
        (("A_Transcription-txt-qaa", "A_Translation-gls-en", "A_Note-en"), ["A_Transcription-txt-qaa"]),  # FLEx
        (("phones", "words"), ["words"]),  # an aligner
        (("texto", "traducción"), ["texto"]),
        (("default", "english"), ["default", "english"][:1]),
        (("Ana", "Ana-en"), ["Ana"]),
        (("orthographic", "IPA", "comments"), ["orthographic"]),
        (("glosa", "frase", "notas"), ["frase"]),
    ],
)
def test_by_their_names(names, right):
    assert chosen(*(tier(name) for name in names)) == right


def test_by_the_type_and_the_language():
    assert chosen(tier("A", kind="translation"), tier("B", MEANT, kind="utterance")) == ["B"]
    assert chosen(tier("A", MEANT, lang="eng"), tier("B", lang="por")) == ["B"]
    assert chosen(tier("x", MEANT, lang="und"), tier("tx", lang="und")) == ["tx"]


def test_codes_of_the_target_are_no_abbreviations():
    assert chosen(tier("gl"), tier("es", MEANT), lang="gl") == ["gl"]
    assert chosen(tier("gl", MEANT), tier("pt"), lang="pt") == ["pt"]
    assert chosen(tier("text-id"), tier("text-en", MEANT), lang="id") == ["text-id"]


def test_a_name_may_be_of_two_types():
    first, second = tier("A", kind="utterance"), tier("A", MEANT, kind="translation")
    choice = choose_tiers([Document(Path("v.eaf"), (first,)), Document(Path("w.eaf"), (second,))], (), "pt")
    assert (choice.takes(first), choice.takes(second)) == (True, False)


def test_speakers_are_read_together_but_a_second_text_of_the_same_speech_is_not():
    ana, ben = tier("Ana", speaker="Ana"), tier("Ben", speaker="Ben", start=6.0)
    assert chosen(ana, ben) == ["Ana", "Ben"]
    backchannel = tier("Ben", ["ah", "pois"], speaker="Ben", start=0.5, step=0.5)
    assert chosen(ana, backchannel) == ["Ana", "Ben"]
    assert chosen(ana, tier("outra coisa", ["wa", "we", "wi"])) == ["Ana"]
    assert chosen(tier("tx@ana", speaker="ana"), tier("tx@ben", start=6.0, speaker="ben"), tier("ft@ben")) == [
        "tx@ana",
        "tx@ben",
    ]


def test_tiers_without_text_or_with_more_than_can_be_said_are_not_read():
    assert chosen(tier("transcription", ["", ""]), tier("other", SAID)) == ["other"]
    assert chosen(tier("text", ["word " * 200]), tier("speech")) == ["speech"]
    assert chosen(tier("tx", [""])) == []


def test_the_user_chooses_by_name_type_or_wildcard():
    tiers = (tier("tx@ana"), tier("ft@ana", MEANT), tier("TX@ben", kind="free"))
    assert chosen(*tiers, patterns=("ft@*",)) == ["ft@ana"]
    assert chosen(*tiers, patterns=("tx@*",)) == ["tx@ana", "TX@ben"]
    assert chosen(*tiers, patterns=("free", "ft@ana")) == ["ft@ana", "TX@ben"]
    assert chosen(*tiers, patterns=("nowhere",)) == []


def test_the_choice_is_shown_with_its_reasons():
    choice = choose_tiers([Document(Path("v.eaf"), (tier("tx"), tier("ft", MEANT)))], (), "pt")
    assert choice.lines == [
        "tiers (guessed; --tier NAME chooses others):",
        "  * tx: 3 texts, 3.3 words each, 0.1 min; named tx",
        "    ft: 3 texts, 3.3 words each, 0.1 min; named ft",
    ]
