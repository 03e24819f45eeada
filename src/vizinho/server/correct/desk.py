"""The correction of one corpus: its utterances, their drafts, who works on which, and every edit."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import get_args

from vizinho.corpora.corrections.claims import Claims
from vizinho.corpora.corrections.corrected import corrected, write_corrected
from vizinho.corpora.corrections.drafts import Draft, DraftFile, marked
from vizinho.corpora.corrections.edits import Action, Edit, EditLog, Saved, Status
from vizinho.corpora.manifest import read_manifest
from vizinho.errors import CorpusError, SpecError, TextError
from vizinho.files import sole_lock
from vizinho.recognition.segments import mean_confidence
from vizinho.records import Transcript, Utterance, Word
from vizinho.server.correct.sums import Sums
from vizinho.server.correct.waiting import Order, Rank, Waiting
from vizinho.text.normalize import Normalizer, get_normalizer

_JUDGED = 200_000
"""Texts whose letters are remembered: normalising takes time, and the page asks for the sum of all."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An utterance as the page shows it."""

    utterance: Utterance
    text: str
    """Of the last version, else of the corpus, else of the draft."""
    draft: str
    """The model that wrote the text; empty for a person's or the corpus's."""
    words: tuple[Word, ...]
    """The text's words with the model's confidences; none before there is a draft."""
    confidence: float | None
    versions: tuple[Edit, ...]
    status: Status
    drafted: bool


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What a page sends to be saved."""

    id: str
    utterance: str
    action: Action
    who: str
    tab: str
    client: str = ""
    text: str = ""
    base: int = 0
    version: int = 0
    """The version to go back to, for "restore"."""
    draft: str = ""
    strokes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Letters:
    """What a text has that the drafting model cannot write."""

    missing: str = ""
    """Characters without a token: a transfer makes new rows for them."""
    problem: str = ""
    """Why the text cannot be normalised at all, such as a number that the language cannot write."""


class Desk:
    """Files beside the corpus: NAME.edits.jsonl, NAME.drafts.jsonl, NAME.corrected.jsonl. Threads may share a desk."""

    def __init__(self, corpus: Path, claims: Claims | None = None) -> None:
        """Raises CorpusError for a manifest that cannot be read and a folder that cannot be written."""
        self.corpus = corpus
        self.utterances = {u.id: u for u in read_manifest(corpus)}
        self.token = hashlib.sha256(str(corpus.resolve()).encode()).hexdigest()[:12]
        """Tells this corpus from others in a browser's storage."""
        self._refuse_mixed()
        self.log = EditLog(beside(corpus, "edits"))
        if not len(self.log) and beside(corpus, "corrected").exists():
            what, fix = "it is there already and has no log of edits", "move it away, or bring back its .edits.jsonl"
            raise CorpusError(what, where=beside(corpus, "corrected"), fix=fix)
        self.drafts = DraftFile(beside(corpus, "drafts"))
        self.claims = claims or Claims()
        self._problems: dict[str, str] = {}
        self.unknown = sum(id_ not in self.utterances for id_ in {e.utterance for e in self.log.edits()})
        """Utterances that have edits and are no longer in the manifest; their edits stay in the log."""
        self._order = {id_: number for number, id_ in enumerate(self.utterances)}
        self._lock = threading.RLock()
        self.drafts_by = ""
        """The model that drafts, NAME@VERSION; empty until it is known."""
        self._refused: dict[str, str] = {}
        self._letters: set[str] | None = None
        self._judged: dict[tuple[str, str], Letters] = {}
        self._agreement: dict[str, tuple[Draft, float]] = {}
        self._normalizer = get_normalizer(self.lang)
        self._writing = threading.Lock()
        self._written = 0
        self._sums = self._summed()
        self._waiting = Waiting((id_, self._ranks(id_)) for id_ in self.utterances if self.log.status(id_) == "open")
        self.look_for_audio()

    @property
    def lang(self) -> str:
        """The language of the corpus."""
        return next(iter(self.utterances.values())).lang

    @property
    def name(self) -> str:
        """The manifest's file name."""
        return self.corpus.name

    def _refuse_mixed(self) -> None:
        languages = sorted({u.lang for u in self.utterances.values()})
        if len(languages) > 1:
            what = f"utterances of {len(languages)} languages ({', '.join(languages[:5])})"
            raise CorpusError(what, where=self.corpus, fix="give one manifest for each language")

    def _summed(self) -> Sums:
        sums = Sums(self.utterances.values(), lambda text: self.letters(text).missing)
        before: dict[str, Status] = {}
        for edit in self.log.edits():
            if edit.utterance in self.utterances and edit.action != "skip":
                sums.count(edit, before.get(edit.utterance, "open"))
                before[edit.utterance] = edit.status
        return sums

    def look_for_audio(self) -> None:
        """Note which recordings are missing, and that others are back."""
        for id_, utterance in self.utterances.items():
            if not utterance.audio.is_file():
                self._set_problem(id_, f"no such file: {utterance.audio.name}")
            elif self._problems.get(id_, "").startswith("no such file"):
                self._set_problem(id_, "")

    def draft_with(self, model: str, normalizer: Normalizer | None, letters: set[str] | None) -> None:
        """Judge texts by this model's normaliser and letters (None: it writes any)."""
        with self._lock:
            self.drafts_by, self._letters = model, letters
            self._normalizer = normalizer or get_normalizer(self.lang)
            self._sums.count_letters()

    def add_draft(self, id_: str, stamp: str, key: str, model: str, transcript: Transcript) -> None:
        """Write the draft of an utterance (see `DraftFile.add`): its recording is good. Raises OSError."""
        self.drafts.add(id_, stamp, key, model, transcript)
        self._set_problem(id_, "")

    def use_draft(self, id_: str, stamp: str, key: str) -> None:
        """Show a draft that there is from now on (see `DraftFile.use`)."""
        before = self.drafts.of(id_)
        self.drafts.use(id_, stamp, key)
        if self.drafts.of(id_) is not before:
            with self._lock:
                self._place(id_)

    def note_problem(self, id_: str, reason: str, stamp: str) -> None:
        """A recording cannot be used as it is; `stamp` tells when it has changed."""
        self._refused[id_] = stamp
        self._set_problem(id_, reason)

    def _set_problem(self, id_: str, reason: str) -> None:
        """Note what is wrong with a recording, or that nothing is."""
        with self._lock:
            if reason:
                self._problems[id_] = reason
            else:
                self._problems.pop(id_, None)
            self._place(id_)

    def problems(self, limit: int) -> tuple[dict[str, str], int]:
        """What is wrong with recordings, by id, at most `limit`, and their number. Nobody gets such utterances."""
        with self._lock:
            return dict(islice(self._problems.items(), limit)), len(self._problems)

    def refused(self, id_: str, stamp: str) -> bool:
        """Whether a recording was refused as it is."""
        return self._refused.get(id_) == stamp

    def next(self, tab: str, who: str, order: Order = "least sure") -> Shown | None:
        """Give the first utterance that is open and free to a tab; None where there is none."""
        # Chosen and taken under one lock: of two people who ask at once, the second sees what the first has.
        with self._lock:
            self.claims.leave(tab)
            chosen = self._first(tab, who, order)
            if chosen is None:
                return None
            self.claims.take(chosen, tab, who)
            return self.shown(chosen)

    def _first(self, tab: str, who: str, order: Order) -> str | None:
        """The first that is free; of those that this person has skipped, the one skipped least."""
        best, fewest = None, 0
        # Passes over what others have and what this person has skipped, and over nothing else.
        for id_ in self._waiting.by(order):
            skips = self.log.skips(id_)[who]
            if (best is None or skips < fewest) and self.claims.free(id_, tab):
                best, fewest = id_, skips
                if not skips:
                    break
        return best

    def _ranks(self, id_: str) -> dict[Order, Rank]:
        """Skipped ones last, those without a draft behind those with one."""
        skips, confidence = self.log.skips(id_).total(), self.confidence(id_)
        first = skips, confidence is None
        return {
            "least sure": (*first, confidence or 0.0, self._order[id_]),
            "random": (*first, shuffled(self.token, id_)),
        }

    def _place(self, id_: str) -> None:
        """Let an utterance wait at its place, if it may be given to anybody."""
        if self.log.status(id_) == "open" and id_ not in self._problems:
            self._waiting.put(id_, self._ranks(id_))
        else:
            self._waiting.remove(id_)

    def confidence(self, id_: str) -> float | None:
        """How sure the text is that nobody has looked at yet: 0 to 1, None where nothing is known."""
        utterance, draft = self.utterances[id_], self.drafts.of(id_)
        if draft is None:
            return utterance.confidence
        if not utterance.text.strip():
            return draft.confidence
        if self._agreement.get(id_, (None,))[0] is not draft:  # comparing words takes time, and every rank asks
            self._agreement[id_] = draft, mean_confidence(marked(utterance.text, draft.words))
        return self._agreement[id_][1]

    def claim(self, id_: str, tab: str, who: str) -> Shown | None:
        """Give a certain utterance to a tab, or let the tab keep it; None where somebody else has it.

        Raises SpecError for an unknown one.
        """
        with self._lock:
            shown = self.shown(id_)
            return shown if self.claims.take(id_, tab, who) else None

    def leave(self, tab: str) -> None:
        """A tab is closed."""
        with self._lock:
            self.claims.leave(tab)

    def shown(self, id_: str) -> Shown:
        """An utterance with the text to begin with. Raises SpecError for an unknown one."""
        utterance = self.utterances.get(id_)
        if utterance is None:
            raise SpecError("no such utterance", where=id_)
        with self._lock:
            edit, draft = self.log.current(id_), self.drafts.of(id_)
            # A version counts before the corpus, the corpus before a draft; opened again, the first text is back.
            text, model = utterance.text.strip(), ""
            if edit is not None and edit.status != "open":
                text = edit.text
            elif not text and draft is not None:
                text, model = draft.text, draft.model
            words = tuple(marked(text, draft.words)) if draft is not None else ()
            return Shown(
                utterance, text, model, words, self.confidence(id_), self.log.versions(id_), self.log.status(id_),
                draft is not None,
            )  # fmt: skip

    def save(self, request: EditRequest) -> Saved:
        """Write an edit; returns when it is on disk.

        Raises SpecError for an unknown utterance or version and a text that is empty, CorpusError where the disk is
        full.
        """
        with self._lock:
            if request.utterance not in self.utterances:
                raise SpecError("no such utterance", where=request.utterance)
            status, text = self._outcome(request)
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            edit = Edit(
                request.id, request.utterance, request.action, status, text, request.who, now, request.base,
                request.draft, request.client, request.strokes, request.seconds,
            )  # fmt: skip
            known, before = len(self.log), self.log.status(edit.utterance)
            saved = self.log.add(edit)
            if len(self.log) > known:  # one that is sent again changes nothing
                if edit.action != "skip":
                    self._sums.count(edit, before)
                self._place(edit.utterance)
            return saved

    def _outcome(self, request: EditRequest) -> tuple[Status, str]:
        text = " ".join(request.text.split())
        match request.action:
            case "restore":
                return self.log.restored(request.utterance, request.version)
            case "skip":
                return "open", text
            case "unintelligible":
                return "unintelligible", text
        if not text:
            raise SpecError("the text is empty", where=request.utterance, fix="write it, or choose unintelligible")
        return "done", text

    def letters(self, text: str) -> Letters:
        """What the drafting model cannot write of a text."""
        key = text, self.drafts_by
        if key not in self._judged:
            if len(self._judged) > _JUDGED:
                self._judged.clear()
            self._judged[key] = self._judge(text)
        return self._judged[key]

    def _judge(self, text: str) -> Letters:
        try:
            normal = self._normalizer(text)
        except TextError as error:
            return Letters(problem=error.what)
        if self._letters is None:
            return Letters()
        return Letters("".join(sorted(set(normal) - self._letters - {" "})))

    @property
    def letters_known(self) -> str | None:
        """The drafting model's letters in code point order; None where it writes any."""
        return None if self._letters is None else "".join(sorted(self._letters))

    def missing_letters(self) -> dict[str, int]:
        """How many corrected texts have each character that the drafting model cannot write."""
        with self._lock:
            return dict(self._sums.missing.most_common())

    def write(self) -> None:
        """Write the corrected corpus, if there are edits that it lacks. Raises CorpusError."""
        # A lock of its own: nobody waits for a file that can be made from the log at any time.
        with self._writing:
            with self._lock:
                edits = len(self.log)
                if edits == self._written:
                    return
                rows = list(corrected(list(self.utterances.values()), self.log, self.drafts.all()))
            write_corrected(beside(self.corpus, "corrected"), rows)
            self._written = edits

    def counts(self) -> dict[Status, int]:
        """Utterances by status."""
        with self._lock:
            return {status: self._sums.counts[status] for status in get_args(Status)}

    @property
    def done_seconds(self) -> float:
        """Of utterances with a corrected text."""
        return max(0.0, self._sums.done_seconds)  # sums that go up and down end beside 0

    def recent(self) -> list[Edit]:
        """The last utterances that somebody has decided something about, the newest first."""
        with self._lock:
            return self._sums.recent()


