"""Reads FLEURS: TSV files beside folders of WAV files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vizinho.corpora.readers.base import SPLITS, duration_of, fail, numbered_lines, splits_here
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Utterance

_COLUMNS = 7


def read_fleurs(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read one language of FLEURS.

    ::

        pt_br/
            train.tsv  dev.tsv  test.tsv    id, file, raw text, text, characters, samples, gender
            audio/train/123.wav             the archives audio/*.tar.gz, unpacked (train/123.wav is read too)

    The text is the raw one, with case, punctuation and digits: normalising is a later step. FLEURS does not say who
    speaks, so the speaker is empty.
    """
    # Not lhotse's prepare_fleurs: it reads only the tree that its own downloader makes, prints to standard output, does
    # not check rows, and makes a new speaker for each recording of a prompt, which would hide every speaker leak.
    tables = {name: source / f"{name}.tsv" for name in SPLITS if (source / f"{name}.tsv").is_file()}
    for name, table in splits_here(tables, split, source).items():
        folder = next((f for f in (source / "audio" / name, source / name) if f.is_dir()), None)
        if folder is None:
            raise CorpusError(f"no folder audio/{name}", where=source, fix=f"unpack audio/{name}.tar.gz there")
        for number, line in numbered_lines(table, on_problem):
            try:
                yield _utterance(line, f"{table}:{number}", folder, lang, name)
            except VizinhoError as problem:
                on_problem(problem)


def _utterance(line: str, where: str, folder: Path, lang: str, split: str) -> Utterance:
    fields = line.split("\t")
    if len(fields) != _COLUMNS:
        raise CorpusError(
            f"{len(fields)} fields, {_COLUMNS} wanted", where=where, fix="id, file, raw, text, characters, samples, sex"
        )
    audio = (folder / fields[1]).absolute()
    return Utterance(
        # The first column numbers sentences, which several people read; only the file name is unique.
        id=Path(fields[1]).stem,
        audio=audio,
        text=fields[2].strip(),
        lang=lang,
        speaker="",
        duration_seconds=round(duration_of(audio, where), 4),
        split=split,
        source="FLEURS",
        licence="CC-BY-4.0",
    )
