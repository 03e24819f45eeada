"""Transcribes many files, here or in several processes; one that cannot be read does not cost the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from vizinho.audio.blocks import Channels, mono, read_blocks
from vizinho.audio.io import SAMPLE_RATE
from vizinho.decoding.setup import DecoderSpec, make_decoder
from vizinho.errors import AudioError
from vizinho.files import sha256
from vizinho.parallel import spread
from vizinho.recognition.cache import key_of
from vizinho.recognition.inputs import STDIN
from vizinho.recognition.recognizer import Transcriber
from vizinho.records import Transcript
from vizinho.store.card import read_card

_GROUP = 16
"""Files that a process takes at a time; short ones among them share batches."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a process needs to know to transcribe; sent to each."""

    model: Path
    engine: str = "onnx"
    threads: int = 1
    split_channels: bool = False
    """Transcribe channels one by one instead of their mean."""
    decoder: DecoderSpec | None = None
    """A beam search with language models or hotwords; None decodes greedily."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A file's transcripts (one, or one a channel), or what is wrong with it."""

    audio: Path
    transcripts: tuple[Transcript, ...] = ()
    error: str = ""


def open_transcriber(work: Work) -> Transcriber:
    """The transcriber that every process makes for itself."""
    if work.engine == "torch":
        import torch

        torch.set_num_threads(work.threads)
    transcriber = Transcriber.load(work.model, work.engine, threads=work.threads)
    if work.decoder is None:
        return transcriber
    return transcriber.with_decoder(make_decoder(work.decoder, transcriber.engine.inventory, normalizer_of(work.model)))


def normalizer_of(model: Path) -> str | None:
    """Name of the normaliser that a model's texts went through, where its card says so."""
    card = read_card(model)
    return card.normalizer if card else None


def key_of_work(work: Work) -> str:
    """Names what shapes the texts that `work` makes; the number of threads does not."""
    key = f"{key_of(work.model)}|{work.engine}|{'channels' if work.split_channels else 'mono'}"
    if work.decoder is None:
        return key
    models = [sha256(path) for path in work.decoder.lms if path.is_file()]
    return f"{key}|{work.decoder.options}|{sorted(work.decoder.hotwords.items())}|{models}"


def transcribe_files(
    work: Work, files: Sequence[Path], processes: int = 1, stdin: bytes = b"", *, on_ray: bool = False
) -> Iterator[Outcome]:
    """Outcomes in the order of the files, as they are made; `-` stands for the bytes of `stdin`.

    Raises ModelError for a model that cannot be opened, VizinhoError when a process dies.
    """
    if len(files) > _GROUP and (processes > 1 or on_ray):
        open_transcriber(work)  # makes the export once, and tells of a broken model before any process starts
    yield from spread(_opened, (work, stdin), files, group=_GROUP, processes=processes, on_ray=on_ray)


def _opened(work: Work, stdin: bytes) -> Callable[[Sequence[Path]], list[Outcome]]:
    """What every process does for itself, once."""
    transcriber = open_transcriber(work)
    return lambda group: list(_transcribe(transcriber, work, group, stdin))


def _transcribe(transcriber: Transcriber, work: Work, group: Sequence[Path], stdin: bytes) -> Iterator[Outcome]:
    """Short files in common batches, long ones block by block; outcomes in order."""
    short: dict[Path, Channels] = {}
    found: dict[Path, Outcome] = {}
    for audio in group:
        try:
            blocks = _mixed(read_blocks(stdin if audio == STDIN else audio, "standard input"), work.split_channels)
            head, rest = _head(blocks, transcriber.options.cut_above_seconds)
            if rest is None:
                short[audio] = head
            else:
                found[audio] = Outcome(audio, _long(transcriber, audio, chain([head], rest)))
        except AudioError as error:
            found[audio] = Outcome(audio, error=str(error))
    rows = [(audio, row) for audio, channels in short.items() for row in channels]
    made = transcriber.transcribe_many([row for _, row in rows], [str(audio) for audio, _ in rows])
    for audio in short:
        found[audio] = Outcome(audio, tuple(t for t in made if t.id == str(audio)))
    yield from (found[audio] for audio in group)


def _mixed(blocks: Iterator[Channels], split_channels: bool) -> Iterator[Channels]:
    return (block if split_channels else mono(block)[None] for block in blocks)


def _head(blocks: Iterator[Channels], seconds: float) -> tuple[Channels, Iterator[Channels] | None]:
    """The beginning, up to a little over `seconds`, and the blocks after it; None where it is the whole."""
    parts: list[Channels] = []
    for block in blocks:
        parts.append(block)
        if sum(p.shape[1] for p in parts) > seconds * SAMPLE_RATE:
            return np.concatenate(parts, axis=1), blocks
    return np.concatenate(parts, axis=1), None


def _long(transcriber: Transcriber, audio: Path, blocks: Iterator[Channels]) -> tuple[Transcript, ...]:
    sessions = None
    for block in blocks:
        sessions = sessions or [transcriber.long() for _ in block]
        for session, row in zip(sessions, block, strict=True):
            session.feed(row)
    return tuple(replace(s.finish(), id=str(audio)) for s in sessions or [])
