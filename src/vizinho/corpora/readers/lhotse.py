"""Reads lhotse manifests, and so every corpus that lhotse has a recipe for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.corpora.readers.base import check_unpacks, fail, rights_in, split_called, splits_here, store_clip
from vizinho.errors import AudioError, CorpusError, OnProblem, VizinhoError, first_line
from vizinho.files import is_file
from vizinho.records import Utterance


def read_lhotse(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read the output of a lhotse recipe: recordings and supervisions of each split.

    ::

        manifests/
            voxpopuli-asr-pt_recordings_train.jsonl.gz      voxpopuli-asr-pt_supervisions_train.jsonl.gz
            voxpopuli-asr-pt_recordings_dev.jsonl.gz        voxpopuli-asr-pt_supervisions_dev.jsonl.gz

    A supervision that is a whole one-channel file stays where it is; others become FLAC files under `audio_dir`.
    """
    pairs = {_split_of(path): path for path in sorted(source.glob("*supervisions*.jsonl*"))}
    for name, path in splits_here(pairs, split, source).items():
        recordings_path = path.with_name(path.name.replace("supervisions", "recordings"))
        if not recordings_path.is_file():
            raise CorpusError(f"no {recordings_path.name} beside it", where=path, fix="run the lhotse recipe again")
        recordings, supervisions = _load(recordings_path), _load(path)
        for segment in supervisions:
            where = f"{path}: {segment.id}"
            try:
                if segment.recording_id not in recordings:
                    what = f"recording {segment.recording_id!r} is not in {recordings_path.name}"
                    raise CorpusError(what, where=where, fix="run the lhotse recipe again")
                audio, seconds = _audio(recordings[segment.recording_id], segment, where, audio_dir / name)
                rights = rights_in(segment.custom or {}, where)
            except VizinhoError as problem:
                on_problem(problem)
                continue
            text, speaker = segment.text or "", segment.speaker or ""
            yield Utterance(segment.id, audio, text.strip(), lang, speaker, round(seconds, 4), name, **rights)


def _split_of(path: Path) -> str:
    name = re.sub(r".*supervisions_?", "", path.name).split(".")[0]
    return split_called(name) or "train"


def _load(path: Path) -> Any:
    try:
        import lhotse
    except ImportError as error:
        raise CorpusError(
            f"lhotse cannot be imported ({error})", where=path, fix="pip install lhotse urllib3"
        ) from error
    check_unpacks(path)
    try:
        return lhotse.load_manifest(path)
    except Exception as error:  # gzip, JSON and lhotse raise many kinds for damaged bytes
        raise CorpusError(
            f"cannot be read ({str(error) or type(error).__name__})", where=path, fix="run the lhotse recipe again"
        ) from error


def _audio(recording: Any, segment: Any, where: str, audio_dir: Path) -> tuple[Path, float]:
    _refuse_commands(recording, where)
    source = recording.sources[0]
    whole = segment.start == 0 and abs(segment.duration - recording.duration) < 0.01  # recipes round durations
    if whole and len(recording.sources) == 1 and source.type == "file" and len(source.channels) == 1:
        path = Path(source.source).absolute()
        if not is_file(path):
            raise CorpusError(f"no such audio file: {path}", where=where, fix="correct the manifest's paths")
        return path, float(recording.duration)
    try:
        samples = recording.load_audio(
            channels=segment.channel, offset=float(segment.start), duration=float(segment.duration)
        )
    # lhotse's audio backends raise many kinds of errors.
    except Exception as error:
        what = f"cannot decode the audio ({first_line(error)})"
        raise AudioError(what, where=where, fix="check the recording") from error
    mono = np.asarray(samples, dtype=np.float32).mean(axis=0)  # (channels, N) to (N,)
    return store_clip(audio_dir, segment.id, mono, recording.sampling_rate)


def _refuse_commands(recording: Any, where: str) -> None:
    """Refuse all but files: lhotse would run a source of type "command", fetch URLs, and pass .sph names to a shell."""
    for source in recording.sources:
        name = str(source.source)
        if source.type != "file":
            what = f"the recording is a {source.type} ({name[:200]}), and only files are read"
            raise CorpusError(what, where=where, fix="save the recordings as files")
        if name.lower().endswith(".sph") and shlex.quote(name) != name:
            what = f"{name[:200]!r} has characters that the shell which starts sph2pipe would interpret"
            raise CorpusError(what, where=where, fix="rename the file, or convert it to flac")
