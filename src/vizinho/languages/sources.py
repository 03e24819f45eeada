"""Files of text that languages are compared by, in a folder by language code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vizinho.errors import CorpusError
from vizinho.text.language import Language


@dataclass(frozen=True, slots=True)
class TextSources:
    """A folder of texts by language code; docs/compare.md has its parts.

    treebanks/<code>_*.conllu, lexicons/<code>.tsv, frequencies/<code>.tsv, sentences/*<code>*.txt, parallel/*.tsv. Each
    part is optional; what is missing becomes a gap in the comparison. None: only what is built in.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        """Raises CorpusError when the folder does not exist."""
        if self.folder is not None and not self.folder.is_dir():
            raise CorpusError(
                "no such folder of texts", where=str(self.folder), fix="give --texts a folder, or leave it out"
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
        """Files of raw sentences, one a line: <code>_*.txt and *_<code>.txt."""
        if self.folder is None:
            return []
        for code in language.candidates:
            found = sorted(
                {*(self.folder / "sentences").glob(f"{code}_*.txt"), *(self.folder / "sentences").glob(f"*_{code}.txt")}
            )
            if found:
                return found
        return []

    def _first(self, part: str, language: Language, *patterns: str) -> Path | None:
        if self.folder is None:
            return None
        for code in language.candidates:
            for pattern in patterns:
                found = sorted((self.folder / part).glob(pattern.format(code)))
                if found:
                    return found[0]
        return None
