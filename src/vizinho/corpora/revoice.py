"""More voices than were recorded: copies of every training utterance in voices drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vizinho.audio.io import load_audio, save_audio, seconds_of
from vizinho.audio.other_voice import other_voice
from vizinho.corpora.manifest import claim_folder, content_digest
from vizinho.corpora.readers.base import file_name
from vizinho.errors import AudioError, CorpusError
from vizinho.progress import Advance, silent
from vizinho.records import Utterance


@dataclass(frozen=True, slots=True)
class Revoiced:
    """Copies of the train part in other voices, and (id, reason) of what could not be changed."""

    utterances: list[Utterance]
    left_out: list[tuple[str, str]]


def revoice_corpus(
    utterances: Sequence[Utterance], folder: Path, *, copies: int = 1, seed: int = 1, progress: Advance = silent
) -> Revoiced:
    """Write `copies` of each train utterance, each in another voice, into `folder`; dev and test get none.

    A voice is drawn from the seed, the utterance's id and the copy's number: the same arguments give the same corpus,
    and existing recordings are not made again. Raises CorpusError without a train part and for a folder with voices of
    other recordings, VizinhoError without Praat.
    """
    train = [u for u in utterances if u.split == "train"]
    if not train:
        raise CorpusError("no utterances in split 'train'", fix="give a manifest that has some: voices are to train on")
    if copies < 1:
        raise CorpusError(f"{copies} copies were asked for", fix="give at least 1")
    claim_folder(folder, folder / f"voices-{seed}.of", content_digest(train), "voices of other recordings")
    voices: list[Utterance] = []
    left_out: list[tuple[str, str]] = []
    for utterance in train:
        try:
            voices += [_copy(utterance, number, seed, folder) for number in range(1, copies + 1)]
        except AudioError as error:
            left_out.append((utterance.id, error.what))
        progress(1, utterance.id)
    return Revoiced(voices, left_out)


def _copy(utterance: Utterance, number: int, seed: int, folder: Path) -> Utterance:
    name = f"{utterance.id}-voice{number}-{seed}"
    path = folder / "audio" / f"{file_name(name)}.flac"
    if not path.is_file():
        rng = np.random.default_rng([seed, number, *utterance.id.encode()])
        save_audio(path, other_voice(load_audio(utterance.audio), rng))
    # The speaker stays: checks for a test speaker in train must still see who this is.
    seconds = round(seconds_of(path), 3)
    return replace(utterance, id=name, audio=path.absolute(), duration_seconds=seconds)
