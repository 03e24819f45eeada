"""The readers by name, and the guess which of them a source needs."""

from __future__ import annotations

from pathlib import Path

from vizinho.corpora.readers.base import Reader
from vizinho.corpora.readers.common_voice import read_common_voice
from vizinho.corpora.readers.fleurs import read_fleurs
from vizinho.corpora.readers.huggingface import read_huggingface
from vizinho.corpora.readers.kaldi import read_kaldi
from vizinho.corpora.readers.lhotse import read_lhotse
from vizinho.corpora.readers.ljspeech import read_ljspeech
from vizinho.corpora.readers.mls import read_mls
from vizinho.corpora.readers.nemo import read_nemo
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


def detect(source: Path) -> str:
    """Name the reader for a source by its files. Raises CorpusError when none fits."""
    if not source.exists():
        raise CorpusError("no such file or folder", where=source, fix="check the path")
    if source.is_dir():
        name = next((name for name, signs in _SIGNS if any(any(source.glob(sign)) for sign in signs)), None)
    else:
        name = {".json": "nemo", ".jsonl": "nemo", ".csv": "ljspeech", ".parquet": "huggingface"}.get(source.suffix)
    if name is None:
        raise CorpusError("unknown kind of corpus", where=source, fix=f"name it: --format {', '.join(READERS)}")
    if name == "fleurs" and any(_is_common_voice(table) for table in source.glob("*.tsv")):
        return "common-voice"  # its clips are missing, which the reader will say
    return name


def _is_common_voice(table: Path) -> bool:
    with table.open("rb") as file:
        return b"client_id\t" in file.readline(1000)


def get_reader(name: str) -> Reader:
    """The reader of that name. Raises CorpusError naming those that exist."""
    if name not in READERS:
        raise CorpusError(f"no reader {name!r}", where="format", fix=f"one of {', '.join(READERS)}")
    return READERS[name]
