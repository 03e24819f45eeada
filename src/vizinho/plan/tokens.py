"""Where each output row of the target comes from: tokens are matched by name and role, never by index."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vizinho.errors import PlanError, SpecError
from vizinho.text.spelling import bare
from vizinho.text.tokens import TokenInventory
from vizinho.text.written import is_mark

NEW_ROWS = ("features", "neighbours", "fresh")
"""Ways to start the row of a token the donor lacks."""
NEAREST = 3
"""Donor rows mixed into one feature row."""
LEAST_SIMILARITY = 0.3
"""A donor letter less similar than this does not stand in for a target letter."""


class Neighbourhood(Protocol):
    """Tells which donor tokens are like a target token, and in which respect."""

    def nearest(self, token: str, among: Collection[str]) -> list[tuple[str, float]]:
        """Donor tokens (of `among`) and how alike they are, 0 to 1, best first; none where nothing is known."""

    def reason(self, token: str, near: list[tuple[str, float]]) -> str:
        """Why the token starts from `near`, for the plan."""


@dataclass(frozen=True, slots=True)
class SimilarityTable:
    """How alike target letters (rows) and donor letters (columns) sound: values (V_target, V_donor) in 0 to 1."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]
    source: str

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.rows), len(self.columns)):
            expected = f"{len(self.rows)} x {len(self.columns)} letters"
            raise PlanError(f"a similarity table of shape {self.values.shape} for {expected}")

    def nearest(self, token: str, among: Collection[str]) -> list[tuple[str, float]]:
        """Donor letters (of `among`) at least LEAST_SIMILARITY alike, best first, at most NEAREST."""
        if token not in self.rows:
            return []
        # Donor tokens without a column (pieces of several letters) have no sound of their own and are passed over.
        scores = dict(zip(self.columns, self.values[self.rows.index(token)], strict=True))
        ranked = sorted(((t, float(scores[t])) for t in among if t in scores), key=lambda pair: -pair[1])
        return [(t, s) for t, s in ranked[:NEAREST] if s >= LEAST_SIMILARITY]

    def reason(self, token: str, near: list[tuple[str, float]]) -> str:
        """Names the letters that sound like it."""
        return f"sounds most like {_listed(near)} ({self.source})"


@dataclass(frozen=True, slots=True)
class NeighbourTable:
    """The nearest donor tokens of target tokens, for vocabularies too large for a table of all pairs."""

    neighbours: Mapping[str, tuple[tuple[str, float], ...]]
    """Target token -> donor tokens and how alike they are (0 to 1), best first."""
    how: Mapping[str, str]
    """Target token -> in which respect, such as "is used like"."""
    source: str

    def nearest(self, token: str, among: Collection[str]) -> list[tuple[str, float]]:
        """Donor tokens (of `among`) at least LEAST_SIMILARITY alike, best first, at most NEAREST."""
        known = [pair for pair in self.neighbours.get(token, ()) if pair[0] in among]
        return [(t, s) for t, s in known[:NEAREST] if s >= LEAST_SIMILARITY]

    def reason(self, token: str, near: list[tuple[str, float]]) -> str:
        """Names the tokens and the respect in which they are alike."""
        return f"{self.how[token]} {_listed(near)} ({self.source})"


def _listed(near: list[tuple[str, float]]) -> str:
    return ", ".join(f"{token} {score:.2f}" for token, score in near)


@dataclass(frozen=True, slots=True)
class RowOptions:
    """How rows are started that the donor cannot give by name."""

    new_rows: str = "features"
    """"features": mean of rows of letters that sound alike; "neighbours": the base letter's row; "fresh": random."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Target token -> donor token, decided by the user; beats everything else."""
    known_rows: str = "copy"
    """"copy": a token that the donor has too takes its row; "fresh": every row is random, as in toolkits that replace
    the whole output layer."""
    fresh_layers: tuple[str, ...] = ()
    """Layers that start fresh although the donor has them: "block5", ... (DeepSpeech's --drop_source_layers)."""

    def __post_init__(self) -> None:
        if self.new_rows not in NEW_ROWS:
            raise SpecError(f"new_rows is {self.new_rows!r}", fix=f"use one of {', '.join(NEW_ROWS)}")
        if self.known_rows not in ("copy", "fresh"):
            raise SpecError(f"known_rows is {self.known_rows!r}", fix="use copy or fresh")


@dataclass(frozen=True, slots=True)
class TokenSource:
    """One target token: what is done, and the donor tokens with their weights (they sum to 1; none if fresh)."""

    token: str
    action: str
    sources: tuple[tuple[str, float], ...]
    reason: str


