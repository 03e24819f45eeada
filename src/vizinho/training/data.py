"""Turns utterances into training examples; what cannot be trained on is set aside with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vizinho.audio.features import FrontEnd
from vizinho.audio.io import SAMPLE_RATE
from vizinho.corpora.batches import Example
from vizinho.corpora.shards.source import ShardedExamples
from vizinho.errors import CorpusError, TextError
from vizinho.evaluation.collapse import letter_counts
from vizinho.records import Utterance
from vizinho.text.tokens import encode, frames_needed

Examples = Sequence[Example] | ShardedExamples
"""What a network is trained on: a list, or shards that are read as they are needed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to train on, and (utterance id, reason) of every utterance set aside; together they are the whole input.

    Of shards nothing is set aside here: each utterance is judged when it is read.
    """

    examples: Examples
    set_aside: tuple[tuple[str, str], ...]
    letters: Mapping[str, int]
    """How often each letter stands in the normalised texts."""


@dataclass(frozen=True, slots=True)
class Preparing:
    """Normalises and encodes a text for a network."""

    tokenizer: Any
    normalizer: Callable[[str], str]
    front: FrontEnd
    speed_range: float

    def __call__(self, utterance: Utterance) -> Example | str:
        """The utterance with its labels, or why it cannot be trained on. TextError for letters without a token."""
        rows = encode(self.tokenizer, self.normalizer(utterance.text), where=utterance.id)
        shortest = int(utterance.duration_seconds / (1 + self.speed_range) * SAMPLE_RATE)
        frames = self.front.output_frames(self.front.steps_of(shortest))
        longest = utterance.duration_seconds / (1 - self.speed_range)
        if not rows:
            return "no text left after normalising"
        if not self.front.can_hear(longest):
            return f"{longest:.1f} s at its slowest, the network hears {self.front.max_seconds:g} s"
        if frames_needed(rows) > frames:
            return f"{frames_needed(rows)} labels but only {frames} frames"
        return Example(utterance, tuple(rows))


def prepare(utterances: Sequence[Utterance], preparing: Preparing) -> Prepared:
    """Normalise and encode texts; set aside what has no text or more labels than CTC has frames for.

    Raises TextError for letters that the tokens lack, and CorpusError when nothing is left.
    """
    examples, set_aside = [], []
    lacking: dict[str, str] = {}
    for utterance in utterances:
        try:
            made = preparing(utterance)
        except TextError as error:
            lacking[utterance.id] = error.what
            continue
        if isinstance(made, str):
            set_aside.append((utterance.id, made))
        else:
            examples.append(made)
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
    return Prepared(
        tuple(examples),
        tuple(set_aside),
        letter_counts([preparing.normalizer(e.utterance.text) for e in examples]),
    )


def prepare_shards(examples: ShardedExamples) -> Prepared:
    """The same of shards, by their indexes; nothing is read."""
    letters: Counter[str] = Counter()
    for index in examples.indexes:
        letters.update(index.letters)
    return Prepared(examples, (), letters)
