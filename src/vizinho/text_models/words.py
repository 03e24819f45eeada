"""Words and characters of a language model: which it knows, in which row, and batches of sentences in rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from vizinho.errors import ModelError, TextError
from vizinho.text.tokens import TokenInventory

UNKNOWN, START, END = "<unk>", "<s>", "</s>"
"""UNKNOWN stands for every word outside the list; the others are the ends of a sentence."""
PAD, WORD_START, WORD_END = "<pad>", "<w>", "</w>"
"""Among characters: padding, and the two ends of a word."""
LONGEST_WORD = 24
"""Characters of a word that its encoder reads; longer words are cut."""
IGNORED = -100
"""Target of the places after a sentence's end; torch's own value for a target that does not count."""

Sentence = Sequence[str]


@dataclass(frozen=True, slots=True)
class TokenList:
    """Tokens in row order; the special ones come first."""

    tokens: tuple[str, ...]
    _index: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ModelError when a token occurs twice or there is none for unknown ones."""
        self._index.update({token: row for row, token in enumerate(self.tokens)})
        if len(self._index) != len(self.tokens) or UNKNOWN not in self._index:
            raise ModelError("a token occurs twice, or the one for unknown ones is missing", where="tokens")

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._index

    def row(self, token: str) -> int:
        """Row of a token; that of UNKNOWN for a token that is not in the list."""
        return self._index.get(token, self._index[UNKNOWN])

    @property
    def inventory(self) -> TokenInventory:
        """Tokens with their roles, as the transfer plan matches them."""
        return TokenInventory(self.tokens, tuple(map(_role, self.tokens)))


def _role(token: str) -> str:
    if token == UNKNOWN:
        return "unknown"
    return "special" if token in (START, END, PAD, WORD_START, WORD_END) else "letter"


def word_list(sentences: Iterable[Sentence], size: int, min_count: int = 2) -> TokenList:
    """The most frequent words (of equals the first by alphabet), at most `size` with the three special tokens.

    Raises TextError when no word occurs `min_count` times.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    ranked = sorted((w for w, n in counts.items() if n >= min_count), key=lambda w: (-counts[w], w))
    if not ranked:
        raise TextError(
            f"no word occurs {min_count} times in {sum(counts.values())} running words", fix="give more text"
        )
    # Ordered by frequency: sampled softmax draws ranks by Zipf's law (`word_loss`).
    return TokenList((UNKNOWN, START, END, *ranked[: max(0, size - 3)]))


def character_list(sentences: Iterable[Sentence], letters: str = "") -> TokenList:
    """`letters` and the characters of the sentences, after the special tokens."""
    characters = sorted({*letters, *(c for sentence in sentences for word in sentence for c in word)})
    return TokenList((PAD, UNKNOWN, WORD_START, WORD_END, START, END, *characters))


@dataclass(frozen=True, slots=True)
class Batch:
    """B sentences, each between START and END; T places; U distinct words.

    Each distinct word of the batch is encoded once, which matters for words given by their characters.
    """

    distinct: torch.Tensor
    """(U,) rows of the word list, or (U, LONGEST_WORD + 2) rows of the character list."""
    places: torch.Tensor
    """(B, T): index of the distinct word at each place; END again after a sentence's end."""
    rows: torch.Tensor
    """(B, T): rows of the word list; IGNORED after a sentence's end."""
    lengths: torch.Tensor
    """(B,): number of places of each sentence, its two ends included."""

    @property
    def words(self) -> int:
        """Running words, each sentence's end counting as one."""
        return int(self.lengths.sum()) - len(self.lengths)


def make_batch(sentences: Sequence[Sentence], words: TokenList, characters: TokenList | None) -> Batch:
    """Sentences (of words, without ends) to a batch; with `characters`, words are given by their spelling."""
    # Both ends are there for both directions: each predicts the end that it reads towards.
    framed = [(START, *sentence, END) for sentence in sentences]
    lengths = torch.tensor([len(s) for s in framed])
    longest = int(lengths.max())
    seen: dict[str, int] = {}  # distinct words of the batch, in the order of their first occurrence
    places, rows = [], []
    for sentence in framed:
        padding = longest - len(sentence)
        # A model that reads characters spells unknown words too.
        known = sentence if characters else [w if w in words else UNKNOWN for w in sentence]
        places.append([seen.setdefault(w, len(seen)) for w in (*known, *[END] * padding)])
        rows.append([words.row(w) for w in sentence] + [IGNORED] * padding)
    if characters is None:
        distinct = torch.tensor([words.row(w) for w in seen])
    else:
        distinct = torch.tensor([spelling(w, characters) for w in seen])
    return Batch(distinct, torch.tensor(places), torch.tensor(rows), lengths)


def spelling(word: str, characters: TokenList) -> list[int]:
    """Rows (LONGEST_WORD + 2) of a word's characters between its two ends, padded; unseen characters are unknown."""
    inside = (word,) if word in (START, END) else tuple(word[:LONGEST_WORD])
    rows = [characters.row(c) for c in (WORD_START, *inside, WORD_END)]
    return rows + [characters.row(PAD)] * (LONGEST_WORD + 2 - len(rows))
