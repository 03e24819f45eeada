"""Whose tokens a job's network writes: letters of its language, pieces learnt from its texts, or the donor's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from vizinho.errors import SpecError
from vizinho.job.data import Dataset
from vizinho.job.job import Job
from vizinho.model.networks import Donor, is_transducer
from vizinho.text.alphabets import alphabet
from vizinho.text.tokens import (
    PIECE_SPACE,
    TokenInventory,
    bpe_tokenizer,
    character_tokenizer,
    characters_of,
    inventory_of,
    spelt,
    with_letters,
)
from vizinho.text.written import MARKS, in_one_line, is_mark, written_text

LONGEST_FRAME_OF_LETTERS = 0.06
"""Seconds. People say 10 to 20 letters in a second: frames of 40 ms hold them, frames of 80 ms do not."""
LEAST_LETTERS_A_TOKEN = 1.4
"""Of a donor's pieces that stay where frames are long. Spanish pieces write 2.0 letters of Portuguese each."""
_NAMED = 10


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """The tokens of a job."""

    kind: str
    """"characters", "written", "bpe", "donor" or "extended" (the donor's and letters that they lack)."""
    tokenizer: Any
    note: str = ""
    """What was decided and why, for the plan's summary."""
    as_written: Callable[[str], str] | None = None
    """Gives the form of a text that is learnt, with case and punctuation; None where texts are learnt normalised."""


def choose_tokens(job: Job, dataset: Dataset, donor: Donor | None = None) -> TokenChoice:
    """Tokens come from the language's alphabet and the training texts, never from dev or test; or they are the donor's.

    "auto" keeps a donor's pieces where they write every letter of the alphabet and every word of the training texts.
    Where they do not, it makes letters, unless the frames are too long for those: then it adds to the pieces the
    letters that they lack, or learns pieces from the texts where that leaves words in single letters. "extended" adds
    whatever the frames are; "donor" asks for no more than the texts. Raises SpecError where these cannot be written, or
    the donor has no tokens. "written" are letters with their capitals and marks, as the training texts are written.
    """
    if job.tokens not in _MAKERS:
        fix = f"choose {', '.join(KINDS[:-1])} or {KINDS[-1]}"
        raise SpecError(f"unknown kind of tokens {job.tokens!r}", where="--tokens", fix=fix)
    return _MAKERS[job.tokens](_Case(job, dataset, donor))


@dataclass(frozen=True)
class _Case:
    """What tokens are chosen for."""

    job: Job
    dataset: Dataset
    donor: Donor | None

    @cached_property
    def used(self) -> set[str]:
        """Letters of the training texts; shards list theirs."""
        listed = {letter for index in self.dataset.shards for letter in index.letters}
        return listed or set(characters_of(self.dataset.texts()))

    @property
    def letters(self) -> list[str]:
        """Letters of the alphabet and of the training texts."""
        return sorted({*alphabet(self.job.language), *self.used})

    @cached_property
    def obstacle(self) -> str:
        """Why the donor's tokens cannot stay; empty where they can."""
        donor, job = self.donor, self.job
        if donor is None or donor.tokenizer is None:
            return "the donor has no tokens"
        if job.tokens == "auto" and not _are_pieces(donor.inventory):
            return "the donor's tokens are letters too"
        letters = {*self.used, *(alphabet(job.language) if job.tokens != "donor" else ())}
        lacking = _unwritten_letters(donor, letters)
        lacking = [word for word in lacking if word in letters] or lacking
        lacking = lacking or _unwritten(donor.tokenizer, donor.inventory, _words(self.dataset.texts()))
        return f"the donor's {_kind(donor)} cannot write {_listed(lacking)}" if lacking else ""


def _characters(case: _Case) -> TokenChoice:
    return TokenChoice("characters", character_tokenizer(case.letters))


def _pieces(case: _Case, note: str = "") -> TokenChoice:
    return TokenChoice("bpe", bpe_tokenizer(case.dataset.texts(), case.job.pieces), note)


def _donors(case: _Case) -> TokenChoice:
    """The donor's tokens as they are."""
    if case.donor is None or case.obstacle:
        fix = "use auto or characters"
        raise SpecError(f"the donor's tokens cannot be kept: {case.obstacle}", where="--tokens", fix=fix)
    note = _why_kept(case.donor, case.job.language, set(case.letters) - case.used)
    tokenizer = copy.deepcopy(case.donor.tokenizer)
    if not _write_as_texts(case.donor, case.dataset):
        return TokenChoice("donor", tokenizer, note)
    return TokenChoice("donor", tokenizer, f"{note}; texts are learnt as they are written", in_one_line)


def _extended(case: _Case) -> TokenChoice:
    """The donor's tokens and the letters that they lack."""
    return (case.obstacle and _with_lacking(case)) or _donors(case)


def _auto(case: _Case) -> TokenChoice:
    """The donor's pieces, or those and more letters, or pieces of the texts, or letters."""
    if not case.obstacle:
        return _donors(case)
    if case.donor is not None and _frames_are_long(case.donor):
        choice = _with_lacking(case)
        if choice is not None and _is_short(choice.tokenizer, case.dataset.texts()):
            return choice
        reason = f"{case.obstacle}, and its frames are too long for letters (--tokens)"
        return _pieces(case, f"tokens: {case.job.pieces} pieces of the training texts, because {reason}")
    count = f"tokens: {len(case.letters)} letters of {case.job.language} and its training texts"
    return replace(_characters(case), note=f"{count}, because {case.obstacle} (--tokens)")


