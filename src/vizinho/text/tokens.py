"""Token inventories: characters or BPE pieces, and the role each token plays (blank, unknown, space, letter).

The tokeniser that is saved with a model is Hugging Face's ParakeetTokenizer; CTC's blank is its pad token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from vizinho.errors import TextError

BLANK, UNKNOWN = "<pad>", "<unk>"
SPACE = "|"
"""Stands for the space between words in character inventories, as in wav2vec 2.0 vocabularies."""
PIECE_SPACE = "▁"
"""Marks the start of a word in BPE pieces, as in SentencePiece."""


@dataclass(frozen=True, slots=True)
class TokenInventory:
    """Tokens in the order of the output layer's rows (V of them), and their roles.

    Roles: "blank", "unknown", "space" (between words), "language" (such as <|es|>), "special" (other bracketed tokens)
    and "letter" (letters and pieces).
    """

    tokens: tuple[str, ...]
    roles: tuple[str, ...]

    def index(self, token: str) -> int:
        """Row of a token; ValueError when there is none."""
        return self.tokens.index(token)

    @property
    def letters(self) -> tuple[str, ...]:
        """Tokens that stand for letters or pieces."""
        return tuple(t for t, role in zip(self.tokens, self.roles, strict=True) if role == "letter")


def characters_of(texts: Iterable[str]) -> list[str]:
    """The distinct characters of normalised texts without the space, in code point order."""
    return sorted(set().union(*map(set, texts)) - {" "})


def character_tokenizer(characters: Iterable[str]) -> Any:
    """A ParakeetTokenizer with one token a character, after blank, unknown and space."""
    letters = [c for c in dict.fromkeys(characters) if c not in (" ", SPACE)]
    if not letters:
        raise TextError("no characters to make tokens of", fix="give a corpus with text")
    return _wrap(letters_model([BLANK, UNKNOWN, SPACE, *letters], UNKNOWN))


def letters_model(tokens: Sequence[str], unknown: str) -> Tokenizer:
    """Tokens of one letter each, in row order, with SPACE for the space; letters without a token become `unknown`."""
    tokenizer = Tokenizer(models.WordLevel({token: row for row, token in enumerate(tokens)}, unk_token=unknown))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(" ", SPACE)])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")  # every character, line breaks too
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.Fuse()])
    return tokenizer


def bpe_tokenizer(texts: Iterable[str], size: int) -> Any:
    """A ParakeetTokenizer of `size` BPE pieces learnt from normalised texts (Sennrich et al. 2016)."""
    tokenizer = _of_pieces(models.BPE(unk_token=UNKNOWN))
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[BLANK, UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() <= 2:
        raise TextError("no pieces could be learnt: the texts are empty", fix="give a corpus with text")
    return _wrap(tokenizer)


def with_letters(tokenizer: Any, letters: Iterable[str]) -> Any | None:
    """A ParakeetTokenizer of a tokeniser's pieces, cut as it cuts them, and of single letters that they lack.

    None where its pieces are neither BPE nor Unigram, or do not mark the start of a word as SentencePiece does.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = json.loads(backend.to_str())["model"] if backend is not None else {}
    vocabulary = tokenizer.get_vocab()
    pieces = [token for token in vocabulary if role_of(token, tokenizer) in ("letter", "space")]
    if model.get("type") not in ("BPE", "Unigram") or PIECE_SPACE not in pieces:
        return None
    # By row, so that the plan lists them as the donor does; the plan finds each by its name.
    pieces.sort(key=lambda token: vocabulary[token])
    tokens = list(dict.fromkeys([BLANK, UNKNOWN, *pieces, *sorted(letters)]))
    if model["type"] == "BPE":
        # A single letter needs no merge: BPE starts from letters, and what is never merged stays one.
        merges = [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in model["merges"]]
        merges = [pair for pair in merges if "".join(pair) in vocabulary]
        rows = {token: row for row, token in enumerate(tokens)}
        return _wrap(_of_pieces(models.BPE(rows, merges, unk_token=UNKNOWN)))
    scores = {piece: score for piece, score in model["vocab"] if piece in vocabulary}
    # Less likely than any piece: where a piece with the letter exists, that one is taken.
    least = min(scores.values()) - 1.0
    ranked = [(token, scores.get(token, least)) for token in tokens]
    return _wrap(_of_pieces(models.Unigram(ranked, unk_id=tokens.index(UNKNOWN))))


