"""Packs a manifest of any length into shards: two passes over its lines, about forty bytes of memory per line."""

from __future__ import annotations

import hashlib
import shutil
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from vizinho.corpora.manifest import BOM, manifest_lines, parse_line, write_manifest
from vizinho.corpora.readers.base import file_name
from vizinho.corpora.shards.build import Building
from vizinho.corpora.shards.index import ShardIndex
from vizinho.corpora.shards.tars import Clip, write_tar
from vizinho.errors import AudioError, CorpusError
from vizinho.files import sha256
from vizinho.progress import Advance, silent
from vizinho.records import Utterance
from vizinho.rights import rights_of, untrainable

_BESIDE = ("lang", "split", "accent", "variant", "domain", "events")
"""What the JSON beside the audio has for other programs."""


@dataclass(frozen=True, slots=True)
class ShardOptions:
    """How a corpus is cut into shards."""

    shard_minutes: float = 60.0
    """Audio in one tar."""
    seed: int = 1
    """Seed of the order in which utterances are put into shards."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """Where the lines of a manifest's train part are, in the order of the shards; and the other splits."""

    offsets: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    """Index in `offsets` of the first line of each shard."""
    lang: str
    others: dict[str, list[Utterance]]


def shard_manifest(
    manifest: Path, out: Path, options: ShardOptions = ShardOptions(), progress: Advance = silent
) -> ShardIndex:
    """Write the train part of a manifest as shards under `out`, dev and test as plain manifests next to them.

    Audio files are not encoded again. Utterances are put in random order, so that a shard is a sample of the corpus. A
    stopped command resumes after the last whole shard; audio that cannot be read is left out and named. Raises
    CorpusError for a manifest as `read_manifest` does, and when `out` holds something else.
    """
    lines = _scan(manifest, options)
    building = Building(out, lines.lang, "train", f"{sha256(manifest)} {options}")
    if building.done is not None:
        return building.done
    names = []
    bounds = [*lines.starts, lines.offsets.size]
    with manifest.open("rb") as file:
        for number, (first, last) in enumerate(pairwise(bounds)):
            names.append(f"train-{number:06d}")
            if not building.rows_path(names[-1]).is_file():
                utterances = ((n, _at(file, int(lines.offsets[n]), manifest)) for n in range(first, last))
                rows = write_tar(out / f"{names[-1]}.tar", _clips(utterances, building, progress))
                building.add_rows(names[-1], rows)
            else:
                progress(last - first, names[-1])
    others = {split or "no-split": utterances for split, utterances in lines.others.items()}
    manifests = {split: _beside(out, split, utterances) for split, utterances in others.items()}
    return building.finish([(name, out / f"{name}.tar") for name in names], manifests)


def _scan(manifest: Path, options: ShardOptions) -> _Lines:
    offsets, hashes, seconds = array("q"), array("Q"), array("f")
    langs: set[str] = set()
    others: dict[str, list[Utterance]] = {}
    for offset, number, line in manifest_lines(manifest):
        utterance = parse_line(line, manifest, number)
        hashes.append(int.from_bytes(hashlib.blake2b(utterance.id.encode(), digest_size=8).digest(), "big"))
        if utterance.split != "train":
            others.setdefault(utterance.split, []).append(utterance)
            continue
        langs.add(utterance.lang)
        offsets.append(offset)
        seconds.append(utterance.duration_seconds)
    # Eight bytes of hash per id instead of the ids; among 10 million of them two collide once in 400,000 corpora.
    if np.unique(np.frombuffer(hashes, dtype=np.uint64)).size != len(hashes):
        raise CorpusError("an id occurs more than once", where=manifest, fix="`vizinho corpus check` names it")
    if not langs:
        what = f"no utterances in split 'train', which alone is cut into shards (only in {', '.join(sorted(others))})"
        raise CorpusError(what, where=manifest, fix="give a manifest that has a train split")
    if len(langs) != 1:
        what = f"several languages: {', '.join(sorted(langs))}"
        raise CorpusError(what, where=manifest, fix="make a manifest for each language")
    order = np.random.default_rng(options.seed).permutation(len(offsets))
    ordered = np.frombuffer(seconds, dtype=np.float32)[order].astype(np.float64)
    # The shard of a line: how many times `shard_minutes` of audio come before it.
    shard = (np.cumsum(ordered) - ordered) // (options.shard_minutes * 60)
    starts = np.flatnonzero(np.diff(shard, prepend=-1.0))
    return _Lines(np.frombuffer(offsets, dtype=np.int64)[order], starts, langs.pop(), others)


def _at(file: IO[bytes], offset: int, manifest: Path) -> Utterance:
    file.seek(offset)
    return parse_line(file.readline().removeprefix(BOM), manifest, 0)


def _clips(
    utterances: Iterator[tuple[int, Utterance]], building: Building, progress: Advance
) -> Iterator[tuple[int, Clip]]:
    for number, u in utterances:
        progress(1, u.id)
        if reason := untrainable(u):
            building.leave_out(CorpusError(f"not to be trained on ({reason})", where=u.id))
            continue
        try:
            audio = u.audio.read_bytes()
        except OSError as error:
            building.leave_out(AudioError(f"cannot read {u.audio} ({error.strerror})", where=u.id))
            continue
        more = {key: getattr(u, key) for key in _BESIDE if getattr(u, key)}
        clip = Clip(u.id, u.text, u.speaker, u.duration_seconds, u.audio.suffix.lower(), audio, u.source, more)
        yield number, replace(clip, rights=rights_of(u))


def _beside(out: Path, split: str, utterances: list[Utterance]) -> str:
    """Write another split with copies of its audio, as shards may be moved without their sources; returns its name."""
    copies = []
    for utterance in utterances:
        copy = out / split / f"{file_name(utterance.id)}{utterance.audio.suffix}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(utterance.audio, copy)
        except OSError as error:
            what = f"cannot copy {utterance.audio} ({error.strerror})"
            raise CorpusError(what, where=utterance.id, fix="run `vizinho corpus check`") from error
        copies.append(replace(utterance, audio=copy.absolute()))
    write_manifest(out / f"{split}.jsonl", copies)
    return f"{split}.jsonl"
