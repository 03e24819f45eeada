"""Turns utterances into training examples; what cannot be trained on is set aside with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vizinho.audio.features import FrontEnd
from vizinho.audio.io import SAMPLE_RATE
from vizinho.corpora.batches import Example
from vizinho.errors import CorpusError, TextError
from vizinho.records import Utterance
from vizinho.text.tokens import encode, frames_needed


@dataclass(frozen=True, slots=True)
class Prepared:
    """Examples, and (utterance id, reason) of every utterance set aside; together they are the whole input."""

    examples: tuple[Example, ...]
    set_aside: tuple[tuple[str, str], ...]

    @property
    def minutes(self) -> float:
        """Audio in the examples."""
        return sum(e.utterance.duration_seconds for e in self.examples) / 60


def prepare(
    utterances: Sequence[Utterance],
    tokenizer: Any,
    normalizer: Callable[[str], str],
    *,
    front: FrontEnd,
    speed_range: float,
) -> Prepared:
    """Normalise and encode texts; set aside what has no text or more labels than CTC has frames for.

    Raises TextError for letters that the tokens lack, and CorpusError when nothing is left.
    """
    examples, set_aside = [], []
    lacking: dict[str, str] = {}
    for utterance in utterances:
        text = normalizer(utterance.text)
        try:
            rows = encode(tokenizer, text, where=utterance.id)
        except TextError as error:
            lacking[utterance.id] = error.what
            continue
        shortest = int(utterance.duration_seconds / (1 + speed_range) * SAMPLE_RATE)
        frames = front.output_frames(front.steps_of(shortest))
        longest = utterance.duration_seconds / (1 - speed_range)
        if not rows:
            set_aside.append((utterance.id, "no text left after normalising"))
        elif not front.can_hear(longest):
            set_aside.append(
                (utterance.id, f"{longest:.1f} s at its slowest, the network hears {front.max_seconds:g} s")
            )
        elif frames_needed(rows) > frames:
            set_aside.append((utterance.id, f"{frames_needed(rows)} labels but only {frames} frames"))
        else:
            examples.append(Example(utterance, tuple(rows)))
    if lacking:
        first = next(iter(lacking))
        raise TextError(
            f"{len(lacking)} texts have letters the tokens lack; the first: {lacking[first]}",
            where=first,
            fix="run `vizinho corpus check`, or let the tokens be made from this corpus",
        )
    if not examples:
        raise CorpusError(
            f"no utterance can be trained on ({len(set_aside)} set aside)", fix="run `vizinho corpus check` to see why"
        )
    return Prepared(tuple(examples), tuple(set_aside))
