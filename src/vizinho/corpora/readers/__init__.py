"""The readers by name, and the guess which of them a source needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vizinho.corpora.readers.base import Reader
from vizinho.corpora.readers.common_voice import read_common_voice
from vizinho.corpora.readers.eaf import parse_eaf
from vizinho.corpora.readers.field import FieldReader
from vizinho.corpora.readers.fleurs import read_fleurs
from vizinho.corpora.readers.huggingface import read_huggingface
from vizinho.corpora.readers.kaldi import read_kaldi
from vizinho.corpora.readers.lhotse import read_lhotse
from vizinho.corpora.readers.ljspeech import read_ljspeech
from vizinho.corpora.readers.mls import read_mls
from vizinho.corpora.readers.nemo import read_nemo
from vizinho.corpora.readers.subtitles import parse_subtitles
from vizinho.corpora.readers.textgrid import parse_textgrid
from vizinho.corpora.tiers import Choice
from vizinho.corpora.turns import FieldOptions, OnNote
from vizinho.errors import CorpusError

READERS: dict[str, Reader] = {
    "common-voice": read_common_voice,
    "mls": read_mls,
    "fleurs": read_fleurs,
    "kaldi": read_kaldi,
    "nemo": read_nemo,
    "ljspeech": read_ljspeech,
    "huggingface": read_huggingface,
    "lhotse": read_lhotse,
    "eaf": FieldReader(parse_eaf, (".eaf",)),
    "textgrid": FieldReader(parse_textgrid, (".textgrid",)),
    "srt": FieldReader(parse_subtitles, (".srt",), parentheses="events"),
    "vtt": FieldReader(parse_subtitles, (".vtt",), parentheses="events"),
}

_SIGNS = (
    ("kaldi", ("wav.scp",)),
    ("common-voice", ("clips", "*/clips")),
    ("mls", ("train/transcripts.txt", "dev/transcripts.txt", "test/transcripts.txt")),
    ("ljspeech", ("metadata.csv",)),
    ("lhotse", ("*supervisions*.jsonl*",)),
    ("nemo", ("*_manifest.json", "*_manifest.jsonl")),
    ("huggingface", ("dataset_dict.json", "state.json", "*.parquet", "*/*.parquet")),
    ("fleurs", ("train.tsv", "dev.tsv", "test.tsv")),
)
"""Files that only one kind of corpus has, the most certain first."""
_SUFFIXES = {".json": "nemo", ".jsonl": "nemo", ".csv": "ljspeech", ".parquet": "huggingface"} | {
    suffix: name for name, reader in READERS.items() if isinstance(reader, FieldReader) for suffix in reader.suffixes
}
"""What a single file is; a folder without other signs is what its files are."""


def detect(source: Path) -> str:
    """Name the reader for a source by its files. Raises CorpusError when none fits."""
    if not source.exists():
        raise CorpusError("no such file or folder", where=source, fix="check the path")
    if source.is_dir():
        name = next((name for name, signs in _SIGNS if any(any(source.glob(sign)) for sign in signs)), None)
        name = name or _of_files(source)
    else:
        name = _SUFFIXES.get(source.suffix.lower())
    if name is None:
        raise CorpusError("unknown kind of corpus", where=source, fix=f"name it: --format {', '.join(READERS)}")
    if name == "fleurs" and any(_is_common_voice(table) for table in source.glob("*.tsv")):
        return "common-voice"  # its clips are missing, which the reader will say
    return name


def _of_files(folder: Path) -> str | None:
    """The kind of transcripts that a folder holds at any depth. Raises CorpusError for several kinds."""
    suffixes = {path.suffix.lower() for path in folder.rglob("*")}
    names = [
        name for name, reader in READERS.items() if isinstance(reader, FieldReader) and suffixes & {*reader.suffixes}
    ]
    if len(names) > 1:
        what = f"transcripts of several kinds: {', '.join(names)}"
        raise CorpusError(what, where=folder, fix="choose one with --format")
    return names[0] if names else None


def _is_common_voice(table: Path) -> bool:
    with table.open("rb") as file:
        return b"client_id\t" in file.readline(1000)


def get_reader(name: str) -> Reader:
    """The reader of that name. Raises CorpusError naming those that exist."""
    if name not in READERS:
        raise CorpusError(f"no reader {name!r}", where="format", fix=f"one of {', '.join(READERS)}")
    return READERS[name]


def configured(name: str, options: FieldOptions, on_note: OnNote, on_choice: Callable[[Choice], None]) -> Reader:
    """The reader of that name with options for field transcripts. Raises CorpusError where it has no use for them."""
    reader = get_reader(name)
    if isinstance(reader, FieldReader):
        return replace(reader, options=options, on_note=on_note, on_choice=on_choice)
    if options != FieldOptions():
        what = f"{name} has no tiers, recordings elsewhere, encodings or transcribers' signs to choose"
        raise CorpusError(
            what, where="options", fix="leave out --tier, --media, --encoding, --parentheses, --keep-unclear"
        )
    return reader
