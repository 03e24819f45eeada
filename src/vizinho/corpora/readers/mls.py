"""Reads Multilingual LibriSpeech: transcripts beside folders of audiobook pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vizinho.corpora.readers.base import SPLITS, duration_of, fail, find_audio, numbered_lines, splits_here
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Utterance


def read_mls(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read one language of MLS, as FLAC or Opus.

    ::

        mls_portuguese/
            train/transcripts.txt                              id, tab, text
            train/audio/2961/3427/2961_3427_000000.flac        speaker, book, number
            dev/  test/                                        alike

    The speaker is the first part of the id.
    """
    # Not lhotse's prepare_mls: it asserts, needs metainfo.txt, drops rows without audio and reads only whole releases.
    paths = {name: source / name / "transcripts.txt" for name in SPLITS}
    tables = {name: table for name, table in paths.items() if table.is_file()}
    for name, table in splits_here(tables, split, source).items():
        for number, line in numbered_lines(table, on_problem):
            try:
                yield _utterance(line, f"{table}:{number}", source / name / "audio", lang, name)
            except VizinhoError as problem:
                on_problem(problem)


def _utterance(line: str, where: str, audio: Path, lang: str, split: str) -> Utterance:
    name, tab, text = line.partition("\t")
    parts = name.strip().split("_")
    if not tab or len(parts) != 3:
        raise CorpusError(
            f"not `speaker_book_number`, tab, text: {line[:60]!r}", where=where, fix="restore the line from MLS"
        )
    stem = audio / parts[0] / parts[1] / name.strip()
    path = find_audio(stem.absolute())
    if path is None:
        raise CorpusError(f"no audio file {stem}.flac (or .opus)", where=where, fix="add it or leave the row out")
    return Utterance(
        id=name.strip(),
        audio=path,
        text=text.strip(),
        lang=lang,
        speaker=parts[0],
        duration_seconds=round(duration_of(path, where), 4),
        split=split,
        source="MLS",
        licence="CC-BY-4.0",
    )
