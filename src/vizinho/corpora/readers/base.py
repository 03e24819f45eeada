"""What all readers share: their signature, names of splits, values of rows, and files cut out of containers."""

from __future__ import annotations

import gzip
import hashlib
import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vizinho.audio.io import Waveform, resample, save_audio, seconds_of
from vizinho.errors import AudioError, CorpusError, OnProblem, VizinhoError
from vizinho.files import is_file
from vizinho.records import Utterance
from vizinho.rights import Rights

AUDIO_SUFFIXES = (".flac", ".wav", ".opus", ".ogg", ".oga", ".mp3", ".m4a", ".webm", ".mp4", ".aif", ".aiff")
_UNPACKED_BYTES = 64 * 2**20  # small files may unpack to this much, whatever their ratio
SPLITS = ("train", "dev", "test")
_SPLIT_NAMES = {"training": "train", "testing": "test"} | dict.fromkeys(("validation", "valid", "val", "eval"), "dev")
"""What others call the splits."""
_NAMED_AFTER = re.compile(rf"(?:partial-)?({'|'.join((*SPLITS, *_SPLIT_NAMES))})(?![a-zA-Z])")
"""A file or folder named after its split, with what may follow; the hub cuts large sets off and calls them partial."""
_Source = TypeVar("_Source")


def fail(problem: VizinhoError) -> None:
    """Stop at the first bad row: the default of all readers."""
    raise problem


class Reader(Protocol):
    """Turns one kind of corpus into utterances, lazily and in the order of the source."""

    def __call__(
        self, source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
    ) -> Iterator[Utterance]:
        """Read `source`.

        Args:
            source: The corpus; the reader's docstring shows the tree that it expects.
            lang: Language code of the utterances.
            split: Of a source with splits, the one to read (None: all). Of a source without, the name of the split
                that it becomes (None: the one that it is named after, else train).
            audio_dir: Folder for audio that has no file of its own in the source; made when needed.
            on_problem: Called with each bad row, named by file and line.

        Raises CorpusError when the source as a whole cannot be read.
        """
        ...


def numbered_lines(path: Path, on_problem: OnProblem = fail) -> Iterator[tuple[int, str]]:
    """Non-empty lines of a UTF-8 file with their numbers; others are reported. Raises CorpusError without a file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"cannot read the file ({error.strerror})"
        raise CorpusError(what, where=path, fix="check the corpus folder") from error
    # Not splitlines(): it also splits at characters such as U+2028, which may be inside a text.
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError:
            on_problem(CorpusError("the line is not UTF-8", where=f"{path}:{number}", fix="convert the file"))
            continue
        if text.strip():
            yield number, text


def split_fields(line: str, separator: str) -> list[str]:
    """Fields of a line, with quotation marks as they are, unless a csv library doubled them.

    Most writers of such tables quote nothing, and their texts may begin and end with quotation marks.
    """
    quoted = re.compile(rf'"((?:[^"]|"")*)"(?={re.escape(separator)}|$)')
    fields, position = [], 0
    while position <= len(line):
        match = quoted.match(line, position)
        if match and ('""' in match[1] or separator in match[1]):
            fields.append(match[1].replace('""', '"'))
            end = match.end()
        else:
            end = line.find(separator, position)
            end = len(line) if end < 0 else end
            fields.append(line[position:end])
        position = end + len(separator)
    return fields


def check_unpacks(path: Path) -> None:
    """Check a .gz file before a library unpacks it into memory; other files pass.

    Raises CorpusError for a damaged file and for one that unpacks to more than 100 times its size.
    """
    if path.suffix != ".gz":
        return
    again = "copy it again, or unpack it if it is what you expect"
    try:
        # JSON of recordings shrinks 10 to 30 times, zeros a thousand times.
        largest, unpacked = max(_UNPACKED_BYTES, 100 * path.stat().st_size), 0
        with gzip.open(path) as file:
            while part := file.read(2**20):
                unpacked += len(part)
                if unpacked > largest:
                    raise CorpusError(f"unpacks to more than {largest} bytes", where=path, fix=again)
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"cannot be unpacked ({error})", where=path, fix=again) from error


def splits_here(splits: dict[str, _Source], split: str | None, source: Path) -> dict[str, _Source]:
    """One of a source's splits, or all for None. Raises CorpusError when there are none or that one is missing."""
    if not splits:
        raise CorpusError("no split found in this folder", where=source, fix="see docs/corpora.md for the tree")
    if split is None:
        return splits
    if split not in splits:
        raise CorpusError(f"no split {split!r}", where=source, fix=f"splits here: {', '.join(sorted(splits))}")
    return {split: splits[split]}


