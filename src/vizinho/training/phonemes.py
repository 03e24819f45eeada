"""Phones next to letters: a second CTC loss, on the phones that eSpeak NG gives for the training texts.

The loss is (1 - weight) letters + weight phones, as Lee and Watanabe (2021, arXiv 2102.03216) mix in the loss of a
middle layer; the phones' output layer is model/phonemes.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vizinho.corpora.batches import Batch
from vizinho.errors import TextError
from vizinho.g2p.letters import Phones, feature_names, phone_features, spoken_phones
from vizinho.model.networks import weights
from vizinho.model.phonemes import BLANK, PhonemeHead, take_over, width_for
from vizinho.plan.plan import PlanRow
from vizinho.text.tokens import frames_needed
from vizinho.training.losses import ctc_loss
from vizinho.training.options import PhonemeOptions
from vizinho.training.skipped import NAMED


class Pronunciations:
    """Phones of texts as rows of a PhonemeHead. Phones that panphon does not tell apart (r and ɾ) share a row."""

    def __init__(self, language: str, texts: Iterable[str], tokenizer: Any) -> None:
        """`texts` are normalised, as `tokenizer` writes them; phones that occur in none of them have no row.

        Raises SpecError without eSpeak NG or a voice for the language, TextError when no text has phones.
        """
        self._language, self._tokenizer = language, tokenizer
        # eSpeak NG takes milliseconds a text: each different one is spoken once.
        self._phones = {text: spoken_phones(text, language) for text in dict.fromkeys(texts)}
        distinct = sorted({_features(phone) for phones in self._phones.values() for phone in phones})
        if not distinct:
            raise TextError("no text has phones", where="phonemes", fix="set weight = 0")
        self._rows = {features: BLANK + 1 + row for row, features in enumerate(distinct)}
        self.vectors = torch.tensor(distinct)
        """(P, F) features of the phones, -1, 0 or 1."""
        self._known: dict[tuple[int, ...], tuple[int, ...]] = {}

    def __call__(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """Rows of the phones of a text given as token rows. Raises TextError when it has none, or one without a row."""
        if tokens not in self._known:
            # group_tokens=False: CTC decoding would drop one of two equal letters in a row.
            text = self._tokenizer.decode(list(tokens), group_tokens=False).strip()
            self._known[tokens] = tuple(map(self.row, self._spoken(text)))
        if not self._known[tokens]:
            raise TextError("no phones")
        return self._known[tokens]

    def row(self, phone: str) -> int:
        """The row of a phone in IPA; TextError where it has none."""
        row = self._rows.get(_features(phone))
        if row is None:
            raise TextError(f"the phone [{phone}] is in no text that the phones were collected from")
        return row

    def _spoken(self, text: str) -> Phones:
        return self._phones[text] if text in self._phones else spoken_phones(text, self._language)


def _features(phone: str) -> tuple[float, ...]:
    features = phone_features(phone)
    assert features is not None, "spoken_phones leaves out what has no features"
    return tuple(map(float, features))


@dataclass(frozen=True, slots=True)
class PhonemeTask:
    """The head for phones as it starts, and what it learns."""

    head: PhonemeHead
    spoken: Pronunciations
    weight: float
    plan: tuple[PlanRow, ...]
    """Where the head's parameters come from."""
    start: dict[str, torch.Tensor]
    left_out: dict[str, str] = field(default_factory=dict)
    """Utterances so far that had no part in the loss, and why."""

    def mixed(self, letters: torch.Tensor, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch: its letters' loss with that of its phones, whose logits are (B, T, 1 + P)."""
        return (1 - self.weight) * letters + self.weight * self.loss(logits, batch)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean over all utterances of the loss per phone; those without phones, or too short for them, have none."""
        labels: dict[int, tuple[int, ...]] = {}
        texts = torch.split(batch.labels, batch.label_lengths.tolist())
        for index, (name, text, frames) in enumerate(zip(batch.ids, texts, batch.frames.tolist(), strict=True)):
            try:
                phones = self.spoken(tuple(text.tolist()))
            except TextError as error:
                self.left_out[name] = error.what
                continue
            if frames_needed(phones) > frames:
                self.left_out[name] = f"{frames_needed(phones)} phones but only {frames} frames"
                continue
            labels[index] = phones
        if not labels:
            return logits.float().sum() * 0.0  # other processes wait for a gradient
        used = list(labels)
        rows = torch.tensor([row for phones in labels.values() for row in phones], device=logits.device)
        lengths = torch.tensor([len(phones) for phones in labels.values()], device=logits.device)
        return ctc_loss(logits[used], batch.frames[used], rows, lengths, blank=BLANK) * (len(used) / len(batch.ids))

    def log_line(self, left_out: list[str]) -> str:
        """What the log says of utterances that were left out."""
        examples = [f"{name} ({self.left_out[name]})" if name in self.left_out else name for name in left_out[:NAMED]]
        more = ", ..." if len(left_out) > NAMED else ""
        return f"no phoneme loss for {len(left_out)} utterances: {', '.join(examples)}{more}"


def phoneme_task(
    options: PhonemeOptions,
    language: str,
    texts: Iterable[str],
    tokenizer: Any,
    model: Any,
    donor: Path | None,
    seed: int,
) -> PhonemeTask:
    """The phones' part of a run; the head is the donor's where the donor has one that fits.

    Raises SpecError for an unknown layer and as `Pronunciations`, ModelError for a donor's broken file.
    """
    width = width_for(model, options.layer)
    spoken = Pronunciations(language, texts, tokenizer)
    head = PhonemeHead(width, spoken.vectors, options.layer, feature_names(), seed)
    # Why the donor's head cannot be taken over; empty where it was.
    obstacle = take_over(head, donor) if donor is not None else "no donor"
    # A copy, for the plan and for how far the head moves.
    start = {f"phonemes.{name}": tensor.clone() for name, tensor in weights(head).items()}
    rows = tuple(
        PlanRow(name, None, None, "fresh", tuple(tensor.shape), obstacle)
        if obstacle
        else PlanRow(name, None, name, "copy", tuple(tensor.shape), "same features, same layer")
        for name, tensor in start.items()
    )
    return PhonemeTask(head, spoken, options.weight, rows, start)