class _Donor:
    """The donor's tokens by role, in dicts for look-up: a vocabulary of words has tens of thousands."""

    def __init__(self, inventory: TokenInventory) -> None:
        self.by_role: dict[str, dict[str, None]] = {}
        for token, role in zip(inventory.tokens, inventory.roles, strict=True):
            self.by_role.setdefault(role, {})[token] = None
        self.folded: dict[str, dict[str, str]] = {}
        for role, tokens in self.by_role.items():
            names = self.folded[role] = {}
            for token in tokens:
                # Of several tokens that differ in case or composition alone, the first in row order stands for all.
                names.setdefault(folded(token), token)

    @property
    def letters(self) -> dict[str, None]:
        """Tokens that stand for letters, pieces or words, in row order."""
        return self.by_role.get("letter", {})

    def same_name(self, token: str, role: str) -> str | None:
        """The donor's token of that role and name, in another case or composition if need be."""
        if token in self.by_role.get(role, {}):
            return token
        return self.folded.get(role, {}).get(folded(token))


def match_tokens(
    target: TokenInventory, donor: TokenInventory, options: RowOptions, similarity: Neighbourhood | None = None
) -> list[TokenSource]:
    """One TokenSource per target token, in row order. Raises PlanError for overrides that name no token."""
    _check_overrides(options, target, donor)
    by_role, pairs = _Donor(donor), zip(target.tokens, target.roles, strict=True)
    return [_match(token, role, by_role, options, similarity) for token, role in pairs]


def _match(token: str, role: str, donor: _Donor, options: RowOptions, similarity: Neighbourhood | None) -> TokenSource:
    if token in options.overrides:
        chosen = options.overrides[token]
        return TokenSource(token, "neighbour row", ((chosen, 1.0),), f"{chosen} was asked for")
    if options.known_rows == "fresh":
        return TokenSource(token, "fresh", (), "every row is to start fresh")
    # These have other names in other toolkits (<pad>, <blank>; |, ▁), so only the role counts.
    if role in ("blank", "unknown", "space") and token not in donor.by_role.get(role, {}):
        return _match_role(token, role, donor)
    # Same name and same role: a donor's letter "<unk>" or piece "▁" is no match for a special token of that name.
    same = donor.same_name(token, role)
    if same is not None:
        reason = "same token" if same == token else f"same letter as {same} in another case or composition"
        return TokenSource(token, "row copy", ((same, 1.0),), reason)
    return _new_row(token, role, donor, options, similarity)


def _match_role(token: str, role: str, donor: _Donor) -> TokenSource:
    candidates = donor.by_role.get(role)
    if not candidates:
        return TokenSource(token, "fresh", (), f"the donor has no {role} token")
    return TokenSource(token, "row copy", ((next(iter(candidates)), 1.0),), f"same role: {role}")


def _new_row(
    token: str, role: str, donor: _Donor, options: RowOptions, similarity: Neighbourhood | None
) -> TokenSource:
    if options.new_rows == "fresh" or role not in ("letter", "language"):
        return TokenSource(token, "fresh", (), "the donor lacks it")
    if is_mark(token) and (pause := next((t for r in ("space", "blank") for t in donor.by_role.get(r, {})), None)):
        return TokenSource(token, "neighbour row", ((pause, 1.0),), f"a mark stands where {pause} may")
    if options.new_rows == "features" and similarity is not None:
        near = similarity.nearest(token, donor.by_role.get(role, {}))
        if near:
            # Squaring favours the nearest, so that a vowel is not blurred into the mean of all vowels.
            total = sum(score**2 for _, score in near)
            shares = tuple((t, score**2 / total) for t, score in near)
            return TokenSource(token, "feature row", shares, similarity.reason(token, near))
    # Without a table of sounds, or where it knows nothing: ã from a. A rough start beats a random one.
    if (
        role == "language"
        and similarity is not None
        and (near := similarity.nearest(token, donor.by_role.get(role, {})))
    ):
        return TokenSource(token, "neighbour row", ((near[0][0], 1.0),), f"{near[0][0]} is the nearest language")
    base = donor.same_name(bare(token), "letter")
    if base is not None:
        return TokenSource(token, "neighbour row", ((base, 1.0),), f"{base} is its base letter")
    return TokenSource(token, "fresh", (), "the donor has nothing like it")


def folded(token: str) -> str:
    """What is equal in tokens of another case, or with their marks as characters of their own."""
    return unicodedata.normalize("NFC", token).casefold()


def _check_overrides(options: RowOptions, target: TokenInventory, donor: TokenInventory) -> None:
    for token, chosen in options.overrides.items():
        if token not in target.tokens:
            fix = f"target tokens: {' '.join(target.letters)}"
            raise PlanError(f"no target token {token!r}", where="rows", fix=fix)
        if chosen not in donor.tokens:
            raise PlanError(f"no donor token {chosen!r}", where="rows", fix=f"donor tokens: {' '.join(donor.letters)}")