def shuffled(token: str, id_: str) -> float:
    """A place for an utterance in a random order of its corpus, 0 to 1: the same for everybody, and after a restart."""
    return int.from_bytes(hashlib.sha256(f"{token} {id_}".encode()).digest()[:6]) / 2**48


def beside(corpus: Path, what: str) -> Path:
    """NAME.WHAT.jsonl in the folder of NAME.jsonl."""
    return corpus.with_name(f"{corpus.stem}.{what}.jsonl")


@contextmanager
def sole_desk(corpus: Path) -> Iterator[Desk]:
    """A desk that no other server has; NAME.corrected.jsonl is complete in the end.

    Raises CorpusError where another server corrects this corpus, and what `Desk` raises.
    """
    corpus = corpus.absolute()  # not resolved: audio lies relative to the link, where the manifest is one
    if not corpus.is_file():
        read_manifest(corpus)  # says what is wrong
    with ExitStack() as stack:
        try:
            owned = stack.enter_context(sole_lock(corpus.with_name(f".{corpus.stem}.correcting.lock")))
        except OSError as error:
            what, fix = f"corrections cannot be written here ({error.strerror})", "make the folder writable"
            raise CorpusError(what, where=corpus.parent, fix=fix) from error
        if not owned:
            what, fix = "another server corrects this corpus", "stop it, or let people use that one"
            raise CorpusError(what, where=corpus, fix=fix)
        desk = Desk(corpus)
        desk.write()
        stack.callback(desk.write)
        yield desk
