"""Reads Mozilla Common Voice: TSV files beside a folder of clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vizinho.corpora.readers.base import SPLITS, duration_of, fail, numbered_lines, splits_here
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.files import is_file
from vizinho.records import Utterance
from vizinho.text.language import Language

_NEEDED = ("client_id", "path", "sentence")


def read_common_voice(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read a language folder of Common Voice, or a release folder that holds `lang`.

    ::

        cv-corpus-21.0/pt/
            train.tsv  dev.tsv  test.tsv       client_id, path, sentence and more columns, of any release
            clip_durations.tsv                 optional: clip, duration[ms]
            clips/common_voice_pt_1234.mp3

    Reads train, dev and test; another table (`validated`, `other`) when `split` names it. Speakers are client ids.
    """
    # Not lhotse's prepare_commonvoice: it skips rows without a clip with a log line at INFO level, asserts on bad
    # folders, and sends each row to a spawned process.
    inside = [clips.parent for clips in sorted(source.glob("*/clips"))]
    folder = next((f for f in inside if Language.of(f.name) == Language.of(lang)), source)
    names = dict.fromkeys((*SPLITS, split or "train"))
    tables = {name: folder / f"{name}.tsv" for name in names if (folder / f"{name}.tsv").is_file()}
    durations = _clip_durations(folder / "clip_durations.tsv")
    chosen = splits_here(tables, split, folder)
    if not (folder / "clips").is_dir():
        raise CorpusError("no folder clips", where=folder, fix="unpack the clips of the release there")
    for name, table in chosen.items():
        for number, row in tsv_rows(table, _NEEDED, on_problem):
            try:
                yield _utterance(row, f"{table}:{number}", folder, lang, name, durations)
            except VizinhoError as problem:
                on_problem(problem)


def stated_language(source: Path) -> str | None:
    """The language that the tables of a Common Voice folder name in every first row; None where none or several do."""
    stated: set[str] = set()
    for table in sorted(source.glob("*.tsv")) if source.is_dir() else []:
        with table.open(encoding="utf-8", errors="replace") as file:
            header, first = (next(file, "").removeprefix("\ufeff").rstrip("\r\n").split("\t") for _ in range(2))
        row = dict(zip(header, first, strict=False))
        stated.update(filter(None, (row.get("locale") or row.get("language"),)))
    return stated.pop() if len(stated) == 1 else None


def tsv_rows(table: Path, needed: Sequence[str], on_problem: OnProblem) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a table with their line numbers. Raises CorpusError where a needed column is missing."""
    lines = numbered_lines(table, on_problem)
    header: list[str] = []
    for number, line in lines:
        # Sentences hold unbalanced quotation marks, so quotes mean nothing here, and csv refuses long fields.
        fields = line.split("\t")
        if not header:
            header = fields
            missing = [name for name in needed if name not in header]
            if missing:
                raise CorpusError(
                    f"columns missing: {', '.join(missing)}", where=f"{table}:{number}", fix="is it Common Voice?"
                )
        elif len(fields) != len(header):  # a tab or a line break inside a sentence
            what = f"{len(fields)} fields where the header has {len(header)}"
            on_problem(CorpusError(what, where=f"{table}:{number}", fix="fields stand between tabs"))
        else:
            yield number, dict(zip(header, fields, strict=True))


def _utterance(
    row: dict[str, str], where: str, folder: Path, lang: str, split: str, durations: dict[str, float]
) -> Utterance:
    if not row["path"]:
        raise CorpusError("field 'path' is empty", where=where, fix="leave the row out")
    # Early releases name clips without their suffix.
    clip = row["path"] if Path(row["path"]).suffix else f"{row['path']}.mp3"
    audio = (folder / "clips" / clip).absolute()
    seconds = durations.get(clip)
    if seconds is None or not is_file(audio):
        seconds = duration_of(audio, where)
    return Utterance(
        id=Path(clip).stem,
        audio=audio,
        text=row["sentence"].strip(),
        lang=lang,
        speaker=row["client_id"],
        duration_seconds=round(seconds, 4),
        split=split,
        accent=row.get("accents") or row.get("accent") or "",
        source="Common Voice",
        licence="CC0-1.0",
        variant=row.get("variant", ""),
        domain=row.get("sentence_domain", ""),
    )


def _clip_durations(table: Path) -> dict[str, float]:
    if not table.is_file():
        return {}
    seconds: dict[str, float] = {}
    for number, line in numbered_lines(table):
        clip, _, milliseconds = line.partition("\t")
        if number == 1:
            continue
        try:
            seconds[clip] = float(milliseconds) / 1000
        except ValueError as error:
            raise CorpusError(
                f"{milliseconds!r} is no duration", where=f"{table}:{number}", fix="remove the file"
            ) from error
    return seconds
