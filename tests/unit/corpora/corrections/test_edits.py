"""The log: any interleaving of people and kills loses no edit, and writes none twice."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from vizinho.corpora.corrections.claims import Claims
from vizinho.corpora.corrections.corrected import corrected
from vizinho.corpora.corrections.edits import Edit, EditLog
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import CorpusError, SpecError
from vizinho.records import Utterance
from vizinho.server.correct.desk import Desk, EditRequest, beside, sole_desk

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(str.strip)
LEASE_SECONDS = 90.0


def manifest(folder: Path, count: int = 4) -> Path:
    """A corpus without texts whose recordings exist but are empty: nothing here listens to them."""
    utterances = []
    for number in range(count):
        audio = folder / f"{number}.wav"
        audio.write_bytes(b"")
        utterances.append(Utterance(f"u{number}", audio, "", "pt", "", 1.0, "train"))
    write_manifest(folder / "visits.jsonl", utterances)
    return folder / "visits.jsonl"


def edit(id_: str, text: str = "um", **values) -> Edit:
    return Edit(**{"id": id_, "utterance": "u0", "action": "edit", "status": "done", "text": text, "who": "Ana",
                   "when": "2026-01-01T00:00:00+00:00"} | values)  # fmt: skip


class PeopleAndKills(RuleBasedStateMachine):
    """Tabs that take, save, send again, vanish; a server that is killed at any byte of a line that it writes."""

    tabs = Bundle("tabs")

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.corpus = manifest(Path(self.folder.name))
        self.now, self.numbers = 0.0, itertools.count()
        self.confirmed: list[tuple[str, str, str]] = []  # (id, utterance, text) in the order of the answers
        self.unconfirmed: list[EditRequest] = []
        self.working: dict[str, tuple[str, float]] = {}  # tab to what it has and until when
        self.open()

    def open(self):
        self.desk = Desk(self.corpus, Claims(LEASE_SECONDS, lambda: self.now))

    def teardown(self):
        self.folder.cleanup()

    @rule(target=tabs)
    def tab(self):
        return f"tab-{next(self.numbers):05d}"

    @rule(tab=tabs)
    def next(self, tab):
        shown = self.desk.next(tab, f"who {tab}")
        self.working.pop(tab, None)
        taken = {u for u, until in self.working.values() if until > self.now}
        if shown is None:
            assert all(self.desk.log.status(u) != "open" or u in taken for u in self.desk.utterances)
            return
        assert shown.utterance.id not in taken, "two people have one utterance"
        assert shown.status == "open"
        self.working[tab] = shown.utterance.id, self.now + LEASE_SECONDS

    @rule(tab=tabs)
    def report(self, tab):
        if tab not in self.working:
            return
        utterance, _ = self.working[tab]
        others = {u for t, (u, until) in self.working.items() if t != tab and until > self.now}
        shown = self.desk.claim(utterance, tab, f"who {tab}")
        if shown is None:
            assert utterance in others
        elif utterance not in others:
            self.working[tab] = utterance, self.now + LEASE_SECONDS

    @rule(seconds=st.sampled_from((1.0, 60.0, 100.0)))
    def wait(self, seconds):
        self.now += seconds

    @rule(tab=tabs)
    def leave(self, tab):
        self.desk.leave(tab)
        self.working.pop(tab, None)

    @rule(tab=tabs, text=TEXTS, action=st.sampled_from(("accept", "edit", "skip", "unintelligible", "restore")),
          base=st.integers(0, 3), utterance=st.integers(0, 3))  # fmt: skip
    def save(self, tab, text, action, base, utterance):
        """A tab saves whatever it has on its page, whether its claim still holds or not."""
        id_ = f"u{utterance}" if tab not in self.working else self.working[tab][0]
        self.send(EditRequest(f"edit-{next(self.numbers):05d}", id_, action, f"who {tab}", tab, text=text, base=base))

    def send(self, request):
        saved = self.desk.save(request)
        assert saved.edit.id == request.id
        if request.id not in [id_ for id_, *_ in self.confirmed]:
            self.confirmed.append((request.id, request.utterance, saved.edit.text))

    @rule(tab=tabs, text=TEXTS, share=st.floats(0, 1))
    def killed_while_saving(self, tab, text, share):
        """Any part of the line is on disk, even all of it; the tab has no answer and keeps the edit."""
        request = EditRequest(f"edit-{next(self.numbers):05d}", "u0", "edit", f"who {tab}", tab, text=text)
        path = beside(self.corpus, "edits")
        size = path.stat().st_size
        self.desk.save(request)
        content = path.read_bytes()
        path.write_bytes(content[: size + round(share * (len(content) - size))])
        self.unconfirmed.append(request)
        self.killed()

    @rule()
    def killed(self):
        self.working.clear()
        self.open()

    @rule()
    def sent_again(self):
        for request in self.unconfirmed:
            self.send(request)
        self.unconfirmed.clear()

    @invariant()
    def nothing_is_lost_and_nothing_is_there_twice(self):
        if not hasattr(self, "desk"):
            return
        edits = self.desk.log.edits()
        pending = {request.id for request in self.unconfirmed}
        assert len({e.id for e in edits}) == len(edits)
        known = [(e.id, e.utterance, e.text) for e in edits if e.id not in pending]
        assert sorted(known) == sorted(self.confirmed)
        for id_ in self.desk.utterances:
            versions = [e.id for e in self.desk.log.versions(id_)]
            assert versions == [e.id for e in edits if e.utterance == id_ and e.action != "skip"]

    @invariant()
    def what_is_written_is_what_was_decided_last(self):
        if not hasattr(self, "desk"):
            return
        self.desk.write()
        path = beside(self.corpus, "corrected")
        rows = {u.id: u.text for u in read_manifest(path)} if path.is_file() else {}
        log = self.desk.log
        assert rows == {u: log.current(u).text for u in self.desk.utterances if log.status(u) == "done"}


PeopleAndKills.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPeopleAndKills = PeopleAndKills.TestCase


def test_a_line_cut_within_a_letter_is_counted_and_the_next_is_whole(tmp_path):
    log = EditLog(tmp_path / "a.jsonl")
    log.add(edit("first"))
    whole = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(
        whole + whole.replace(b"um", "ção".encode())[:-40].split("ã".encode())[0] + b"\xc3"
    )
    again = EditLog(tmp_path / "a.jsonl")
    assert ([e.id for e in again.edits()], again.damaged) == (["first"], 1)
    again.add(edit("second", "dois"))
    assert [e.text for e in EditLog(tmp_path / "a.jsonl").versions("u0")] == ["um", "dois"]


def test_lines_of_other_programs_are_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "x"}\n[1]\n{"id": 1, "utterance": "u", "action": "fly"}\n')
    assert EditLog(tmp_path / "a.jsonl").damaged == 3


def test_a_person_is_told_whose_version_was_saved_meanwhile(tmp_path):
    log = EditLog(tmp_path / "a.jsonl")
    log.add(edit("a", "um", who="Ana"))
    saved = log.add(edit("b", "uma", who="Ben", base=0))
    assert [e.who for e in saved.overtook] == ["Ana"]
    assert log.current("u0").text == "uma"
    assert log.add(edit("c", "umas", base=2)).overtook == ()
    assert log.restored("u0", 1) == ("done", "um")
    with pytest.raises(SpecError, match="version 9 of 3"):
        log.restored("u0", 9)


def test_a_corrected_row_is_a_persons_and_says_whose(tmp_path):
    log = EditLog(tmp_path / "a.jsonl")
    row = Utterance(
        "u0", tmp_path / "a.wav", "um", "pt", "s", 1.0, "train", source="labelled by es@1; radio", confidence=0.4
    )
    other = Utterance("u1", tmp_path / "b.wav", "dois", "pt", "s", 1.0, "train")
    log.add(edit("a", "uma"))
    ((written, _),) = corrected([row, other], log)
    assert (written.text, written.source, written.confidence) == ("uma", "corrected by Ana; radio", None)
    assert [u.text for u, _ in corrected([row, other], log, rest=True)] == ["uma", "dois"]
    log.add(edit("b", "", action="unintelligible", status="unintelligible"))
    assert [u.text for u, _ in corrected([row, other], log, rest=True)] == ["dois"]


def test_a_folder_that_cannot_be_written_and_a_second_server_are_refused(tmp_path):
    corpus = manifest(tmp_path)
    with sole_desk(corpus), pytest.raises(CorpusError, match="another server corrects this corpus"), sole_desk(corpus):
        pass
    beside(corpus, "edits").unlink()
    beside(corpus, "edits").mkdir()
    with pytest.raises(CorpusError, match="corrections cannot be written here"), sole_desk(corpus):
        pass
    with pytest.raises(CorpusError, match="cannot read the manifest"), sole_desk(tmp_path / "none.jsonl"):
        pass
