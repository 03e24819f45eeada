"""Which utterance comes next, what it shows, and what is said of its letters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vizinho.corpora.corrections.drafts import DraftFile, marked
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import CorpusError, SpecError
from vizinho.records import Transcript, Utterance, Word
from vizinho.server.correct.desk import Desk, EditRequest


def words(*sure: tuple[str, float]) -> tuple[Word, ...]:
    return tuple(Word(text, n * 0.5, n * 0.5 + 0.4, confidence) for n, (text, confidence) in enumerate(sure))


def transcript(*sure: tuple[str, float]) -> Transcript:
    spoken = words(*sure)
    mean = sum(w.confidence for w in spoken) / max(1, len(spoken))
    return Transcript("", " ".join(w.text for w in spoken), spoken, mean, 1.0)


@pytest.fixture
def corpus(tmp_path):
    rows = []
    for number, text in enumerate(["", "", "olá mundo", ""]):
        (tmp_path / f"{number}.wav").write_bytes(b"x")
        rows.append(Utterance(f"u{number}", tmp_path / f"{number}.wav", text, "pt", "", 1.0, "train"))
    write_manifest(tmp_path / "visits.jsonl", rows)
    return tmp_path / "visits.jsonl"


@pytest.fixture
def desk(corpus):
    return Desk(corpus)


def draft(desk: Desk, id_: str, *sure: tuple[str, float]) -> None:
    desk.drafts.add(id_, "stamp", "key", "pt@1", transcript(*sure))


def test_the_least_sure_come_first_and_those_without_a_draft_after_them(desk):
    draft(desk, "u0", ("um", 0.9))
    draft(desk, "u2", ("olá", 0.9), ("mudo", 0.8))  # half of the corpus's text is recognised otherwise
    draft(desk, "u3", ("três", 0.6))
    order = [desk.next(f"tab-{n}", "Ana").utterance.id for n in range(4)]
    assert order == ["u2", "u3", "u0", "u1"]
    assert desk.next("tab-9", "Ana") is None


def test_skipped_ones_come_last_for_their_person_and_later_for_others(desk):
    first = desk.next("tab-a", "Ana").utterance.id
    desk.save(EditRequest("edit-0", first, "skip", "Ana", "tab-a"))
    assert [desk.next("tab-a", "Ana").utterance.id for _ in range(2)] == ["u1", "u1"]
    assert desk.next("tab-b", "Ben").utterance.id == "u2"
    for number, id_ in enumerate(("u1", "u2", "u3")):
        desk.save(EditRequest(f"more-{number}", id_, "unintelligible", "Ana", "tab-a"))
    assert desk.next("tab-a", "Ana").utterance.id == first


def test_what_the_corpus_says_is_shown_and_drafts_only_where_it_is_silent(desk):
    draft(desk, "u0", ("um", 0.9))
    draft(desk, "u2", ("ola", 0.9), ("mundo", 0.8))
    assert (desk.shown("u0").text, desk.shown("u0").draft) == ("um", "pt@1")
    shown = desk.shown("u2")
    assert (shown.text, shown.draft) == ("olá mundo", "")
    assert [(w.text, w.confidence) for w in shown.words] == [("olá", 0.0), ("mundo", 0.8)]
    with pytest.raises(SpecError, match="no such utterance"):
        desk.shown("u9")


def test_marked_words_lie_in_order_whatever_is_recognised():
    spoken = words(("o", 0.9), ("gato", 0.8), ("dorme", 0.7))
    marks = marked("O gatinho, dorme bem!", spoken)
    assert [(w.text, w.confidence) for w in marks] == [("O", 0.9), ("gatinho,", 0.0), ("dorme", 0.7), ("bem!", 0.0)]
    assert all(w.start_seconds <= w.end_seconds for w in marks)
    assert marked("", spoken) == []
    assert [w.confidence for w in marked("um", ())] == [0.0]


def test_an_empty_text_is_refused_and_versions_can_be_taken_back(desk):
    with pytest.raises(SpecError, match="the text is empty"):
        desk.save(EditRequest("edit-0", "u0", "edit", "Ana", "tab-a", text="  "))
    desk.save(EditRequest("edit-1", "u0", "edit", "Ana", "tab-a", text="um  dois"))
    desk.save(EditRequest("edit-2", "u0", "edit", "Ben", "tab-b", text="três", base=1))
    desk.save(EditRequest("edit-3", "u0", "restore", "Ana", "tab-a", version=1, base=2))
    assert (desk.shown("u0").text, desk.shown("u0").status) == ("um dois", "done")
    desk.save(EditRequest("edit-4", "u0", "restore", "Ana", "tab-a", version=0, base=3))
    assert desk.shown("u0").status == "open"
    assert [e.text for e in desk.log.versions("u0")] == ["um dois", "três", "um dois", ""]
    assert [e.utterance for e in desk.recent(5)] == ["u0"]


def test_letters_that_the_model_lacks_are_counted_and_named(desk):
    desk.draft_with("pt@1", None, set("abcdefghijklmnopqrstuvwxyz"))
    assert desk.letters("Pão, não!").missing == "ã"
    desk.save(EditRequest("edit-1", "u0", "edit", "Ana", "tab-a", text="pão"))
    desk.save(EditRequest("edit-2", "u1", "edit", "Ana", "tab-a", text="não é"))
    assert desk.missing_letters() == {"ã": 2, "é": 1}
    desk.draft_with("whisper@1", None, None)
    assert desk.missing_letters() == {}


def test_a_missing_recording_is_named_and_not_given_to_anybody(corpus):
    (corpus.parent / "0.wav").unlink()
    desk = Desk(corpus)
    assert desk.problems == {"u0": "no such file: 0.wav"}
    assert desk.next("tab-a", "Ana").utterance.id == "u1"
    (corpus.parent / "0.wav").write_bytes(b"x")
    desk.look_for_audio()
    assert desk.problems == {}


def test_edits_of_utterances_that_are_gone_stay_in_the_log(corpus):
    Desk(corpus).save(EditRequest("edit-1", "u0", "edit", "Ana", "tab-a", text="um"))
    write_manifest(corpus, read_manifest(corpus)[1:])
    desk = Desk(corpus)
    assert (desk.unknown, len(desk.log.edits())) == (1, 1)


def test_a_file_that_is_not_from_here_is_not_overwritten(corpus):
    (corpus.parent / "visits.corrected.jsonl").write_text("mine")
    with pytest.raises(CorpusError, match="has no log of edits"):
        Desk(corpus)
    assert (corpus.parent / "visits.corrected.jsonl").read_text() == "mine"


def test_a_corpus_of_two_languages_is_refused(corpus):
    rows = read_manifest(corpus)
    write_manifest(corpus, [replace(rows[0], lang="es"), *rows[1:]])
    with pytest.raises(CorpusError, match="2 languages"):
        Desk(corpus)


def test_drafts_are_read_again_and_other_weights_draft_anew(tmp_path):
    drafts = DraftFile(tmp_path / "d.jsonl")
    drafts.add("u0", "stamp", "weights-1", "pt@1", transcript(("um", 0.5)))
    again = DraftFile(tmp_path / "d.jsonl")
    assert again.of("u0") == drafts.of("u0")
    assert again.has("u0", "stamp", "weights-1")
    assert not again.has("u0", "stamp", "weights-2")
    assert not again.has("u0", "changed", "weights-1")
