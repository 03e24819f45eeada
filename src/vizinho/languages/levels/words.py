"""Frequent words of a language: wordfreq's lists (Speer 2022), or a frequency list of the user's own."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

from vizinho.errors import CorpusError
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

Words = tuple[tuple[str, float], ...]
"""Words with their frequency per word of text, the most frequent first."""


@lru_cache(maxsize=64)
def frequent_words(variant: Language, sources: TextSources, top: int) -> Words:
    """The `top` most frequent words of two letters or more, in lower case, letters only.

    From frequencies/CODE.tsv (word, tab, count) of `sources` where there is one, else from wordfreq. Raises CorpusError
    for a language with neither and for a malformed list.
    """
    own = sources.frequencies(variant)
    return _read(own, top) if own is not None else _wordfreq(variant.base, top)


def _wordfreq(language: str, top: int) -> Words:
    import wordfreq

    if language not in wordfreq.available_languages("best"):
        raise CorpusError(
            f"wordfreq has no words of {language!r}",
            fix=f"put a list (word, tab, count) into frequencies/{language}.tsv of the folder given with --texts",
        )
    found = [w for w in wordfreq.top_n_list(language, 4 * top) if _is_word(w)][:top]
    return tuple((w, wordfreq.word_frequency(w, language)) for w in found)


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
        if _is_word(word):
            counts[word] = counts.get(word, 0.0) + value
    if not counts:
        raise CorpusError("the frequency list holds no words", where=path, fix="write a word, a tab and a count a line")
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
    return tuple((word, count / total) for word, count in ranked)


def _is_word(word: str) -> bool:
    return len(word) > 1 and word.isalpha()


def folded(word: str) -> str:
    """The word without diacritics: "opinião" to "opiniao"."""
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
