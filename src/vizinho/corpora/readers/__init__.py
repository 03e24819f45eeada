"""The readers by name, and the guess which of them a source needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vizinho.corpora.readers.audacity import is_audacity, parse_audacity
from vizinho.corpora.readers.audiofolder import TABLES, is_audiofolder, read_audiofolder
from vizinho.corpora.readers.base import Reader, visible_files
from vizinho.corpora.readers.chat import parse_chat
from vizinho.corpora.readers.common_voice import read_common_voice
from vizinho.corpora.readers.eaf import parse_eaf
from vizinho.corpora.readers.field import FieldReader
from vizinho.corpora.readers.fleurs import read_fleurs
from vizinho.corpora.readers.huggingface import read_huggingface
from vizinho.corpora.readers.kaldi import read_kaldi
from vizinho.corpora.readers.label_studio import is_label_studio, parse_label_studio
from vizinho.corpora.readers.lhotse import read_lhotse
from vizinho.corpora.readers.ljspeech import is_piper, read_ljspeech, read_piper
from vizinho.corpora.readers.mls import read_mls
from vizinho.corpora.readers.nemo import read_nemo
from vizinho.corpora.readers.spontaneous import SpontaneousReader
from vizinho.corpora.readers.subtitles import parse_subtitles
from vizinho.corpora.readers.textgrid import parse_textgrid
from vizinho.corpora.readers.transcriber import parse_transcriber
from vizinho.corpora.tiers import Choice
from vizinho.corpora.turns import FieldOptions, OnNote
from vizinho.errors import CorpusError

READERS: dict[str, Reader] = {
    "common-voice": read_common_voice,
    "common-voice-spontaneous": SpontaneousReader(),
    "mls": read_mls,
    "fleurs": read_fleurs,
    "kaldi": read_kaldi,
    "nemo": read_nemo,
    "ljspeech": read_ljspeech,
    "piper": read_piper,
    "audiofolder": read_audiofolder,
    "huggingface": read_huggingface,
    "lhotse": read_lhotse,
    "eaf": FieldReader(parse_eaf, (".eaf",)),
    "textgrid": FieldReader(parse_textgrid, (".textgrid",)),
    "srt": FieldReader(parse_subtitles, (".srt",), parentheses="events"),
    "vtt": FieldReader(parse_subtitles, (".vtt",), parentheses="events"),
    "audacity": FieldReader(parse_audacity, (".txt",), recognises=is_audacity),
    "label-studio": FieldReader(parse_label_studio, (".json",), recognises=is_label_studio),
    "chat": FieldReader(parse_chat, (".cha",)),
    "transcriber": FieldReader(parse_transcriber, (".trs",)),
}

_SIGNS: tuple[tuple[str, tuple[str, ...], Callable[[Path], bool]], ...] = (
    ("kaldi", ("wav.scp",), Path.exists),
    ("audiofolder", tuple(place + name for place in ("", "*/") for name in TABLES), is_audiofolder),
    ("common-voice", ("clips", "*/clips"), Path.exists),
    ("common-voice-spontaneous", ("ss-corpus-*.tsv",), Path.exists),
    ("mls", ("train/transcripts.txt", "dev/transcripts.txt", "test/transcripts.txt"), Path.exists),
    ("piper", ("metadata.csv",), is_piper),
    ("ljspeech", ("metadata.csv",), Path.exists),
    ("lhotse", ("*supervisions*.jsonl*",), Path.exists),
    ("nemo", ("*_manifest.json", "*_manifest.jsonl"), Path.exists),
    ("huggingface", ("dataset_dict.json", "state.json", "*.parquet", "*/*.parquet"), Path.exists),
    ("fleurs", ("train.tsv", "dev.tsv", "test.tsv"), Path.exists),
)
"""Files that only one kind of corpus has, and what tells it from others with such names, the most certain first."""

_FILES: tuple[tuple[str, tuple[str, ...], Callable[[Path], bool]], ...] = (
    *(
        (name, reader.suffixes, reader.recognises)
        for name, reader in READERS.items()
        if isinstance(reader, FieldReader)
    ),
    ("audiofolder", (".csv", ".jsonl"), is_audiofolder),
    ("nemo", (".json", ".jsonl"), Path.exists),
    ("piper", (".csv",), is_piper),
    ("ljspeech", (".csv",), Path.exists),
    ("huggingface", (".parquet",), Path.exists),
    ("common-voice-spontaneous", (".tsv",), lambda table: table.name.startswith("ss-corpus")),
)
"""What a single file is, by its suffix and its beginning."""


_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz")
_BEGINNING = 1024
"""Bytes of a file that show what it is."""
_BEGINNINGS = (
    (b"<ANNOTATION_DOCUMENT", ".eaf"),
    (b"ooTextFile", ".textgrid"),
    (b"<!DOCTYPE Trans", ".trs"),
    (b"WEBVTT", ".vtt"),
)
"""What only one kind of transcript begins with, and its suffix."""


def detect(source: Path) -> str:
    """Name the reader for a source by its files. Raises CorpusError when none fits, or several do."""
    if not source.exists():
        raise CorpusError("no such file or folder", where=source, fix="check the path")
    if not source.is_dir():
        kinds = (name for name, suffixes, fits in _FILES if source.suffix.lower() in suffixes and fits(source))
        name = next(kinds, None)
    else:
        signs = (name for name, places, fits in _SIGNS if any(fits(f) for place in places for f in source.glob(place)))
        name = next(signs, None) or _of_files(source)
    if name is None:
        raise _unknown(source)
    if name == "fleurs" and any(_is_common_voice(table) for table in source.glob("*.tsv")):
        return "common-voice"  # its clips are missing, which the reader will say
    return name


def _unknown(source: Path) -> CorpusError:
    """The error for what no reader knows: an empty folder, archives, transcripts with another suffix, others."""
    files = visible_files(source) if source.is_dir() else [source]
    if not files:
        return CorpusError("the folder is empty", where=source, fix="give the folder that holds the transcripts")
    packed = [file for file in files if file.suffix.lower() in _ARCHIVES]
    if packed:
        return CorpusError("an archive, which is not read", where=packed[0], fix="unpack it and give the folder")
    for file in files:
        with contextlib.suppress(OSError), file.open("rb") as opened:
            start = opened.read(_BEGINNING).replace(b"\0", b"")  # UTF-16 has a zero in every Latin letter
            suffix = next((suffix for sign, suffix in _BEGINNINGS if sign in start), None)
            if suffix is not None and file.suffix.lower() != suffix:
                return CorpusError(f"its contents are those of a {suffix} file", where=file, fix=f"name it *{suffix}")
    return CorpusError("unknown kind of corpus", where=source, fix=f"name it: --format {', '.join(READERS)}")


def _of_files(folder: Path) -> str | None:
    """The kind of transcripts that a folder holds at any depth. Raises CorpusError for several kinds."""
    files = visible_files(folder)
    readers = {name: reader for name, reader in READERS.items() if isinstance(reader, FieldReader)}
    names = [
        name
        for name, reader in readers.items()
        if any(f.suffix.lower() in reader.suffixes and reader.recognises(f) for f in files)
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
    unused = options
    if isinstance(reader, SpontaneousReader):
        reader = replace(reader, options=options, on_note=on_note)
        unused = replace(options, parentheses="", keep_unclear=False)
    if unused != FieldOptions():
        fix = "leave out --tier, --media, --encoding, --parentheses, --channel, --keep-unclear, --drop-overlaps"
        raise CorpusError(f"{name} has nothing for options of field recordings to choose", where="options", fix=fix)
    return reader
