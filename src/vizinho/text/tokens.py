"""Token inventories: characters or BPE pieces, and the role each token plays (blank, unknown, space, letter).

The tokeniser that is saved with a model is Hugging Face's ParakeetTokenizer; CTC's blank is its pad token.
"""

from __future__ import annotations

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

    Roles: "blank", "unknown", "space", "special" (other angle-bracketed tokens) and "letter" (letters and pieces).
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
    vocabulary = {token: row for row, token in enumerate([BLANK, UNKNOWN, SPACE, *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(" ", SPACE)])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.Fuse()])
    return _wrap(tokenizer)


def bpe_tokenizer(texts: Iterable[str], size: int) -> Any:
    """A ParakeetTokenizer of `size` BPE pieces learnt from normalised texts (Sennrich et al. 2016)."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=PIECE_SPACE)
    tokenizer.decoder = decoders.Metaspace(replacement=PIECE_SPACE)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[BLANK, UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() <= 2:
        raise TextError("no pieces could be learnt: the texts are empty", fix="give a corpus with text")
    return _wrap(tokenizer)


def _wrap(tokenizer: Tokenizer) -> Any:
    from transformers import ParakeetTokenizer  # seconds to import, and transcribing does without

    return ParakeetTokenizer(
        tokenizer_object=tokenizer, pad_token=BLANK, unk_token=UNKNOWN, clean_up_tokenization_spaces=False
    )


def inventory_of(tokenizer: Any) -> TokenInventory:
    """Read any Hugging Face CTC tokeniser's tokens in row order, with their roles."""
    by_row = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    rows = [row for _, row in by_row]
    if rows != list(range(len(rows))):
        raise TextError(
            f"token rows are not 0 to {len(rows) - 1} without gaps", where="tokeniser", fix="re-save the tokeniser"
        )
    tokens = tuple(token for token, _ in by_row)
    return TokenInventory(tokens, tuple(_role(token, tokenizer) for token in tokens))


def _role(token: str, tokenizer: Any) -> str:
    if token == tokenizer.pad_token:
        return "blank"
    if token == tokenizer.unk_token:
        return "unknown"
    if token in (SPACE, " ", getattr(tokenizer, "word_delimiter_token", None)):
        return "space"
    is_special = len(token) > 2 and token.startswith("<") and token.endswith(">")
    return "special" if is_special else "letter"


def encode(tokenizer: Any, text: str, *, where: str = "") -> list[int]:
    """Token rows of a normalised text. Raises TextError that names the letters the tokens lack."""
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


def frames_needed(rows: Sequence[int]) -> int:
    """Fewest output frames CTC can align the rows to: one each, and a blank between equal neighbours."""
    return len(rows) + sum(a == b for a, b in pairwise(rows))
