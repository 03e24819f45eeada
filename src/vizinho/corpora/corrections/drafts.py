"""Drafts: what a model made of each utterance, with times and confidences, kept in a file beside the corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any
from unicodedata import category

from vizinho.errors import CorpusError
from vizinho.ledger import Ledger
from vizinho.records import Transcript, Word


@dataclass(frozen=True, slots=True)
class Draft:
    """A model's text of an utterance."""

    text: str
    words: tuple[Word, ...]
    confidence: float
    seconds: float
    model: str
    """NAME@VERSION."""


class DraftFile:
    """Drafts by utterance and model; `key` names the model's weights, and drafts of other weights are not used."""

    def __init__(self, path: Path) -> None:
        """Raises CorpusError for a file that cannot be read and written."""
        try:
            self._ledger = Ledger(path)
        except OSError as error:
            what, fix = f"drafts cannot be written here ({error.strerror})", "make the corpus's folder writable"
            raise CorpusError(what, where=path, fix=fix) from error
        self._drafts: dict[tuple[str, str, str], Draft] = {}
        self._newest: dict[str, Draft] = {}
        for line in self._ledger.lines:
            self._read(line)

    def has(self, utterance: str, stamp: str, key: str) -> bool:
        """Whether this model has drafted this recording; `stamp` is the recording's size and time of change."""
        return (utterance, stamp, key) in self._drafts

    def use(self, utterance: str, stamp: str, key: str) -> None:
        """Show this draft from now on, of those an utterance has."""
        self._newest[utterance] = self._drafts[utterance, stamp, key]

    def of(self, utterance: str) -> Draft | None:
        """The newest draft."""
        return self._newest.get(utterance)

    def all(self) -> Mapping[str, Draft]:
        """The newest draft of each utterance that has one."""
        return self._newest

    def add(self, utterance: str, stamp: str, key: str, model: str, transcript: Transcript) -> None:
        """Write the draft of an utterance. Raises OSError."""
        # Milliseconds and four digits: a corpus of an hour has ten thousand words.
        words = [[w.text, round(w.start_seconds, 3), round(w.end_seconds, 3), round(w.confidence, 4)]
                 for w in transcript.words]  # fmt: skip
        line: dict[str, Any] = {
            "utterance": utterance,
            "stamp": stamp,
            "key": key,
            "model": model,
            "text": transcript.text,
        }
        line |= {"words": words, "confidence": round(transcript.confidence, 4)}
        line |= {"seconds": round(transcript.duration_seconds, 4)}
        self._ledger.add(line)
        self._read(line)

    def _read(self, line: dict[str, Any]) -> None:
        try:
            words = tuple(Word(str(w), float(a), float(b), float(c)) for w, a, b, c in line["words"])
            place = str(line["utterance"]), str(line["stamp"]), str(line["key"])
            confidence, seconds = float(line["confidence"]), float(line["seconds"])
            draft = Draft(str(line["text"]), words, confidence, seconds, str(line["model"]))
        except (KeyError, TypeError, ValueError):  # a line of another version: the utterance is drafted again
            return
        self._drafts[place] = self._newest[place[0]] = draft


def stamp_of(audio: Path) -> str:
    """Size and time of change of a recording; empty for one that is missing."""
    try:
        status = audio.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def marked(text: str, words: Sequence[Word]) -> list[Word]:
    """The words of a text with the times and confidences of the recognised words that they agree with.

    A word that was recognised otherwise has the confidence 0 and lies between its neighbours.
    """
    # Longest runs of equal words first (Ratcliff and Obershelp), so that a repeated word meets its own neighbours.
    tokens = text.split()
    blocks = SequenceMatcher(None, [_letters(t) for t in tokens], [_letters(w.text) for w in words], autojunk=False)
    partner = {b.a + n: words[b.b + n] for b in blocks.get_matching_blocks() for n in range(b.size)}
    last_end = words[-1].end_seconds if words else 0.0
    marks: list[Word] = []
    for number, token in enumerate(tokens):
        if number in partner:
            word = partner[number]
            marks.append(Word(token, word.start_seconds, word.end_seconds, word.confidence))
            continue
        start = marks[-1].end_seconds if marks else 0.0
        end = next((partner[n].start_seconds for n in range(number, len(tokens)) if n in partner), last_end)
        marks.append(Word(token, start, max(start, end), 0.0))
    return marks


def _letters(token: str) -> str:
    """A token without punctuation and capitals; one of punctuation alone as it is."""
    return "".join(c for c in token.casefold() if category(c)[0] in "LMN") or token
