"""Owns the manifest: the JSONL format of a corpus, its fingerprint, and the choice of subsets."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vizinho.errors import CorpusError
from vizinho.files import replacing, sha256, write_text
from vizinho.records import Place, Utterance
from vizinho.rights import Rights, rights_of
from vizinho.text.language import Language

REQUIRED = ("id", "audio", "text", "lang", "speaker", "duration", "split")  # keys that every line has
OPTIONAL = ("accent", "source")  # keys that are read where they exist; others are allowed and ignored
RIGHTS = ("licence", "consent", "restrictions")  # as `vizinho.rights` reads them
EXTRA = ("variant", "domain", "events")  # as above, but other tools' values under these keys are ignored, not refused
PLACE = ("recording", "start", "tier")  # where a long recording holds the utterance
BOM = b"\xef\xbb\xbf"  # some editors write one before the first line
_OTHERS = ("audio_filepath", "file_name")  # where NeMo's manifests and audiofolder's metadata have "audio"
_OTHERS_NAMES = ("manifest", "metadata")  # parts of the names of such files
_MAY_BE_EMPTY = ("text", "speaker", "split", *OPTIONAL)


def read_manifest(path: Path) -> list[Utterance]:
    """Read a manifest in file order. An empty text, speaker or split is allowed: `check_corpus` reports them.

    Raises CorpusError naming file and line for a missing or malformed file, a missing or wrong field, a repeated id, or
    a manifest without utterances. Audio files are not opened.
    """
    lines: dict[str, int] = {}
    utterances = []
    for _, number, line in manifest_lines(path):
        utterance = parse_line(line, path, number)
        if utterance.id in lines:
            raise CorpusError(
                f"id {utterance.id!r} is on line {lines[utterance.id]} and again on line {number}",
                where=f"{path}:{number}",
                fix="give every utterance its own id",
            )
        lines[utterance.id] = number
        utterances.append(utterance)
    if not utterances:
        raise CorpusError("the manifest holds no utterances", where=path, fix="add at least one line")
    return utterances


SHARDS_INDEX = "corpus.json"
"""Tells a folder of shards from others (`corpora.shards`)."""
DEV_MINUTES = 10.0
"""Speech of dev on which weights are chosen: all of it is scored dozens of times, and a large corpus has hours."""


def is_other_format(place: Path) -> bool:
    """Whether a corpus is in another format: a folder, or a file whose name or first line no manifest has."""
    if place.is_dir():
        return True
    suffix = place.suffix.lower()
    if suffix not in (".jsonl", ".json", ""):
        return place.is_file()
    # Most manifests are known by their name, so that a job opens them once.
    if suffix == ".jsonl" and not any(part in place.name for part in _OTHERS_NAMES):
        return False
    try:
        with place.open("rb") as file:
            first = json.loads(file.readline().removeprefix(BOM))
    except (OSError, ValueError):
        # One JSON value over many lines; a manifest that is broken is told of by whoever reads it.
        return suffix == ".json" and place.is_file()
    return isinstance(first, dict) and "audio" not in first and any(key in first for key in _OTHERS)


def held_out_texts(utterances: Iterable[Utterance], normalize: Callable[[str], str]) -> set[str]:
    """Texts that nothing may be trained on, as `normalize` writes them: those of every split except train."""
    return {normalize(u.text) for u in utterances if u.split != "train"}


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest whole or not at all; audio paths become relative to its folder.

    Raises CorpusError for repeated ids or no utterances, and writes nothing then.
    """
    rows = [manifest_row(u, path.parent) for u in utterances]
    ids = [row["id"] for row in rows]
    if len(set(ids)) != len(ids):
        repeated = next(i for i in ids if ids.count(i) > 1)
        raise CorpusError(f"id {repeated!r} occurs more than once", where=path, fix="give every utterance its own id")
    if not rows:
        raise CorpusError("there are no utterances to write", where=path, fix="check the source's split and format")
    write_lines(path, (json.dumps(row, ensure_ascii=False) for row in rows))


def check_utterance(utterance: Utterance) -> None:
    """Raise CorpusError for an utterance that a manifest can be written with but not read back."""
    row, where = manifest_row(utterance, Path()), utterance.id or str(utterance.audio)
    for key in row.keys() - {"duration", "start", "confidence", *RIGHTS}:
        _string(row, key, where)
    Rights.of(row, where)
    _duration(row, where)


