"""Running text of a language: its sentences, its treebank's and its side of sentence pairs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from vizinho.errors import CorpusError
from vizinho.languages.levels.treebank import read_treebank
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language


def text_files(language: Language, texts: TextSources) -> list[Path]:
    """Files that hold running text of a language."""
    bank = texts.treebank(language)
    own = [path for path, _, _ in pair_files(language, texts)]
    return [*texts.sentences(language), *([bank] if bank else []), *own]


def running_text(language: Language, texts: TextSources) -> tuple[str, ...]:
    """Sentences of all files of a language, each once. Raises CorpusError for a file that cannot be read."""
    lines = [line for path in texts.sentences(language) for line in _lines(path)]
    bank = texts.treebank(language)
    if bank is not None:
        lines += [sentence.text for sentence in read_treebank(bank).sentences]
    for path, column, _ in pair_files(language, texts):
        lines += [pair[column] for pair in sentence_pairs(path)]
    return tuple(dict.fromkeys(filter(None, map(str.strip, lines))))


def pair_files(language: Language, texts: TextSources) -> list[tuple[Path, int, str]]:
    """Files of sentence pairs, *_A_B.tsv, that have the language: with its column and the other language."""
    sides = [(path, path.stem.split("_")[-2:]) for path in texts.parallel()]
    own = [(path, codes) for path, codes in sides if language.base in codes and len(codes) == 2]
    return [(path, i := codes.index(language.base), codes[1 - i]) for path, codes in own]


def sentence_pairs(path: Path) -> list[list[str]]:
    """Pairs of sentences; a line that has not one tab is left out (the level of vectors names it)."""
    return [cells for line in _lines(path) if len(cells := line.split("\t")) == 2]


def _lines(path: Path) -> list[str]:
    return _read(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _read(path: Path, _written: int) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"cannot read the text ({error})", where=path, fix="give UTF-8 text") from error