def split_called(name: str) -> str:
    """The name of a split as it is here: `dev` for validation and its short forms, other names as they are."""
    return _SPLIT_NAMES.get(name, name)


def split_named_by(path: Path, source: Path | None = None) -> str | None:
    """The split that a file or folder is named after (`test.csv`, `dev_clean/`, `validation-00000-of-00001.parquet`).

    Within `source`, a file may also be named by the nearest folder above it (`validation/0000.parquet`).
    """
    folders = [f for f in path.parents if f != source and f.is_relative_to(source)] if source else []
    names = filter(None, (_NAMED_AFTER.match(part.stem) for part in (path, *folders)))
    return next((split_called(name[1]) for name in names), None)


def text_value(row: Mapping[str, Any], key: str, where: str) -> str:
    """A value that should be text, "" where it is missing or null; whole numbers, such as speakers', are written out.

    Raises CorpusError naming the row for anything else.
    """
    value = row.get(key)
    if value is None or (isinstance(value, float) and math.isnan(value)):  # NaN is how pandas writes a missing text
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # and this is how it writes a whole number beside a missing one
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise CorpusError(f"field {key!r} is {str(value)[:80]!r}, not text", where=where, fix="put the value in quotes")
    return str(value)


def first_text(row: Mapping[str, Any], keys: Iterable[str], where: str) -> str:
    """The first of these values that is not empty (see `text_value`), or ""."""
    return next(filter(None, (text_value(row, key, where) for key in keys)), "")


def rights_in(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The licence, consent and restrictions of a row as fields of an utterance.

    Raises CorpusError for values that cannot be understood.
    """
    return asdict(Rights.of(row, where))


def find_audio(stem: Path) -> Path | None:
    """The audio file at that path, as it is or with one of the known suffixes.

    Accents may be parted from their letters in the file's name and not in `stem`, as macOS does it, or the reverse.
    """
    if not stem.name:
        return None
    for name in dict.fromkeys((stem.name, *(unicodedata.normalize(form, stem.name) for form in ("NFC", "NFD")))):
        place = stem.with_name(name)
        suffixes = ("",) if place.suffix.lower() in AUDIO_SUFFIXES else ()
        for suffix in (*suffixes, *AUDIO_SUFFIXES):
            if is_file(path := place.with_name(name + suffix)):
                return path
    return None


def visible_files(folder: Path) -> list[Path]:
    """Files of a folder at any depth, by name; none that are hidden, such as the ._a.wav that macOS leaves on disks."""
    paths = (p for p in folder.rglob("*") if not any(part.startswith(".") for part in p.relative_to(folder).parts))
    return sorted(path for path in paths if is_file(path))


def duration_of(path: Path, where: str) -> float:
    """Seconds by the file's header. Raises CorpusError naming the row for a missing or broken file."""
    if not is_file(path):
        raise CorpusError(f"no such audio file: {path}", where=where, fix="add the file or leave the row out")
    try:
        return seconds_of(path)
    except AudioError as error:
        raise CorpusError(error.what, where=f"{where} ({path})", fix=error.fix) from error


def store_clip(audio_dir: Path, utterance_id: str, samples: Waveform, rate: int) -> tuple[Path, float]:
    """Write samples (N,) as 16 kHz FLAC under the utterance's name; returns the path and its seconds."""
    path = audio_dir / f"{file_name(utterance_id)}.flac"
    converted = resample(samples, rate, 16_000)
    save_audio(path, converted)
    return path, converted.size / 16_000


def file_name(utterance_id: str) -> str:
    """A file name for an id; an id that has to be changed gets a hash, so that two ids never share a file."""
    plain = re.sub(r"[^\w.-]", "_", utterance_id)[:120]
    if plain == utterance_id and not plain.startswith("."):
        return plain
    return f"{plain.lstrip('.')}-{hashlib.sha256(utterance_id.encode()).hexdigest()[:8]}"


class UniqueIds:
    """Gives ids to rows that only name files: the stem, with the row's number when the stem is taken."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, stem: str, number: int) -> str:
        """A new id."""
        name = stem if stem and stem not in self._seen else f"{stem or 'row'}-{number}"
        while name in self._seen:
            name += "x"
        self._seen.add(name)
        return name
