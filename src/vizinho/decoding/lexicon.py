"""A lexicon as a prefix tree: the words of a language, each with the letters that the network may write it in.

A node is a beginning of spellings. The tree is built and searched in NumPy, so that 200,000 words load in a second and
a frame of the search follows all its hypotheses at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vizinho.errors import TextError
from vizinho.files import write_text

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NOWHERE = -1
"""In place of a node: no spelling begins so."""
ROOT = 0
NO_WORD = -1e30
"""In place of a log-probability; finite, because it is multiplied by weights that may be 0."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A word in one of its spellings."""

    word: str
    spelling: str
    """Letters that the network writes; another language's where its network hears the word."""
    log_prob: float
    """Of the word alone and of this spelling of it (nats): how likely the search takes it to be in advance."""


class Children:
    """Where letters lead from nodes: a hash table with open addressing, in arrays."""

    def __init__(self, parents: Ints, letters: Ints, nodes: Ints) -> None:
        # At most half full, so that probing ends after a step or two.
        size = 1 << max(4, int(2 * parents.size).bit_length())
        self._mask, self._keys = size - 1, np.full(size, NOWHERE, np.int64)
        self._nodes = np.full(size, NOWHERE, np.int64)
        keys = _key(parents, letters)
        place = self._first(keys)
        # All keys at once: each round settles those whose place was free, and the rest move on by one.
        while keys.size:
            free = self._keys[place] == NOWHERE
            self._keys[place[free]] = keys[free]  # of several keys for one place, the last stays
            taken = self._keys[place] == keys
            self._nodes[place[taken]] = nodes[taken]
            keys, nodes, place = keys[~taken], nodes[~taken], (place[~taken] + 1) & self._mask

    def __call__(self, nodes: Ints, letters: Ints) -> Ints:
        """The node after each letter; NOWHERE for none, and from NOWHERE."""
        after = np.full(nodes.size, NOWHERE, np.int64)
        left = np.flatnonzero(nodes != NOWHERE)
        keys = _key(nodes[left], letters[left])
        place = self._first(keys)
        while left.size:
            found = self._keys[place]
            hit = found == keys
            after[left[hit]] = self._nodes[place[hit]]
            on = ~hit & (found != NOWHERE)
            left, keys, place = left[on], keys[on], (place[on] + 1) & self._mask
        return after

    def _first(self, keys: Ints) -> Ints:
        # Fibonacci hashing (Knuth 6.4): neighbouring keys land far apart.
        spread = (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
        return spread.astype(np.int64) & self._mask


def _key(nodes: Ints, letters: Ints) -> Ints:
    return (nodes << 21) | letters  # more than Unicode has letters


class Lexicon:
    """The prefix tree of entries; nodes are numbered along the alphabet, the root first."""

    def __init__(self, entries: Sequence[Entry], alphabet: Mapping[str, int]) -> None:
        """Take entries whose spellings have letters of `alphabet` alone, and its numbers for them.

        Raises TextError when there are none.
        """
        if not entries:
            raise TextError("the lexicon is empty", where="lexicon", fix="give words that the recogniser can write")
        spellings, of_entry = np.unique(np.array([e.spelling for e in entries]), return_inverse=True)
        letters, sizes = _numbered(spellings, alphabet)
        rows, columns = np.nonzero(_new(letters, sizes))
        nodes = np.arange(1, rows.size + 1)
        # at[i, j] is the node after j letters of spelling i: the last one that began there, in it or above it.
        at = np.zeros((sizes.size, letters.shape[1] + 1), np.int64)
        at[rows, columns + 1] = nodes
        np.maximum.accumulate(at, axis=0, out=at)
        parents = at[rows, columns]
        self.child = Children(parents, letters[rows, columns], nodes)
        ends = at[np.arange(sizes.size), sizes][of_entry]
        order = np.argsort(ends, kind="stable")
        self.entries = [entries[i] for i in order]
        """Sorted by the node that they end at."""
        self.first = np.searchsorted(ends[order], np.arange(rows.size + 2))
        """For each node its first entry; one more at the end."""
        log_probs = np.array([e.log_prob for e in self.entries])
        self.whole = np.full(rows.size + 1, NO_WORD)
        """(N,) log-probability of the likeliest entry that ends at a node, or NO_WORD."""
        np.maximum.at(self.whole, ends[order], log_probs)
        self.ahead = _ahead(self.whole, parents)
        """(N,) of the likeliest entry at or below each node."""

    def at(self, node: int) -> range:
        """Numbers of the entries that end at a node."""
        return range(int(self.first[node]), int(self.first[node + 1])) if node != NOWHERE else range(0)


def _numbered(spellings: npt.NDArray[np.str_], alphabet: Mapping[str, int]) -> tuple[Ints, Ints]:
    """Letters (W, L) as numbers, -1 after a spelling's end, and sizes (W,)."""
    width = max(1, spellings.dtype.itemsize // 4)  # four bytes a letter
    codes = spellings.view(np.uint32).reshape(spellings.size, width)  # NumPy keeps text as code points, padded with 0
    lookup = np.zeros(int(codes.max(initial=0)) + 1, np.int64)
    for letter, number in alphabet.items():
        if ord(letter) < lookup.size:
            lookup[ord(letter)] = number
    return np.where(codes == 0, -1, lookup[codes]), (codes != 0).sum(axis=1)


def _new(letters: Ints, sizes: Ints) -> npt.NDArray[np.bool_]:
    """(W, L) whether a letter ends a beginning that no spelling before it has; spellings are sorted."""
    differs = np.ones(letters.shape, bool)
    differs[1:] = letters[1:] != letters[:-1]
    inside = np.arange(letters.shape[1]) < sizes[:, None]
    return np.logical_or.accumulate(differs, axis=1) & inside


def _ahead(whole: Floats, parents: Ints) -> Floats:
    ahead, above = whole.tolist(), parents.tolist()
    # Children have higher numbers than their parents: from the last to the first, each is final when it is passed on.
    for node in range(len(above), 0, -1):
        ahead[above[node - 1]] = max(ahead[above[node - 1]], ahead[node])
    return np.array(ahead)


def read_lexicon(path: Path) -> dict[str, dict[str, float]]:
    """Spellings of words from lines "word TAB spelling TAB log-probability"; the last may be missing (0).

    Raises TextError for a file that cannot be read, a line of another form, and a file without words.
    """
    words: dict[str, dict[str, float]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"cannot read the lexicon ({error})", where=path, fix="give a text file in UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        word, spelling, log_prob = (*line.split("\t"), "", "")[:3]
        try:
            value = float(log_prob or 0.0)
        except ValueError:
            value = 1.0
        if not word or len(word.split()) != 1 or len(spelling.split()) > 1 or not value <= 0.0:
            fix = "write word, tab, spelling, tab, log-probability; a word alone is spelt as it is"
            raise TextError(f"{line[:60]!r} is no entry", where=f"{path}:{number}", fix=fix)
        words.setdefault(word, {})[spelling or word] = value
    if not words:
        raise TextError("the lexicon is empty", where=path, fix="give one word a line")
    return words


def write_lexicon(path: Path, spellings: Mapping[str, Mapping[str, float]]) -> None:
    """Write what `read_lexicon` reads."""

    rows = (f"{word}\t{s}\t{value:.4g}\n" for word, of_word in spellings.items() for s, value in of_word.items())
    write_text(path, "".join(rows))
