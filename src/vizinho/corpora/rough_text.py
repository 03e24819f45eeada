"""Reads a text that was written down beside a recording, without times: utterances with speakers and events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vizinho.corpora.conventions import speaker_labels, split_labels, spoken
from vizinho.corpora.encodings import read_text
from vizinho.errors import CorpusError
from vizinho.text.language import Language

LONGEST = 250
"""Letters of an utterance, some 18 s; a longer sentence is divided at its commas, or between words."""
_OTHER_FORMAT = re.compile(
    r"\A\s*(?:<\?xml|<!DOCTYPE|<html|%PDF|PK\x03\x04|\{\\rtf|WEBVTT|File type = |ooTextFile|[\[{][\[{\s]*\")|\0|"
    r"^\s*(?:\d+:)?\d\d:\d\d[,.]\d{3} --> ",
    re.IGNORECASE | re.MULTILINE,
)
"""Transcripts and documents of other programs, which are no plain text."""
_CLAUSE = re.compile(r"(?<=[,;:،،؛、，；–—])\s*")


@dataclass(frozen=True, slots=True)
class RoughUtterance:
    """A sentence, or a part of a long one, as it was written."""

    text: str
    line: int
    speaker: str = ""
    events: str = ""
    unclear: bool = False
    """Words were spoken that the text does not have."""


def read_rough_text(path: Path, lang: str, encoding: str = "") -> list[RoughUtterance]:
    """Utterances of a text file: every line ends one, and so does every sentence.

    Lines of one turn may begin with the speaker's name ("Ana: sim"), where that happens again and again; lines without
    a name belong to the speaker before. Raises CorpusError for a file that cannot be read, is no plain text or has no
    words.
    """
    content = read_text(path, encoding)
    if _OTHER_FORMAT.search(content):
        fix = "save the words alone as plain text; `vizinho corpus convert` reads transcripts that have times"
        raise CorpusError("not plain text", where=path, fix=fix)
    lines = content.split("\n")
    labels, speaker = speaker_labels(filter(str.strip, lines)), ""
    utterances = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        for name, words in split_labels(line.strip(), labels):
            speaker = name or speaker
            utterances += list(_utterances(words, number, speaker, Language.of(lang).base))
    if not utterances:
        raise CorpusError("the text has no words", where=path, fix="give the text of the recording")
    return utterances


def _utterances(words: str, line: int, speaker: str, language: str) -> Iterator[RoughUtterance]:
    import sentencex  # of the extra "field"

    # Abbreviations and the sentence ends of some 240 languages are its business, not ours.
    for sentence in sentencex.segment(language, words):
        speech = spoken(sentence.strip())
        if not speech.has_words:
            continue
        for part in divided(speech.text):
            yield RoughUtterance(part, line, speaker, " ".join(speech.events), speech.unclear)


def divided(sentence: str, longest: int = LONGEST) -> list[str]:
    """A sentence in parts of at most `longest` letters, at commas where they are; a longer word stays whole."""
    if len(sentence) <= longest:
        return [sentence]
    return _packed((part for clause in _CLAUSE.split(sentence) for part in _words(clause, longest)), longest)


def _words(clause: str, longest: int) -> list[str]:
    return [clause] if len(clause) <= longest else _packed(clause.split(), longest)


def _packed(parts: Iterator[str] | list[str], longest: int) -> list[str]:
    """Parts joined to as few as possible of at most `longest` letters."""
    packed: list[str] = []
    for part in filter(None, parts):
        if packed and len(packed[-1]) + 1 + len(part) <= longest:
            packed[-1] += f" {part}"
        else:
            packed.append(part)
    return packed
