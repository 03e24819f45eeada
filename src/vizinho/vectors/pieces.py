"""Joint word pieces: one byte-pair vocabulary over the texts of several languages, so that neighbours share pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vizinho.errors import TextError

PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNKNOWN, START, END, MASK)
MAX_PIECES = 128
"""Pieces of the longest sentence, its two marks included; what is longer is cut."""


def train_pieces(lines: Iterable[str], size: int) -> Any:
    """A transformers tokeniser of at most `size` byte-pair pieces (Sennrich et al. 2016), lower case, marks kept.

    Lower case because recognisers write it and because a small vocabulary is then shared by more words. Raises
    TextError when there is no text, or when `size` does not even hold its characters.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    texts = [line for line in lines if line.strip()]
    characters = {c for line in texts for c in line.lower()}
    if not texts:
        raise TextError("no text to learn pieces from", fix="give files with one sentence a line")
    if size <= len(SPECIAL) + len(characters):
        raise TextError(f"{size} pieces for {len(characters)} different characters", fix="use a larger vocabulary")
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    # Words begin with a mark of their own. With a prefix on the pieces inside words instead, the trainer breaks ties by
    # chance, and one text gives other pieces each time.
    splits = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace()]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    # Every text begins with [CLS] and ends with [SEP], as encoders expect.
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=marks)
    names = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": START, "sep_token": END, "mask_token": MASK}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_PIECES, **names)


def encode(tokenizer: Any, lines: Sequence[str]) -> list[list[int]]:
    """Piece numbers of each line, marks included, cut to the tokeniser's length."""
    ids: list[list[int]] = tokenizer(list(lines), truncation=True, return_attention_mask=False)["input_ids"]
    return ids
