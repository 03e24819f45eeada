"""Greedy CTC decoding: the best token of each frame, repeats merged, blanks dropped (Graves et al. 2006).

And what every decoder needs: emissions along a path of tokens, and the words that emissions spell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vizinho.records import Word
from vizinho.text.tokens import PIECE_SPACE, TokenInventory
from vizinho.text.written import is_mark

LogProbs = npt.NDArray[np.float32]
"""Log-probabilities of one utterance, shape (T, V)."""
PAUSE_SECONDS = 0.8
"""A silence between two letters that ends a word, whatever the network writes: networks that were trained on
utterances without pauses write no space in one."""
Path = npt.NDArray[np.int64]
"""One token a frame, shape (T,)."""


@dataclass(frozen=True, slots=True)
class Emission:
    """One token that was emitted; frames are encoder frames, `end_frame` is exclusive."""

    token: int
    start_frame: int
    end_frame: int
    probability: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One text of the search; scores in nats, `score` is their weighted sum."""

    text: str
    emissions: tuple[Emission, ...]
    score: float
    acoustic_score: float
    lm_score: float
    """Everything but the sound: language model, scores per word and letter, hotwords, already weighted."""


class Decoder(Protocol):
    """Decodes the log-probabilities (T, V) of one utterance."""

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        """Emissions in the order of time."""
        ...


@runtime_checkable
class Searching(Protocol):
    """A decoder that knows several texts with their scores."""

    def n_best(self, log_probs: LogProbs, count: int) -> list[Hypothesis]:
        """At most `count` different texts, the best first."""
        ...


def greedy(log_probs: LogProbs, blank: int) -> list[Emission]:
    """Emissions of one utterance, shape (T, V); the probability is the mean over the merged frames."""
    return emissions_along(log_probs.argmax(axis=1), log_probs, blank) if log_probs.shape[0] else []


def emissions_along(path: Path, log_probs: LogProbs, blank: int) -> list[Emission]:
    """Emissions of a path of one token a frame, shape (T,), through log-probabilities (T, V); T is at least 1."""
    starts = np.concatenate(([0], np.flatnonzero(path[1:] != path[:-1]) + 1))  # of runs of one token
    ends = np.append(starts[1:], path.size)
    tokens = path[starts]
    # reduceat sums the probabilities of each run without a loop.
    sums = np.add.reduceat(np.exp(log_probs[np.arange(path.size), path]), starts)
    spoken = tokens != blank
    rows = (tokens[spoken], starts[spoken], ends[spoken], (sums / (ends - starts))[spoken])
    return list(map(Emission, *(values.tolist() for values in rows)))


def words_of(emissions: Iterable[Emission], inventory: TokenInventory, frame_seconds: float) -> Iterator[Word]:
    """Words in order; a word lasts from its first token's first frame to its last token's last one.

    A space ends a word, and so does a silence of PAUSE_SECONDS. A mark belongs to the word before,
    wherever it stands, and takes no part in its time.

    CTC says when a token is sure, not when its sound begins, so times are good to a few frames of `frame_seconds`.
    A word's confidence is the mean of its tokens' probabilities (0 to 1).
    """
    words: list[tuple[list[str], list[Emission]]] = []
    between = True
    for emission in emissions:
        token, role = inventory.tokens[emission.token], inventory.roles[emission.token]
        letters, pieces = words[-1] if words else ([], [])
        # Within a word letters follow each other in a few frames, even where people sing.
        paused = pieces and (emission.start_frame - pieces[-1].end_frame) * frame_seconds > PAUSE_SECONDS
        if role == "space" or token.startswith(PIECE_SPACE) or paused:  # characters end words, pieces begin them
            between = True
        piece = token.removeprefix(PIECE_SPACE)
        if role != "letter" or not piece:
            continue
        # A network may place a full stop anywhere in the pause after a word, on either side of the space.
        if is_mark(piece):
            letters.append(piece)  # of no word where it is the first
            continue
        if between:
            between = False
            letters, pieces = [], []
            words.append((letters, pieces))
        letters.append(piece)
        pieces.append(emission)
    for letters, pieces in words:
        yield _word(letters, pieces, frame_seconds)


def _word(letters: list[str], pieces: list[Emission], frame_seconds: float) -> Word:
    confidence = sum(p.probability for p in pieces) / len(pieces)
    return Word(
        "".join(letters), pieces[0].start_frame * frame_seconds, pieces[-1].end_frame * frame_seconds, confidence
    )
