"""More voices than were recorded: every training utterance again, in voices drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vizinho.audio.io import audio_info, load_audio, save_audio
from vizinho.audio.other_voice import other_voice
from vizinho.corpora.folder_owner import claim
from vizinho.corpora.manifest import content_digest
from vizinho.corpora.readers.base import file_name
from vizinho.errors import AudioError, CorpusError
from vizinho.progress import Advance, silent
from vizinho.records import Utterance


@dataclass(frozen=True, slots=True)
class Revoiced:
    """Copies of the train part in other voices, and what could not be changed: (id, reason)."""

    utterances: list[Utterance]
    left_out: list[tuple[str, str]]


def revoice_corpus(
    utterances: Sequence[Utterance], folder: Path, *, copies: int = 1, seed: int = 1, progress: Advance = silent
) -> Revoiced:
    """Write `copies` of each utterance of train, each in another voice, into `folder`; dev and test have none.

    A voice is drawn from the seed, the utterance's id and the copy's number: the same arguments give the same corpus,
    and recordings that are already there are kept. Raises CorpusError without a train part and for a folder that holds
    voices of other recordings, VizinhoError without Praat.
    """
    train = [u for u in utterances if u.split == "train"]
    if not train:
        raise CorpusError("no utterances of train", fix="other voices are to train on; give a manifest that has some")
    if copies < 1:
        raise CorpusError(f"{copies} copies were asked for", fix="give at least 1")
    claim(folder, folder / f"voices-{seed}.of", content_digest(train), "voices of other recordings")
    made: list[Utterance] = []
    left_out: list[tuple[str, str]] = []
    for utterance in train:
        try:
            made += [_copy(utterance, number, seed, folder) for number in range(1, copies + 1)]
        except AudioError as error:
            left_out.append((utterance.id, error.what))
        progress(1, utterance.id)
    return Revoiced(made, left_out)


def _copy(utterance: Utterance, number: int, seed: int, folder: Path) -> Utterance:
    name = f"{utterance.id}-voice{number}-{seed}"
    path = folder / "audio" / f"{file_name(name)}.flac"
    if not path.is_file():
        rng = np.random.default_rng([seed, number, *utterance.id.encode()])
        save_audio(path, other_voice(load_audio(utterance.audio), rng))
    # The speaker stays: whoever guards against a speaker of test in training must still see who this is.
    seconds = round(audio_info(path).duration_seconds, 3)
    return replace(utterance, id=name, audio=path.absolute(), duration_seconds=seconds)
