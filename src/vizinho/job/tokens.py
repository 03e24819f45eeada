"""Whose tokens a job's network writes: letters of its language, pieces learnt from its texts, or the donor's own."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vizinho.errors import SpecError
from vizinho.job.data import Dataset
from vizinho.job.job import Job
from vizinho.model.checkpoint import Donor
from vizinho.model.transducer import is_transducer
from vizinho.text.alphabets import alphabet
from vizinho.text.tokens import PIECE_SPACE, TokenInventory, bpe_tokenizer, character_tokenizer, characters_of, spelt

_NAMED = 10


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """The tokens of a job."""

    kind: str
    """"characters", "bpe" or "donor"."""
    tokenizer: Any
    note: str = ""
    """What was decided and why, for the plan's summary."""
    written: bool = False
    """Whether texts are learnt as they are written, with case and punctuation, not normalised."""


def choose_tokens(job: Job, dataset: Dataset, donor: Donor | None = None) -> TokenChoice:
    """Tokens come from the language's alphabet and the training texts, never from dev or test; or they are the donor's.

    "auto" keeps a donor's pieces where they write every letter of the alphabet and every word of the training texts;
    "donor" asks for no more than the texts. Raises SpecError where they do not write those, or there are none.
    """
    if job.tokens == "bpe":
        return TokenChoice("bpe", bpe_tokenizer(dataset.texts(), job.pieces))
    if job.tokens not in ("auto", "characters", "donor"):
        fix = "choose auto, characters, bpe or donor"
        raise SpecError(f"unknown kind of tokens {job.tokens!r}", where="--tokens", fix=fix)
    used = {letter for index in dataset.shards for letter in index.letters} or set(characters_of(dataset.texts()))
    letters = sorted({*alphabet(job.language), *used})
    obstacle = "" if job.tokens == "characters" else _obstacle(job, dataset, donor, used)
    if job.tokens != "characters" and donor is not None and not obstacle:
        note, written = _why_kept(donor, job.language, set(letters) - used), _write_as_texts(donor, dataset)
        note += "; texts are learnt as they are written" if written else ""
        return TokenChoice("donor", copy.deepcopy(donor.tokenizer), note, written)
    if job.tokens == "donor":
        raise SpecError(
            f"the donor's tokens cannot be kept: {obstacle}", where="--tokens", fix="use auto or characters"
        )
    tokenizer = character_tokenizer(letters)
    count = f"tokens: {len(letters)} letters of {job.language} and its training texts"
    return TokenChoice("characters", tokenizer, f"{count}, because {obstacle} (--tokens)" if obstacle else "")


def _obstacle(job: Job, dataset: Dataset, donor: Donor | None, used: Iterable[str]) -> str:
    """Why the donor's tokens cannot stay; empty where they can."""
    if donor is None or donor.tokenizer is None:
        return "the donor has no tokens"
    automatic = job.tokens == "auto"
    if automatic and not _are_pieces(donor.inventory):
        return "the donor's tokens are letters too"
    letters = {*used, *(alphabet(job.language) if automatic else ())}
    # A letter may have a piece at the start of a word and none inside, so a word of two is tried too.
    lacking = _unwritten(donor, {*letters, *(2 * letter for letter in letters)})
    lacking = [word for word in lacking if word in letters] or lacking or _unwritten(donor, _words(dataset.texts()))
    if not lacking:
        return ""
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return f"the donor's {_kind(donor)} cannot write {' '.join(lacking[:_NAMED])}{more}"


def _why_kept(donor: Donor, language: str, unused: Iterable[str]) -> str:
    note = f"tokens: the donor's {len(donor.inventory.tokens):,} stay, because they write the training texts"
    lacking = _unwritten(donor, unused)
    return f"{note} (--tokens); of {language} they lack {' '.join(lacking)}" if lacking else f"{note} (--tokens)"


def _write_as_texts(donor: Donor, dataset: Dataset) -> bool:
    """Whether a transducer has capitals, and writes the training texts as they stand.

    Of CTC networks beam search, hotwords and language models know normalised texts alone; so do the letters of shards.
    """
    capitals = any(token != token.lower() for token in donor.inventory.letters)
    if not capitals or dataset.shards or not is_transducer(donor.model):
        return False
    return not _unwritten(donor, _words(u.text for u in dataset.train))


def _are_pieces(inventory: TokenInventory) -> bool:
    return any(len(token.removeprefix(PIECE_SPACE)) > 1 for token in inventory.letters)


def _kind(donor: Donor) -> str:
    return "pieces" if _are_pieces(donor.inventory) else "tokens"


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in text.split()}


def _unwritten(donor: Donor, words: Iterable[str]) -> list[str]:
    """Words that are not themselves when the donor's tokens write them."""
    listed, tokenizer, inventory = sorted(words), donor.tokenizer, donor.inventory
    assert tokenizer is not None
    rows = tokenizer(listed, add_special_tokens=False)["input_ids"] if listed else []
    return [word for word, of_word in zip(listed, rows, strict=True) if spelt(inventory, of_word) != word]
