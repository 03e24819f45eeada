"""What languages are compared by: files of text in a folder, manifests of recordings, and the settings of levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vizinho.errors import CorpusError
from vizinho.text.language import Language


@dataclass(frozen=True, slots=True)
class TextSources:
    """A folder of texts by language code; docs/compare.md has its parts.

    treebanks/<code>_*.conllu, lexicons/<code>.tsv, frequencies/<code>.tsv, sentences/*<code>*.txt (or in the folder
    itself), parallel/*.tsv. Each part is optional; what is missing becomes a gap in the comparison. None: only what is
    built in.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        """Raises CorpusError when the folder does not exist."""
        if self.folder is not None and not self.folder.is_dir():
            raise CorpusError(
                "no such folder of texts", where=self.folder, fix="give --texts a folder, or leave it out"
            )

    def treebank(self, language: Language) -> Path | None:
        """The CoNLL-U file of a language, if there is one."""
        return self._first("treebanks", language, "{}_*.conllu", "{}.conllu")

    def lexicon(self, language: Language) -> Path | None:
        """The pronunciation lexicon (word, tab, IPA) of a language, if there is one."""
        return self._first("lexicons", language, "{}.tsv", "{}-*.tsv")

    def frequencies(self, language: Language) -> Path | None:
        """The frequency list (word, tab, count) of a language, if there is one."""
        return self._first("frequencies", language, "{}.tsv")

    def sentences(self, language: Language) -> list[Path]:
        """Files of raw sentences, one a line: <code>.txt, <code>_*.txt and *_<code>.txt."""
        patterns = "{0}.txt|{0}_*.txt|*_{0}.txt"
        return self._files("sentences", language, patterns) or self._files("", language, patterns)

    def parallel(self) -> list[Path]:
        """Files of sentence pairs, of all languages."""
        return sorted((self.folder / "parallel").glob("*.tsv")) if self.folder else []

    def _first(self, part: str, language: Language, *patterns: str) -> Path | None:
        return next(iter(self._files(part, language, *patterns)), None)

    def _files(self, part: str, language: Language, *patterns: str) -> list[Path]:
        """Files that match the first pattern that any file matches, for the closest code first."""
        if self.folder is None:
            return []
        for code in language.candidates:
            for pattern in patterns:
                globs = pattern.format(code).split("|")
                if files := sorted({path for glob in globs for path in (self.folder / part).glob(glob)}):
                    return files
        return []


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the languages are compared by, besides what is built in."""

    texts: TextSources = field(default_factory=TextSources)
    speech: Mapping[str, Path] = field(default_factory=dict)
    """Manifest of recordings by language code."""
    models: Mapping[str, Path] = field(default_factory=dict)
    """Model folder of a donor's recogniser by language code, for zero-shot decoding."""
    minutes: float = 5.0
    """Speech of each language that the acoustic level uses."""
    top: int = 5000
    """Most frequent words that the vocabulary level uses."""
    g2p: Literal["espeak", "lexicon"] = "espeak"
    """Where pronunciations come from: eSpeak NG's rules or lexicons/, for both languages."""
    seed: int = 1
    work: Path | None = None
    """Folder that keeps word vectors trained on the way."""
    false_friends: bool = False
    """Whether the vocabulary level flags cognates by their vectors; on when the level of vectors is asked for."""

    def recordings(self, language: Language) -> Path | None:
        """The manifest of a language, that of the variant before that of the language."""
        return next((self.speech[code] for code in language.candidates if code in self.speech), None)
