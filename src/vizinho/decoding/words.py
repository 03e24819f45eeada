"""Joins emitted tokens into words with times and confidences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vizinho.decoding.greedy import Emission
from vizinho.records import Word
from vizinho.text.tokens import PIECE_SPACE, TokenInventory


def words_of(emissions: Iterable[Emission], inventory: TokenInventory, frame_seconds: float) -> Iterator[Word]:
    """Words in order; a word lasts from its first token's first frame to its last token's last one.

    CTC says when a token is sure, not when its sound begins, so times are good to a few frames of `frame_seconds`.
    A word's confidence is the mean of its tokens' probabilities (0 to 1).
    """
    letters: list[str] = []
    pieces: list[Emission] = []
    for emission in emissions:
        token, role = inventory.tokens[emission.token], inventory.roles[emission.token]
        if role == "space" or token.startswith(PIECE_SPACE):
            if letters:
                yield _word(letters, pieces, frame_seconds)
            letters, pieces = [], []
        if role == "letter" and token.removeprefix(PIECE_SPACE):
            letters.append(token.removeprefix(PIECE_SPACE))
            pieces.append(emission)
    if letters:
        yield _word(letters, pieces, frame_seconds)


def _word(letters: list[str], pieces: list[Emission], frame_seconds: float) -> Word:
    confidence = sum(p.probability for p in pieces) / len(pieces)
    return Word(
        "".join(letters), pieces[0].start_frame * frame_seconds, pieces[-1].end_frame * frame_seconds, confidence
    )