def _frames_are_long(donor: Donor) -> bool:
    """Whether a CTC network with pieces has fewer frames in a second than people say letters: it writes one a frame."""
    if donor.tokenizer is None or is_transducer(donor.model) or not _are_pieces(donor.inventory):
        return False
    return donor.recogniser.front.frame_seconds > LONGEST_FRAME_OF_LETTERS


def _is_short(tokenizer: Any, texts: Iterable[str]) -> bool:
    """Whether tokens write several letters each, which pieces of another script do not."""
    listed = list(texts)
    rows = tokenizer(listed, add_special_tokens=False)["input_ids"]
    return sum(map(len, listed)) >= LEAST_LETTERS_A_TOKEN * sum(map(len, rows))


def _with_lacking(case: _Case) -> TokenChoice | None:
    """The donor's tokens and the letters that they lack; None where that does not write every word."""
    donor, letters = case.donor, case.letters
    if donor is None or donor.tokenizer is None:
        return None
    lacking = _unwritten_letters(donor, letters)
    tokenizer = with_letters(donor.tokenizer, {letter for word in lacking for letter in word})
    if tokenizer is None:
        return None
    inventory = inventory_of(tokenizer)
    if _unwritten(tokenizer, inventory, {*letters, *_words(case.dataset.texts())}):
        return None
    added = sorted(set(inventory.letters) - set(donor.inventory.letters))
    frame = f"frames of {donor.recogniser.front.frame_seconds * 1000:.0f} ms"
    reason = f", since {frame} are too long for letters alone" if _frames_are_long(donor) else ""
    note = f"tokens: the donor's {len(donor.inventory.tokens):,} and {_listed(added)}{reason} (--tokens)"
    return TokenChoice("extended", tokenizer, note)


def _written(case: _Case) -> TokenChoice:
    """Small letters, then their capitals, then marks: of rows that start equal the first is written."""
    dataset, as_written = case.dataset, partial(written_text, normalizer=case.dataset.normalizer)
    if dataset.shards:
        what = "shards list the letters of normalised texts alone"
        raise SpecError(what, where="--tokens written", fix="give manifests, or use characters")
    used = {*alphabet(case.job.language), *characters_of(as_written(u.text) for u in dataset.train)}
    letters = {letter for letter in used if not is_mark(letter)}
    small = {letter for letter in letters if letter == letter.lower()}
    # One capital for each letter, so that models of one language agree whatever sentences the corpus had.
    capitals = (letters - small) | {c.upper() for c in small if len(c.upper()) == 1 and c.upper() != c}
    marks = {*MARKS, *(used - letters)}
    note = f"tokens: {len(small)} letters, {len(capitals)} capitals and {len(marks)} marks (--tokens)"
    tokenizer = character_tokenizer([*sorted(small), *sorted(capitals), *sorted(marks)])
    return TokenChoice("written", tokenizer, note, as_written)


def _why_kept(donor: Donor, language: str, unused: Iterable[str]) -> str:
    note = f"tokens: the donor's {len(donor.inventory.tokens):,} stay, because they write the training texts"
    lacking = _unwritten(donor.tokenizer, donor.inventory, unused)
    return f"{note} (--tokens); of {language} they lack {' '.join(lacking)}" if lacking else f"{note} (--tokens)"


def _write_as_texts(donor: Donor, dataset: Dataset) -> bool:
    """Whether a transducer has capitals, and writes the training texts as they stand.

    Of CTC networks beam search, hotwords and language models know normalised texts alone; so do the letters of shards.
    """
    capitals = any(token != token.lower() for token in donor.inventory.letters)
    if not capitals or dataset.shards or not is_transducer(donor.model):
        return False
    return not _unwritten(donor.tokenizer, donor.inventory, _words(u.text for u in dataset.train))


def _are_pieces(inventory: TokenInventory) -> bool:
    return any(len(token.removeprefix(PIECE_SPACE)) > 1 for token in inventory.letters)


def _kind(donor: Donor) -> str:
    return "pieces" if _are_pieces(donor.inventory) else "tokens"


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in text.split()}


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return f"{' '.join(words[:_NAMED])}{more}"


def _unwritten_letters(donor: Donor, letters: Iterable[str]) -> list[str]:
    """Letters, or words of one letter twice, that the donor's tokens do not write."""
    # A letter may have a piece at the start of a word and none inside, so a word of two is tried too.
    return _unwritten(donor.tokenizer, donor.inventory, {word for letter in letters for word in (letter, 2 * letter)})


def _unwritten(tokenizer: Any, inventory: TokenInventory, words: Iterable[str]) -> list[str]:
    """Words that are not themselves when the tokens write them."""
    listed = sorted(words)
    rows = tokenizer(listed, add_special_tokens=False)["input_ids"] if listed else []
    return [word for word, of_word in zip(listed, rows, strict=True) if spelt(inventory, of_word) != word]


_MAKERS: dict[str, Callable[[_Case], TokenChoice]] = {
    "auto": _auto,
    "characters": _characters,
    "written": _written,
    "bpe": _pieces,
    "donor": _donors,
    "extended": _extended,
}
KINDS = tuple(_MAKERS)
