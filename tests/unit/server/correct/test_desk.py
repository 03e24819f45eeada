"""Which utterance comes next, what it shows, and what is said of its letters."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def _corpus(folder):
    rows = []
    for number, text in enumerate(["", "", "olá mundo", ""]):
        (folder / f"{number}.wav").write_bytes(b"x")
        rows.append(Utterance(f"u{number}", folder / f"{number}.wav", text, "pt", "", 1.0, "train"))
    write_manifest(folder / "visits.jsonl", rows)
    return folder / "visits.jsonl"


@pytest.fixture
def corpus(tmp_path):
    return _corpus(tmp_path)


@pytest.fixture
def desk(corpus):
    return Desk(corpus)


def draft(desk: Desk, id_: str, *sure: tuple[str, float]) -> None:
    desk.add_draft(id_, "stamp", "key", "pt@1", transcript(*sure))


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


def test_a_random_order_is_one_for_everybody_and_skips_come_last_in_it(desk, corpus):
    order = [desk.next(f"tab-{n}", "Ana", "random").utterance.id for n in range(4)]
    assert sorted(order) == ["u0", "u1", "u2", "u3"]
    again = Desk(corpus)
    assert [again.next(f"tab-{n}", "Ben", "random").utterance.id for n in range(4)] == order
    for tab in range(4):
        again.leave(f"tab-{tab}")
    again.save(EditRequest("edit-0", order[0], "skip", "Ben", "tab-b"))
    assert again.next("tab-b", "Ben", "random").utterance.id == order[1]
    draft(again, order[3], ("um", 0.9))
    assert again.next("tab-c", "Ben", "random").utterance.id == order[3]  # those without a draft wait for one


ACTIONS = ("accept", "edit", "skip", "unintelligible", "restore", "draft", "leave", "lost", "back", "model")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3), st.integers(0, 2)), max_size=25))
def test_sums_and_queue_are_those_that_counting_everything_gives(tmp_path_factory, steps):
    desk = Desk(_corpus(tmp_path_factory.mktemp("desk")))
    for number, (action, place, person) in enumerate(steps):
        id_, who, tab = f"u{place}", ("Ana", "Ben", "Eva")[person], f"tab-{person}"
        if action == "draft":
            draft(desk, id_, ("pão", number % 7 / 7), ("mundo", 0.5))
        elif action == "leave":
            desk.leave(tab)
        elif action in ("lost", "back"):
            desk.note_problem(id_, "broken" if action == "lost" else "", "stamp")
        elif action == "model":
            desk.draft_with(f"pt@{place}", None, [None, set("aoe"), set("ão"), set("pmund")][place])
        else:
            version = min(person, len(desk.log.versions(id_)))
            text = ("pão", "não é", "olá")[person]
            desk.save(EditRequest(f"edit-{number}", id_, action, who, tab, text=text, version=version))
        expected = _next_by_counting(desk, who, tab)
        shown = desk.next(tab, who)
        assert (shown.utterance.id if shown else None) == expected
    again = Desk(desk.corpus)
    again.draft_with(desk.drafts_by, None, desk._letters)
    statuses = Counter(desk.log.status(id_) for id_ in desk.utterances)
    done = [e.text for id_ in desk.utterances if (e := desk.log.current(id_)) and e.status == "done"]
    letters = Counter(letter for text in done for letter in desk.letters(text).missing)
    for one in (desk, again):
        assert one.counts() == {status: statuses[status] for status in ("open", "done", "unintelligible")}
        assert one.done_seconds == pytest.approx(statuses["done"])
        assert one.missing_letters() == letters
        assert one.recent() == desk.recent()


def _next_by_counting(desk: Desk, who: str, tab: str) -> str | None:
    def rank(id_):
        skips, confidence = desk.log.skips(id_), desk.confidence(id_)
        return skips[who], skips.total(), confidence is None, confidence or 0.0, id_

    lost = desk.problems(9)[0]
    waiting = [u for u in desk.utterances if desk.log.status(u) == "open" and u not in lost]
    holders = {u: desk.claims.holder(u) for u in waiting}
    return min((u for u in waiting if holders[u] is None or holders[u].tab == tab), key=rank, default=None)


def test_asking_for_the_next_one_looks_at_few(desk, monkeypatch):
    looked_at = []
    confidence = Desk.confidence
    monkeypatch.setattr(Desk, "confidence", lambda self, id_: looked_at.append(id_) or confidence(self, id_))
    first = desk.next("tab-a", "Ana").utterance.id
    desk.save(EditRequest("edit-0", first, "edit", "Ana", "tab-a", text="um"))
    desk.counts(), desk.missing_letters(), desk.recent(), desk.problems(5)
    assert set(looked_at) == {first}


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
    assert [e.utterance for e in desk.recent()] == ["u0"]


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
    assert desk.problems(5) == ({"u0": "no such file: 0.wav"}, 1)
    assert desk.next("tab-a", "Ana").utterance.id == "u1"
    (corpus.parent / "0.wav").write_bytes(b"x")
    desk.look_for_audio()
    assert desk.problems(5) == ({}, 0)


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