def _of_pieces(model: models.Model) -> Tokenizer:
    """A tokeniser that marks the starts of words, as SentencePiece does."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=PIECE_SPACE)
    tokenizer.decoder = decoders.Metaspace(replacement=PIECE_SPACE)
    return tokenizer


def _wrap(tokenizer: Tokenizer) -> Any:
    from transformers import ParakeetTokenizer  # seconds to import, and transcribing does without

    return ParakeetTokenizer(
        tokenizer_object=tokenizer, pad_token=BLANK, unk_token=UNKNOWN, clean_up_tokenization_spaces=False
    )


def inventory_of(tokenizer: Any, rows: int | None = None, blank: int | None = None) -> TokenInventory:
    """Read any Hugging Face CTC tokeniser's tokens in row order, with their roles.

    `blank` is the blank's row where it is not the pad token's, as in transducers. With `rows` (V, the output layer's),
    special tokens beyond it are left out, since the network cannot say them, and rows without a token are named
    "<row N>". Raises TextError when letters have no row or two tokens share one.
    """
    by_row = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    named = {row: token for token, row in by_row}
    count = len(named) if rows is None else rows
    roles = {row: role_of(token, tokenizer) for row, token in named.items()}
    if blank is not None:
        roles |= {row: "special" for row, role in roles.items() if role == "blank"} | {blank: "blank"}
    # Letters beyond the last row could never be written; special tokens there are not needed.
    lost = [token for token, row in by_row if row >= count and roles[row] not in ("special", "unknown", "language")]
    if len(named) != len(by_row) or lost or (rows is None and list(named) != list(range(count))):
        raise TextError(
            f"{len(by_row)} tokens do not fit {count} output rows" + (f", such as {lost[0]!r}" if lost else ""),
            where="tokeniser",
            fix="the tokeniser belongs to another model; restore the right one",
        )
    tokens = tuple(named.get(row, f"<row {row}>") for row in range(count))
    return TokenInventory(tokens, tuple(roles.get(row, "special") for row in range(count)))


_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>|<([a-z]{2}(?:-[A-Za-z]{2})?)>")
_SPECIAL = re.compile(r"<.+>|\[.+\]")


def role_of(token: str, tokenizer: Any) -> str:
    """The role a token of a tokeniser plays (see TokenInventory)."""
    if token == tokenizer.pad_token:
        return "blank"
    if token == tokenizer.unk_token:
        return "unknown"
    if token in (SPACE, " ", PIECE_SPACE, getattr(tokenizer, "word_delimiter_token", None)):
        return "space"
    if _LANGUAGE.fullmatch(token):
        return "language"
    return "special" if _SPECIAL.fullmatch(token) else "letter"


def encode(tokenizer: Any, text: str, *, where: str = "") -> list[int]:
    """Token rows of a normalised text. Raises TextError that names the letters the tokens lack."""
    # No marks around the text: CTC has no start and no end.
    rows: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if tokenizer.unk_token_id in rows:
        known = set(tokenizer.get_vocab())
        lacking = sorted({c for c in text if c not in known and c != " "})
        raise TextError(
            f"the tokens lack {' '.join(map(repr, lacking)) or 'a piece'} of {text!r}",
            where=where,
            fix="run `vizinho corpus check`, or make the tokens from this corpus",
        )
    return rows


def spelt(inventory: TokenInventory, rows: Iterable[int]) -> str:
    """The text that rows stand for."""
    return " ".join("".join(writes(inventory.tokens[row], inventory.roles[row]) for row in rows).split())


def writes(token: str, role: str) -> str:
    """What a token writes: letters, a space, or nothing (the blank)."""
    if role == "space":
        return " "
    return token.replace(PIECE_SPACE, " ") if role == "letter" else ""


def frames_needed(rows: Sequence[int]) -> int:
    """Fewest output frames CTC can align the rows to: one each, and a blank between equal neighbours."""
    return len(rows) + sum(a == b for a, b in pairwise(rows))