def manifest_row(utterance: Utterance, folder: Path) -> dict[str, Any]:
    """One line of a manifest that lies in `folder`, as JSON values."""
    # Not resolve(): a corpus may consist of links into another disk.
    relative = os.path.relpath(utterance.audio, os.path.abspath(folder))  # noqa: PTH100
    row: dict[str, Any] = {
        "id": utterance.id,
        "audio": Path(relative).as_posix(),
        "text": utterance.text,
        "lang": utterance.lang,
        "speaker": utterance.speaker,
        "duration": utterance.duration_seconds,
        "split": utterance.split,
    }
    row |= {key: getattr(utterance, key) for key in (*OPTIONAL, *EXTRA) if getattr(utterance, key)}
    row |= rights_of(utterance).row()
    if utterance.confidence is not None:
        row["confidence"] = utterance.confidence
    if utterance.place:
        recording = Path(os.path.relpath(utterance.place.recording, os.path.abspath(folder)))  # noqa: PTH100
        values = (recording.as_posix(), utterance.place.start_seconds, utterance.place.tier)
        row |= {key: value for key, value in zip(PLACE, values, strict=True) if value != ""}
    return row


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write UTF-8 lines whole or not at all. Raises CorpusError."""
    try:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise CorpusError(f"cannot write here ({error.strerror})", where=path, fix="choose another folder") from error


def claim_folder(folder: Path, stamp: Path, digest: str, others: str) -> None:
    """Write into the file `stamp` what the recordings in `folder` are made of, so that they are not mixed with others.

    Raises CorpusError where the stamp has another digest; `others` says what the recordings there would then be.
    """
    if not stamp.is_file():
        write_text(stamp, digest + "\n")
    elif stamp.read_text(encoding="utf-8").strip() != digest:
        raise CorpusError(f"the folder holds {others}", where=folder, fix="choose another folder or seed, or delete it")


def fingerprint(utterances: Iterable[Utterance]) -> str:
    """Name the data in 16 hexadecimal digits: SHA-256 over id, text, speaker, split and audio size, in any order.

    Raises CorpusError when an audio file is missing.
    """
    # Sizes stand for the audio: hashing it would take minutes for each hour of speech on a slow disk.
    rows = sorted(json.dumps([u.id, u.text, u.speaker, u.split, _size(u)]) for u in utterances)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def content_digest(utterances: Iterable[Utterance]) -> str:
    """SHA-256 over ids, durations and the bytes of the audio in their order, which `fingerprint` does not read.

    Raises CorpusError when a file is missing.
    """
    digest = hashlib.sha256()
    for utterance in utterances:
        _size(utterance)
        row = [utterance.id, utterance.duration_seconds, sha256(utterance.audio)]
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def select(
    utterances: Iterable[Utterance],
    *,
    split: str | None = None,
    minutes: float | None = None,
    seed: int = 0,
) -> list[Utterance]:
    """Choose utterances of a split, and of these a random subset of at most `minutes`, in file order.

    Subsets of one seed are nested: fewer minutes are always part of more minutes. The choice depends on ids only, not
    on the order of the lines. Raises CorpusError when nothing is left.
    """
    everything = list(utterances)
    matching = [u for u in everything if split in (None, u.split)]
    if not matching:
        splits = ", ".join(sorted({u.split for u in everything} - {""})) or "none"
        if without := sum(not u.split for u in everything):
            splits += f"; {without} utterances have no split: write train, dev or test there"
        raise CorpusError(f"no utterances in split {split!r}", where="selection", fix=f"splits here: {splits}")
    if minutes is None:
        return matching
    if not minutes > 0:
        raise CorpusError(f"{minutes} minutes were asked for", where="minutes", fix="give a number above 0")
    chosen = set(_first_minutes(matching, minutes, seed))
    if not chosen:
        raise CorpusError(f"no utterance fits into {minutes} minutes", where="minutes", fix="ask for more")
    return [u for u in matching if u.id in chosen]


def to_choose_on(dev: Sequence[Utterance], minutes: float) -> tuple[Utterance, ...]:
    """At most `minutes` of dev to choose on, always the same utterances; 0 takes all."""
    if not minutes or sum(u.duration_seconds for u in dev) <= minutes * 60:
        return tuple(dev)
    # One seed for all runs, so that their scores on dev can be compared; at least one utterance, however long.
    chosen = set(_first_minutes(list(dev), minutes, seed=0)) or {dev[0].id}
    return tuple(u for u in dev if u.id in chosen)


def _first_minutes(utterances: list[Utterance], minutes: float, seed: int) -> Iterator[str]:
    # Stopping at the first that does not fit, instead of filling up with shorter ones, keeps subsets nested.
    left_seconds = minutes * 60
    for utterance in sorted(utterances, key=lambda u: hashlib.sha256(f"{seed}:{u.id}".encode()).digest()):
        left_seconds -= utterance.duration_seconds
        if left_seconds < 0:
            return
        yield utterance.id


def manifest_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """The lines that are not empty, one at a time: byte offset, number (from 1) and content.

    Raises CorpusError for a file that cannot be read.
    """
    if (path / SHARDS_INDEX).is_file():
        parts = " or ".join(str(file) for file in sorted(path.glob("*.jsonl")) if not file.stem.startswith("train-"))
        fix = f"give {parts or 'the manifest that it was made of'}: shards are for training"
        raise CorpusError("a folder of shards, not a manifest", where=path, fix=fix)
    if is_other_format(path):
        themselves = "train, transfer, evaluate, lm tune, and corpus check with --lang do so by themselves"
        fix = f"`vizinho corpus convert` makes one of it; {themselves}"
        raise CorpusError(f"{'a folder, ' if path.is_dir() else ''}not a manifest", where=path, fix=fix)
    try:
        with path.open("rb") as file:
            offset = 0
            for number, line in enumerate(file, start=1):
                content = line.removeprefix(BOM) if number == 1 else line
                if content.strip():
                    yield offset, number, content
                offset += len(line)
    except OSError as error:
        raise CorpusError(
            f"cannot read the manifest ({error.strerror})", where=path, fix="check the path of the JSONL file"
        ) from error


def parse_line(line: bytes, path: Path, number: int) -> Utterance:
    """The utterance of one line. Raises CorpusError naming file and line for a malformed one."""
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise CorpusError(
            f"not a line of JSON ({error})", where=f"{path}:{number}", fix="one JSON object a line, in UTF-8"
        ) from error
    if not isinstance(row, dict):
        raise CorpusError(f"not a JSON object but {type(row).__name__}", where=f"{path}:{number}", fix=_KEYS)
    return _utterance(row, path, number)


_KEYS = f"every line needs {', '.join(REQUIRED)}"


def _utterance(row: dict[str, Any], path: Path, number: int) -> Utterance:
    where = f"{path}:{number}"
    strings = {key: _string(row, key, where) for key in (*REQUIRED, *OPTIONAL) if key != "duration"}
    utterance = Utterance(
        id=strings["id"],
        audio=Path(os.path.abspath(path.parent / strings["audio"])),  # noqa: PTH100
        text=strings["text"],
        lang=Language.parse(strings["lang"], where=where, error=CorpusError).tag,
        speaker=strings["speaker"],
        duration_seconds=_duration(row, where),
        split=strings["split"].strip() and strings["split"],
        accent=strings["accent"],
        source=strings["source"],
        confidence=_number(row.get("confidence"), most=1.0),
        place=_place(row, path),
    )
    extra = {key: row[key] for key in EXTRA if isinstance(row.get(key), str)}
    return replace(utterance, **extra, **asdict(Rights.of(row, where)))


def _place(row: dict[str, Any], path: Path) -> Place | None:
    recording, start, tier = row.get("recording"), _number(row.get("start")), row.get("tier")
    if not isinstance(recording, str) or start is None:
        return None
    return Place(Path(os.path.abspath(path.parent / recording)), start, tier if isinstance(tier, str) else "")  # noqa: PTH100


def _number(value: Any, most: float = math.inf) -> float | None:
    """A finite number from 0 to `most`; None for anything else, which another tool may have meant otherwise."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    number = number and 0 <= value <= most
    return float(value) if number else None


