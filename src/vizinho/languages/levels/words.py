"""Frequent words of a language with their frequencies: from a list, from wordfreq, or counted in its texts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

import regex

from vizinho.errors import CorpusError
from vizinho.g2p.words import frequent_words, is_listed, is_word, word_frequencies
from vizinho.languages.levels.running import running_text, text_files
from vizinho.languages.levels.scripts import UNSPACED, Words, main_script, of_main_script
from vizinho.languages.sources import TextSources
from vizinho.text.alphabets import sample_sentences
from vizinho.text.language import Language

LEAST_COUNTED = 60
"""Different words below which a text says nothing about a vocabulary."""
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*")


def words_of_both(
    target: Language, donor: Language, texts: TextSources, top: int
) -> tuple[Words, Words, tuple[str, ...]]:
    """Words of both languages, of the target no more than the donor has, and where they are from.

    A language that is known by a sample of a hundred words has few of the other's thousands whatever the language, so
    the most frequent ones of the other are as many.
    """
    donor_words = words_of(donor, texts, top)
    sources = tuple(dict.fromkeys(source_of(language, texts) for language in (target, donor)))
    return words_of(target, texts, top)[: max(len(donor_words), LEAST_COUNTED)], donor_words, sources


def source_of(language: Language, texts: TextSources) -> str:
    """What `words_of` reads, in words."""
    if path := texts.frequencies(language):
        return path.name
    if is_listed(language.base):
        return "wordfreq"
    if files := word_files(language, texts):
        return "counted in " + ", ".join(path.name for path in files)
    return f"sample sentences of gflanguages ({language.code})"


def word_files(language: Language, texts: TextSources) -> list[Path]:
    """Files that the words of a language depend on."""
    if path := texts.frequencies(language):
        return [path]
    if is_listed(language.base):
        return []
    lexicon = texts.lexicon(language)
    return text_files(language, texts) or ([lexicon] if lexicon else [])


def words_of(language: Language, texts: TextSources, top: int) -> Words:
    """The `top` most frequent words of two characters or more, in lower case, letters and marks of one script.

    From frequencies/CODE.tsv (word, tab, count) of `texts` where there is one, else from wordfreq, else counted in the
    texts, else the words of the lexicon, else counted in the sample sentences of gflanguages (most of them from the
    Universal Declaration of Human Rights). Raises CorpusError for a language without any and for a malformed list.
    """
    path = texts.frequencies(language)
    if path is not None:
        return _read(path)[:top]
    if is_listed(language.base):
        return _listed(language.base, top)
    if text_files(language, texts):
        return _enough(_counted(running_text(language, texts)), language)[:top]
    if lexicon := texts.lexicon(language):
        lines = lexicon.read_text(encoding="utf-8").splitlines()
        return _enough(_ranked(Counter(line.partition("\t")[0] for line in lines)), language)[:top]
    return _sampled(language)[:top]


@lru_cache(maxsize=64)
def _listed(language: str, top: int) -> Words:
    # The list as it is: asked for a word, wordfreq cuts it into tokens first, with MeCab in Japanese and Korean.
    frequencies = word_frequencies(language)
    return of_main_script(tuple((w, frequencies.get(w, 0.0)) for w in frequent_words(language, top, shortest=2)))


def _sampled(language: Language) -> Words:
    sentences = sample_sentences(language.code)
    if sentences and len(words := _counted(sentences)) >= LEAST_COUNTED:
        return _enough(words, language)
    fix = f"put a list (word, tab, count) into frequencies/{language.code}.tsv of the folder given with --texts, "
    raise CorpusError(f"no words of {language.code!r}", fix=fix + f"or any text into sentences/{language.code}.txt")


@lru_cache(maxsize=32)
def _counted(sentences: tuple[str, ...]) -> Words:
    return _ranked(Counter(word for line in sentences for word in words_in(line)))


def words_in(line: str) -> list[str]:
    """The words of a line of text, in lower case: letters and their marks."""
    return list(_WORD.findall(unicodedata.normalize("NFC", line.lower())))


def _enough(words: Words, language: Language) -> Words:
    """Counted words. Raises CorpusError where they are too few, or no words."""
    if main_script(words) in UNSPACED:
        fix = f"put a list (word, tab, count) into frequencies/{language.code}.tsv of the folder given with --texts"
        raise CorpusError(f"the texts of {language.code} put no spaces between words", fix=fix)
    if len(words) < LEAST_COUNTED:
        what = f"only {len(words)} different words of {language.code} in its texts"
        raise CorpusError(what, fix=f"give a text of {LEAST_COUNTED} different words or more")
    return words


def _ranked(counts: Counter[str] | dict[str, float]) -> Words:
    """Words by count, those of one letter or of another script left out."""
    usable = {word: float(count) for word, count in counts.items() if len(word) > 1 and is_word(word)}
    total = sum(usable.values())
    ranked = sorted(usable.items(), key=lambda item: (-item[1], item[0]))
    return of_main_script(tuple((word, count / total) for word, count in ranked))


def _read(path: Path) -> Words:
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
        counts[word] = counts.get(word, 0.0) + value
    words = _ranked(counts)
    if not words:
        raise CorpusError("the frequency list has no words", where=path, fix="write a word, a tab and a count a line")
    return words
