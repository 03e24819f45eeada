"""Reads Kaldi data folders: wav.scp, text, utt2spk and perhaps segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vizinho.audio.containers import open_native
from vizinho.corpora.readers.base import duration_of, fail, numbered_lines, split_named_by
from vizinho.corpora.readers.cutting import Cutter
from vizinho.errors import AudioError, CorpusError, OnProblem, VizinhoError
from vizinho.files import is_file
from vizinho.records import Utterance

_CHANNELS = (*"ABCDEFGH", *"12345678")
Table = dict[str, tuple[int, str]]
"""Key of a line to its number and the rest of it."""


def read_kaldi(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read one data folder, which is one split: the one that it is named after (`dev_clean/`), else train.

    ::

        data/train/
            wav.scp     recording path          pipes and ark offsets are refused: no commands are run
            text        utterance the words of it
            utt2spk     utterance speaker       optional
            segments    utterance recording start end       optional; seconds, end -1 is the end of the recording;
                                                            a fifth field is the channel, from 0
            reco2file_and_channel    recording file A       optional; A is the first channel of a stereo file

    Paths are taken relative to the folder or to one of the two above it, where recipes run. With `segments`, each
    utterance becomes a FLAC file under `audio_dir`.
    """
    # Not lhotse's load_kaldi_data_dir: it drops unreadable recordings with a logged warning, rounds durations down to
    # milliseconds, starts a process pool to read headers, runs commands, and raises KeyError for a missing text.
    name = split or split_named_by(source.absolute()) or "train"
    recordings = _table(source / "wav.scp")
    texts = _table(source / "text")
    speakers = _table(source / "utt2spk") if (source / "utt2spk").is_file() else {}
    segments = _table(source / "segments") if (source / "segments").is_file() else None
    channel_table = source / "reco2file_and_channel"
    channels = _table(channel_table) if channel_table.is_file() else {}
    row = _Rows(source, recordings, segments, channels, Cutter(audio_dir))
    for key, (number, text) in texts.items():
        try:
            audio, seconds = row.audio(key, f"{source / 'text'}:{number}")
        except VizinhoError as problem:
            on_problem(problem)
            continue
        speaker = speakers.get(key, (0, ""))[1]
        yield Utterance(key, audio, text, lang, speaker, round(seconds, 4), name)
    listed, table = (recordings, "wav.scp") if segments is None else (segments, "segments")
    for key, (number, _) in listed.items():
        if key not in texts:
            where = f"{source / table}:{number}"
            on_problem(CorpusError(f"{key!r} has no line in text", where=where, fix="add it to text"))


class _Rows:
    """Finds the audio of an utterance: a recording or a segment of one."""

    def __init__(self, source: Path, recordings: Table, segments: Table | None, channels: Table, cut: Cutter) -> None:
        self._source, self._recordings, self._segments, self._cut = source.absolute(), recordings, segments, cut
        self._channels = channels

    def audio(self, key: str, where: str) -> tuple[Path, float]:
        if self._segments is None:
            path = self._recording(key, where)
            channel = self._channel(key, path)
            return (
                (path, duration_of(path, where)) if channel is None else self._cut(path, 0, None, key, where, channel)
            )
        if key not in self._segments:
            raise CorpusError(f"{key!r} has no line in segments", where=where, fix="add it or remove the text")
        number, rest = self._segments[key]
        where = f"{self._source / 'segments'}:{number}"
        try:
            recording, start, end, *more = rest.split()
            start_seconds, end_seconds = float(start), float(end)
            (channel,) = map(int, more or ["-1"])
        except ValueError as error:
            raise CorpusError(
                f"not `recording start end`: {rest!r}", where=where, fix="give two times in seconds"
            ) from error
        path = self._recording(recording, where)
        chosen = self._channel(recording, path) if channel == -1 else channel
        return self._cut(path, start_seconds, None if end_seconds == -1 else end_seconds, key, where, chosen)

    def _channel(self, recording: str, path: Path) -> int | None:
        """The channel of a recording by reco2file_and_channel, None where its file has only one."""
        letter = self._channels.get(recording, (0, ""))[1].rpartition(" ")[2].upper()
        if letter not in _CHANNELS:
            return None
        try:
            with open_native(path) as native:
                return _CHANNELS.index(letter) % 8 if native.channels > 1 else None
        except AudioError:
            return None  # said when the file is read

    def _recording(self, key: str, where: str) -> Path:
        if key not in self._recordings:
            raise CorpusError(f"{key!r} has no line in wav.scp", where=where, fix="add the recording")
        number, path = self._recordings[key]
        where = f"{self._source / 'wav.scp'}:{number}"
        if path.endswith("|"):  # a command whose output would be the audio
            raise CorpusError(
                f"a command instead of a file: {path!r}", where=where, fix="write its output to files and list those"
            )
        folders = (self._source, self._source.parent, self._source.parent.parent)
        audio = next((folder / path for folder in folders if is_file(folder / path)), None)
        if audio is None:
            fix = "unpack ark archives to files" if ".ark" in path else "correct the path"
            raise CorpusError(f"no such audio file: {path}", where=where, fix=fix)
        return audio


def _table(path: Path) -> Table:
    table: Table = {}
    for number, line in numbered_lines(path):
        key, _, rest = line.strip().replace("\t", " ").partition(" ")  # Kaldi separates by either
        if key in table:
            raise CorpusError(
                f"{key!r} is on line {table[key][0]} and again on line {number}",
                where=f"{path}:{number}",
                fix="keep one",
            )
        table[key] = (number, rest.strip())
    if not table:
        raise CorpusError("the file is empty", where=path, fix="run the recipe's data preparation")
    return table