def _string(row: dict[str, Any], key: str, where: str) -> str:
    if key not in row:
        if key in OPTIONAL:
            return ""
        raise CorpusError(f"field {key!r} is missing", where=where, fix=_KEYS)
    value = row[key]
    if not isinstance(value, str):
        raise CorpusError(f"field {key!r} is {value!r}, not a string", where=where, fix="put the value in quotes")
    if not value.strip() and key not in _MAY_BE_EMPTY:
        raise CorpusError(f"field {key!r} is empty", where=where, fix="fill it in")
    # JSON may escape half of a surrogate pair, which no file can be written with.
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise CorpusError(f"field {key!r} holds half a character", where=where, fix="write the text as UTF-8")
    return value


def _duration(row: dict[str, Any], where: str) -> float:
    if "duration" not in row:
        raise CorpusError("field 'duration' is missing", where=where, fix=_KEYS)
    value = row["duration"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise CorpusError(f"field 'duration' is {value!r}", where=where, fix="give seconds as a number")
    return float(value)


def _size(utterance: Utterance) -> int:
    try:
        return utterance.audio.stat().st_size
    except OSError as error:
        raise CorpusError(
            f"no such audio file: {utterance.audio}", where=utterance.id, fix="run `vizinho corpus check`"
        ) from error
