"""Turns utterances into training examples; what cannot be trained on is skipped with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from vizinho.audio.features import FrontEnd
from vizinho.audio.io import SAMPLE_RATE
from vizinho.corpora.batches import Example
from vizinho.errors import CorpusError, TextError
from vizinho.evaluation.collapse import letter_counts
from vizinho.records import Utterance
from vizinho.text.tokens import encode, frames_needed

if TYPE_CHECKING:
    from vizinho.corpora.shards.source import ShardedExamples

Examples: TypeAlias = "Sequence[Example] | ShardedExamples"
"""What a network is trained on: a list, or shards that are read as they are needed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to train on, and (utterance id, reason) of every skipped utterance; together they are the whole input.

    Of shards nothing is skipped here: each utterance is checked when it is read.
    """

    examples: Examples
    skipped: tuple[tuple[str, str], ...]
    letters: Mapping[str, int]
    """How often each letter occurs in the normalised texts."""


@dataclass(frozen=True, slots=True)
class Preparer:
    """Encodes texts for a network."""

    tokenizer: Any
    normalizer: Callable[[str], str]
    front: FrontEnd
    speed_range: float
    frames_needed: Callable[[Sequence[int]], int] = frames_needed
    """Fewest output frames that the network can say labels in."""
    as_written: Callable[[str], str] | None = None
    """Gives the form of a text that is learnt, with case and punctuation; None for the normalised text."""

    def __call__(self, utterance: Utterance) -> Example | str:
        """The utterance with its labels, or why it cannot be trained on. TextError for letters without a token."""
        text = self.normalizer(utterance.text)
        if self.as_written is not None and text:
            text = self.as_written(utterance.text)
        labels = encode(self.tokenizer, text, where=utterance.id)
        # Augmentation changes the speed: the labels must fit the fastest form, and the network hear the slowest.
        shortest = int(utterance.duration_seconds / (1 + self.speed_range) * SAMPLE_RATE)
        frames = self.front.output_frames(self.front.steps_of(shortest))
        longest_seconds = utterance.duration_seconds / (1 - self.speed_range)
        if not labels:
            return "no text left after normalising"
        if not self.front.can_hear(longest_seconds):
            return f"{longest_seconds:.1f} s at its slowest, the network hears {self.front.max_seconds:g} s"
        if (needed := self.frames_needed(labels)) > frames:
            return f"{max(needed, len(labels))} labels but only {frames} frames"
        return Example(utterance, tuple(labels))


def prepare(utterances: Sequence[Utterance], preparer: Preparer) -> Prepared:
    """Normalise and encode texts; skip what has no text or more labels than CTC has frames for.

    Raises TextError for letters without a token, and CorpusError when nothing is left.
    """
    examples, skipped = [], []
    unknown: dict[str, str] = {}
    for utterance in utterances:
        try:
            example = preparer(utterance)
        except TextError as error:
            unknown[utterance.id] = error.what
            continue
        if isinstance(example, str):
            skipped.append((utterance.id, example))
        else:
            examples.append(example)
    if unknown:
        first = next(iter(unknown))
        raise TextError(
            f"{len(unknown)} texts have letters the tokens lack; the first: {unknown[first]}",
            where=first,
            fix="run `vizinho corpus check`, or let the tokens be made from this corpus",
        )
    if not examples:
        raise CorpusError(
            f"no utterance can be trained on ({len(skipped)} skipped)", fix="run `vizinho corpus check` to see why"
        )
    letters = letter_counts([preparer.normalizer(e.utterance.text) for e in examples])
    return Prepared(tuple(examples), tuple(skipped), letters)


def prepare_shards(examples: ShardedExamples) -> Prepared:
    """What the indexes of shards say; no audio or text is read."""
    letters: Counter[str] = Counter()
    for index in examples.indexes:
        letters.update(index.letters)
    return Prepared(examples, (), letters)
