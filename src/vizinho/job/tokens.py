"""Whose tokens a job's network writes: letters of its language, pieces learnt from its texts, or the donor's own."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vizinho.errors import SpecError
from vizinho.job.data import Dataset
from vizinho.job.job import Job
from vizinho.model.checkpoint import Donor
from vizinho.model.transducer import is_transducer
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
from vizinho.text.written import MARKS, is_mark, written_text

KINDS = ("auto", "characters", "written", "bpe", "donor", "extended")
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
    written: bool = False
    """Whether texts are learnt as they are written, with case and punctuation, not normalised."""


def choose_tokens(job: Job, dataset: Dataset, donor: Donor | None = None) -> TokenChoice:
    """Tokens come from the language's alphabet and the training texts, never from dev or test; or they are the donor's.

    "auto" keeps a donor's pieces where they write every letter of the alphabet and every word of the training texts.
    Where they do not, it makes letters, unless the frames are too long for those: then it adds to the pieces the
    letters that they lack, or learns pieces from the texts where that leaves words in single letters. "extended" adds
    whatever the frames are; "donor" asks for no more than the texts. Raises SpecError where these cannot be written, or
    the donor has no tokens. "written" are letters with their capitals and marks, as the training texts are written.
    """
    if job.tokens == "written":
        return _written(job, dataset)
    if job.tokens == "bpe":
        return _pieces(job, dataset)
    if job.tokens not in KINDS:
        fix = f"choose {', '.join(KINDS[:-1])} or {KINDS[-1]}"
        raise SpecError(f"unknown kind of tokens {job.tokens!r}", where="--tokens", fix=fix)
    used = {letter for index in dataset.shards for letter in index.letters} or set(characters_of(dataset.texts()))
    letters = sorted({*alphabet(job.language), *used})
    if job.tokens == "characters":
        return TokenChoice("characters", character_tokenizer(letters))
    obstacle = _obstacle(job, dataset, donor, used)
    if donor is not None and not obstacle:
        note, written = _why_kept(donor, job.language, set(letters) - used), _write_as_texts(donor, dataset)
        note += "; texts are learnt as they are written" if written else ""
        return TokenChoice("donor", copy.deepcopy(donor.tokenizer), note, written)
    if donor is not None and (job.tokens == "extended" or (job.tokens == "auto" and _frames_are_long(donor))):
        choice = _extended(dataset, donor, letters)
        if choice is not None and (job.tokens == "extended" or _is_short(choice.tokenizer, dataset.texts())):
            return choice
        if job.tokens == "auto":
            reason = f"{obstacle}, and its frames are too long for letters (--tokens)"
            return _pieces(job, dataset, f"tokens: {job.pieces} pieces of the training texts, because {reason}")
    if job.tokens in ("donor", "extended"):
        fix = "use auto or characters"
        raise SpecError(f"the donor's tokens cannot be kept: {obstacle}", where="--tokens", fix=fix)
    count = f"tokens: {len(letters)} letters of {job.language} and its training texts"
    return TokenChoice("characters", character_tokenizer(letters), f"{count}, because {obstacle} (--tokens)")


def _frames_are_long(donor: Donor) -> bool:
    """Whether a CTC network with pieces has fewer frames in a second than people say letters: it writes one a frame."""
    if donor.tokenizer is None or is_transducer(donor.model) or not _are_pieces(donor.inventory):
        return False
    return donor.recogniser.front.frame_seconds > LONGEST_FRAME_OF_LETTERS


def _pieces(job: Job, dataset: Dataset, note: str = "") -> TokenChoice:
    return TokenChoice("bpe", bpe_tokenizer(dataset.texts(), job.pieces), note)


def _is_short(tokenizer: Any, texts: Iterable[str]) -> bool:
    """Whether tokens write several letters each, which pieces of another script do not."""
    listed = list(texts)
    rows = tokenizer(listed, add_special_tokens=False)["input_ids"]
    return sum(map(len, listed)) >= LEAST_LETTERS_A_TOKEN * sum(map(len, rows))


def _extended(dataset: Dataset, donor: Donor, letters: Sequence[str]) -> TokenChoice | None:
    """The donor's pieces and the letters that they lack; None where that does not write every word."""
    if donor.tokenizer is None:
        return None
    lacking = _unwritten_letters(donor, letters)
    tokenizer = with_letters(donor.tokenizer, {letter for word in lacking for letter in word})
    if tokenizer is None:
        return None
    inventory = inventory_of(tokenizer)
    if _unwritten(tokenizer, inventory, {*letters, *_words(dataset.texts())}):
        return None
    added = sorted(set(inventory.letters) - set(donor.inventory.letters))
    frame = f"frames of {donor.recogniser.front.frame_seconds * 1000:.0f} ms"
    reason = f", since {frame} are too long for letters alone" if _frames_are_long(donor) else ""
    note = f"tokens: the donor's {len(donor.inventory.tokens):,} and {_listed(added)}{reason} (--tokens)"
    return TokenChoice("extended", tokenizer, note)


def _written(job: Job, dataset: Dataset) -> TokenChoice:
    """Small letters, then their capitals, then marks: of rows that start equal the first is written."""
    if dataset.shards:
        what = "shards list the letters of normalised texts alone"
        raise SpecError(what, where="--tokens written", fix="give manifests, or use characters")
    used = {*alphabet(job.language), *characters_of(written_text(u.text, dataset.normalizer) for u in dataset.train)}
    letters = {letter for letter in used if not is_mark(letter)}
    small = {letter for letter in letters if letter == letter.lower()}
    # One capital for each letter, so that models of one language agree whatever sentences the corpus had.
    capitals = (letters - small) | {c.upper() for c in small if len(c.upper()) == 1 and c.upper() != c}
    marks = {*MARKS, *(used - letters)}
    note = f"tokens: {len(small)} letters, {len(capitals)} capitals and {len(marks)} marks (--tokens)"
    return TokenChoice("written", character_tokenizer([*sorted(small), *sorted(capitals), *sorted(marks)]), note)


def _obstacle(job: Job, dataset: Dataset, donor: Donor | None, used: Iterable[str]) -> str:
    """Why the donor's tokens cannot stay; empty where they can."""
    if donor is None or donor.tokenizer is None:
        return "the donor has no tokens"
    if job.tokens == "auto" and not _are_pieces(donor.inventory):
        return "the donor's tokens are letters too"
    letters = {*used, *(alphabet(job.language) if job.tokens != "donor" else ())}
    lacking = _unwritten_letters(donor, letters)
    lacking = [word for word in lacking if word in letters] or lacking
    lacking = lacking or _unwritten(donor.tokenizer, donor.inventory, _words(dataset.texts()))
    return f"the donor's {_kind(donor)} cannot write {_listed(lacking)}" if lacking else ""


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
