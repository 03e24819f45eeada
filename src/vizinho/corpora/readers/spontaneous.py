"""Reads Common Voice's spontaneous speech: answers to questions, with tags for what is no word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vizinho.corpora.readers.base import duration_of, fail, split_called, splits_here
from vizinho.corpora.readers.common_voice import tsv_rows
from vizinho.corpora.turns import FieldOptions, Note, OnNote, silent, speech_in
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Utterance

_NEEDED = ("client_id", "audio_file", "transcription")
_UNASSIGNED = "unassigned"
_GUESS = FieldOptions()


@dataclass(frozen=True, slots=True)
class SpontaneousReader:
    """A reader (`vizinho.corpora.readers.base.Reader`) with options, and with notes on the tags of the texts."""

    options: FieldOptions = _GUESS
    on_note: OnNote = silent

    def __call__(
        self, source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
    ) -> Iterator[Utterance]:
        """Read one language of the spontaneous speech releases.

        ::

            sps-corpus-3.0-2026-03-09-cpx/
                ss-corpus-cpx.tsv       client_id, audio_file, duration_ms, transcription, split and more columns
                audios/spontaneous-speech-cpx-1.mp3

        Reads train, dev and test. `unassigned` reads the answers that are in none of them, as train. Answers that
        nobody transcribed, and those with words that nobody understood, are noted and left out.
        """
        table = next(iter(sorted(source.glob("ss-corpus-*.tsv"))), source) if source.is_dir() else source
        if not table.is_file():
            raise CorpusError("no file ss-corpus-*.tsv", where=source, fix="unpack the release there")
        audio = table.absolute().parent / "audios"
        if not audio.is_dir():
            raise CorpusError("no folder audios", where=table.parent, fix="unpack the audio of the release there")
        by_split: dict[str, list[tuple[str, dict[str, str]]]] = {}
        for number, row in tsv_rows(table, _NEEDED, on_problem):
            name = split_called(row.get("split", "").strip()) or _UNASSIGNED
            by_split.setdefault(name, []).append((f"{table}:{number}", row))
        # Of a language without checked answers all are unassigned, and these are its corpus.
        if split is None and len(by_split) > 1:
            for where, _ in by_split.pop(_UNASSIGNED, []):
                self.on_note(Note(_UNASSIGNED, where, "in no split; --split unassigned reads these as train"))
        for name, rows in splits_here(by_split, split, source).items():
            for where, row in rows:
                try:
                    yield from self._utterance(row, where, audio, lang, "train" if name == _UNASSIGNED else name)
                except VizinhoError as problem:
                    on_problem(problem)

    def _utterance(self, row: dict[str, str], where: str, audio: Path, lang: str, split: str) -> Iterator[Utterance]:
        """The utterance of a row; none for one that is left out, which is noted."""
        if not row["audio_file"]:
            raise CorpusError("field 'audio_file' is empty", where=where, fix="leave the row out")
        if not row["transcription"].strip():
            self.on_note(Note("empty", where, "not transcribed"))
            return
        speech = speech_in(row["transcription"], where, self.options, self.on_note)
        if speech is None:
            return
        path = audio / row["audio_file"]
        yield Utterance(
            id=path.stem,
            audio=path,
            text=speech.text,
            lang=lang,
            speaker=row["client_id"],
            duration_seconds=round(duration_of(path, where), 4),
            split=split,
            source="Common Voice Spontaneous Speech",
            licence="CC0-1.0",
            variant=row.get("variant", ""),
            events=" ".join(speech.events),
        )
