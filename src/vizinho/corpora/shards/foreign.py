"""Indexes tars of webdataset and of lhotse shar: the tars stay where they are, rows say what is in them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

from vizinho.audio.containers import DEFAULT_LIMITS
from vizinho.audio.io import seconds_of
from vizinho.corpora.readers.base import AUDIO_SUFFIXES, check_unpacks, first_text, text_value
from vizinho.corpora.readers.huggingface import SPEAKERS, TEXTS
from vizinho.corpora.shards.build import Building
from vizinho.corpora.shards.index import Row, ShardIndex
from vizinho.corpora.shards.plan import WINDOW_UTTERANCES
from vizinho.corpora.shards.tars import members, refusal
from vizinho.errors import CorpusError, VizinhoError, first_line
from vizinho.progress import Advance, silent
from vizinho.rights import trainable_rights

_TEXT_FILES = (".txt", ".text", ".transcript")
_TEXT_BYTES = 16 * 2**20  # more than the text or the JSON of any utterance has


@dataclass(slots=True)
class _Sample:
    """The files of one key in a tar."""

    key: str
    audio: tuple[int, int, float] | None = None
    """Offset, size and seconds."""
    values: dict[str, Any] = field(default_factory=dict)
    problem: VizinhoError | None = None


def index_webdataset(tars: list[Path], building: Building, progress: Advance = silent) -> ShardIndex:
    """Index tars of webdataset: `KEY.flac` (or wav, mp3, ogg, opus, m4a, webm) with `KEY.json` or `KEY.txt`.

    The JSON holds the text under one of `readers.huggingface.TEXTS` and perhaps `id` and a speaker; without an id,
    tar and key name the utterance. Samples without audio or text are left out and named.
    """

    def rows_of(tar: Path) -> Iterator[Row]:
        for sample in _samples(tar, building, _before_first_dot):
            progress(1, sample.key)
            row = _row(tar, sample, building)
            if row is not None:
                yield row

    return _index(tars, rows_of, building)


def index_lhotse_shar(folder: Path, building: Building, progress: Advance = silent) -> ShardIndex:
    """Index a folder that lhotse shar wrote: `cuts.000000.jsonl.gz` with `recording.000000.tar`.

    The text of a cut is that of its supervisions, one after another. Cuts without audio or text are left out and named.
    """
    cuts = {_number(path): path for path in sorted(folder.glob("cuts.*.jsonl*"))}
    tars = sorted(folder.glob("recording.*.tar"))
    for tar in tars:
        if _number(tar) not in cuts:
            raise CorpusError(f"no cuts.{_number(tar)}.jsonl.gz beside it", where=tar, fix="write the shar again")

    def rows_of(tar: Path) -> Iterator[Row]:
        known = _cuts(cuts[_number(tar)])
        for sample in _samples(tar, building, _before_last_dot):
            progress(1, sample.key)
            sample.values = known.pop(sample.key, {})
            row = _row(tar, sample, building)
            if row is not None:
                yield row
        for key in known:
            building.leave_out(CorpusError("a cut without audio in the tar", where=f"{tar}: {key}"))

    return _index(tars, rows_of, building)


def _number(path: Path) -> str:
    return path.name.split(".")[1]


def _cuts(path: Path) -> dict[str, dict[str, Any]]:
    import lhotse

    check_unpacks(path)
    cuts = {}
    try:
        for cut in lhotse.CutSet.from_jsonl_lazy(path):
            segments = sorted(cut.supervisions, key=lambda s: s.start)
            text = " ".join(s.text.strip() for s in segments if s.text)
            speaker = next((s.speaker for s in segments if s.speaker), "")
            custom = {key: value for s in segments for key, value in (s.custom or {}).items()}
            cuts[cut.id] = custom | {"id": cut.id, "text": text, "speaker": speaker}
    except Exception as error:  # gzip, JSON and lhotse raise many kinds for damaged bytes
        raise CorpusError(f"cannot be read ({first_line(error)})", where=path, fix="write the shar again") from error
    return cuts


def _index(tars: list[Path], rows_of: Callable[[Path], Iterator[Row]], building: Building) -> ShardIndex:
    if not tars:
        raise CorpusError("no tars here", where=building.folder, fix="check the path of the shards")
    parts: list[tuple[str, Path]] = []
    for number, tar in enumerate(tars):
        name = f"shard-{number:06d}"
        if not building.rows_path(name).is_file():
            _write_parts(name, rows_of(tar), building)
        # A tar of a million utterances is several shards, so that memory does not grow with others' tars.
        more = sorted(building.folder.glob(f"{name}-*.jsonl"))
        parts += [(name, tar), *((path.stem, tar) for path in more)]
    return building.finish(parts, {})


def _write_parts(name: str, rows: Iterator[Row], building: Building) -> None:
    first = list(islice(rows, WINDOW_UTTERANCES))
    for part in count(1):
        more = list(islice(rows, WINDOW_UTTERANCES))
        if not more:
            break
        building.add_rows(f"{name}-{part:04d}", more)
    # The first part is written last: where it is, the tar has been read to its end.
    building.add_rows(name, first)


def _samples(tar: Path, building: Building, key_of: Callable[[str], str]) -> Iterator[_Sample]:
    """Samples in the order of the tar; a broken one, or a tar that ends too early, is named."""
    sample = _Sample("")
    try:
        for member, source in members(tar):
            key = key_of(member.name)
            if key != sample.key:
                if sample.key:
                    yield sample
                sample = _Sample(key)
            try:
                _take(sample, member, source)
            except VizinhoError as problem:
                sample.problem = problem
    except CorpusError as problem:
        building.leave_out(problem)
    if sample.key:
        yield sample


def _before_first_dot(name: str) -> str:
    """webdataset's key of a member: `a/b.mono.flac` and `a/b.json` both belong to `a/b`."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}" if folder else file.partition(".")[0]


