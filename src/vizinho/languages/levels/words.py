"""Frequent words of a language with their frequencies: wordfreq's lists, or a frequency list of the user's own."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

from vizinho.errors import CorpusError, TextError
from vizinho.g2p.words import frequent_words, is_word, list_name
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

Words = tuple[tuple[str, float], ...]
"""Words with their frequency per word of text, the most frequent first."""


def words_of(language: Language, texts: TextSources, top: int) -> Words:
    """The `top` most frequent words of two characters or more, in lower case, letters and marks only.

    From frequencies/CODE.tsv (word, tab, count) of `texts` where there is one, else from wordfreq. Raises CorpusError
    for a language with neither and for a malformed list.
    """
    path = texts.frequencies(language)
    return _read(path, top) if path is not None else _listed(language.base, top)


@lru_cache(maxsize=64)
def _listed(language: str, top: int) -> Words:
    import wordfreq

    try:
        name = list_name(language)
    except TextError as error:
        fix = f"put a list (word, tab, count) into frequencies/{language}.tsv of the folder given with --texts"
        raise CorpusError(error.what, fix=fix) from error
    return tuple((w, wordfreq.word_frequency(w, name)) for w in frequent_words(language, top, shortest=2))


def _read(path: Path, top: int) -> Words:
    counts: dict[str, float] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        word, _, count = line.rpartition("\t")
        try:
            value = float(count)
        except ValueError as error:
            raise CorpusError("not a word, a tab and a count", where=f"{path}:{number}", fix="mend the line") from error
        word = unicodedata.normalize("NFC", word.strip().lower())
        if len(word) > 1 and is_word(word):
            counts[word] = counts.get(word, 0.0) + value
    if not counts:
        raise CorpusError("the frequency list has no words", where=path, fix="write a word, a tab and a count a line")
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
    return tuple((word, count / total) for word, count in ranked)


def spellings(words: Words) -> tuple[str, ...]:
    """The words without their frequencies."""
    return tuple(word for word, _ in words)


def folded(word: str) -> str:
    """The word without diacritics: "opinião" to "opiniao"."""
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
