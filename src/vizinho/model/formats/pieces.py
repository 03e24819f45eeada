"""SentencePiece models as Hugging Face tokenisers, with CTC's blank after the pieces, as NeMo has it."""

from __future__ import annotations

from collections.abc import Sequence

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import ParakeetTokenizer

from vizinho.text.tokens import PIECE_SPACE, SPACE, letters_model

BLANK = "<blank>"


def piece_tokenizer(content: bytes) -> ParakeetTokenizer:
    """A ParakeetTokenizer of a SentencePiece model (Kudo and Richardson 2018, arXiv 1808.06226).

    Raises whatever the libraries raise for content that is no such model.
    """
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto.FromString(content)
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    unknown = sentencepiece.SentencePieceProcessor(model_proto=content).unk_id()
    ranked = [*pieces, (BLANK, -1e9)]
    if proto.trainer_spec.model_type == proto.trainer_spec.UNIGRAM:
        tokenizer = Tokenizer(models.Unigram(ranked, unk_id=unknown))
    else:
        rows = {piece: row for row, (piece, _) in enumerate(ranked)}
        tokenizer = Tokenizer(models.BPE(rows, _merges(pieces), unk_token=pieces[unknown][0], fuse_unk=True))
    # SentencePiece's default rule (nmt_nfkc): compatibility forms, and runs of spaces become one.
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=PIECE_SPACE)
    tokenizer.decoder = decoders.Metaspace(replacement=PIECE_SPACE)
    return ParakeetTokenizer(tokenizer_object=tokenizer, pad_token=BLANK, unk_token=pieces[unknown][0])


def _merges(pieces: Sequence[tuple[str, float]]) -> list[tuple[str, str]]:
    """Pairs in the order in which they were learnt: scores of BPE pieces are minus their rank.

    A model lists pieces, not the pairs they were merged from, so every split into two known pieces is taken.
    """
    known = {piece for piece, _ in pieces}
    merges = [
        (score, piece[:cut], piece[cut:])
        for piece, score in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]
    return [(left, right) for _, left, right in sorted(merges, key=lambda item: -item[0])]


def label_tokenizer(labels: Sequence[str]) -> ParakeetTokenizer:
    """A ParakeetTokenizer of NeMo's character labels, the blank after them."""
    tokens = [*(SPACE if label == " " else label for label in labels), BLANK]
    return ParakeetTokenizer(tokenizer_object=letters_model(tokens, BLANK), pad_token=BLANK)