def _before_last_dot(name: str) -> str:
    """lhotse's key of a member, the id of its cut, which may hold dots."""
    return name.rpartition(".")[0]


def _take(sample: _Sample, member: tarfile.TarInfo, source: tarfile.TarFile) -> None:
    suffix = Path(member.name).suffix.lower()
    if suffix not in (*AUDIO_SUFFIXES, *_TEXT_FILES, ".json"):
        return
    refused = refusal(member)
    largest = DEFAULT_LIMITS.max_bytes if suffix in AUDIO_SUFFIXES else _TEXT_BYTES
    if refused or member.size > largest:
        what = refused or f"{member.name} has {member.size} bytes; {largest} are read"
        raise CorpusError(what, where=source.name, fix="write the tar with the files themselves")
    file = source.extractfile(member)
    assert file is not None
    content = file.read()
    if suffix in AUDIO_SUFFIXES:
        sample.audio = (member.offset_data, member.size, seconds_of(content, member.name))
        return
    try:
        text = content.decode("utf-8")
        values = json.loads(text) if suffix == ".json" else {"text": text}
    except ValueError as error:
        raise CorpusError(f"{member.name} is not UTF-8 or not JSON ({error})", where=source.name) from error
    if isinstance(values, dict):
        sample.values |= values


def _row(tar: Path, sample: _Sample, building: Building) -> Row | None:
    where = f"{tar}: {sample.key}"
    text = next((sample.values[name] for name in TEXTS if isinstance(sample.values.get(name), str)), None)
    if sample.problem is not None:
        building.leave_out(CorpusError(sample.problem.what, where=where))
    elif sample.audio is None:
        building.leave_out(CorpusError(f"no audio ({', '.join(AUDIO_SUFFIXES)})", where=where))
    elif text is None or not text.strip():
        building.leave_out(CorpusError(f"no text ({', '.join(TEXTS)} in a JSON, or a .txt)", where=where))
    else:
        name = sample.values.get("id")
        if not isinstance(name, str) or not name:
            name = f"{tar.stem}/{sample.key}"
        offset, size, seconds = sample.audio
        try:
            speaker, source = first_text(sample.values, SPEAKERS, where), text_value(sample.values, "source", where)
            rights = trainable_rights(sample.values, where)
        except CorpusError as problem:
            building.leave_out(problem)
            return None
        return Row(name, text.strip(), speaker, round(seconds, 4), offset, size, source, **asdict(rights))
    return None
