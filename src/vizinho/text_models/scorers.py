"""Language models that put hypotheses in order: this package's, and any causal or masked one of Hugging Face's kind."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from vizinho.decoding.rescore import Scorer
from vizinho.errors import ModelError, first_line
from vizinho.text_models.lstm_scores import NeuralScorer

CAUSAL, MASKED = ("ForCausalLM", "LMHeadModel"), ("ForMaskedLM",)
"""How the names of the classes end that predict the next token, or a hidden one."""
_SENTENCES = 16
"""Sentences, or copies of one with a hidden token, that are computed at once."""
_FIX = "give a folder of `vizinho lm train --kind lstm`, or of a causal or masked model with its tokenizer"


def load_scorer(folder: Path) -> Scorer:
    """The scorer of a folder. Raises ModelError for one without a language model, naming what is missing."""
    kind = _class_of(folder)
    if not kind:
        return NeuralScorer.load(folder)
    if kind.endswith(CAUSAL):
        return CausalScorer(*_loaded(folder, "AutoModelForCausalLM"))
    if kind.endswith(MASKED):
        return MaskedScorer(*_loaded(folder, "AutoModelForMaskedLM"), folder)
    raise ModelError(f"{kind} predicts no text", where=folder, fix=_FIX)


def _class_of(folder: Path) -> str:
    """The class that a configuration names; empty for this package's own, which name none."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"no configuration can be read ({error})", where=folder, fix=_FIX) from error
    names = values.get("architectures") if isinstance(values, dict) else None
    return str(names[0]) if isinstance(names, list) and names else ""


def _loaded(folder: Path, loader: str) -> tuple[Any, Any]:
    """Model in evaluation mode and tokenizer, from the folder alone."""
    import transformers

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = getattr(transformers, loader).from_pretrained(folder, local_files_only=True)
    # Each kind of fault has an exception of its own, from several libraries.
    except Exception as error:
        raise ModelError(f"cannot be loaded ({first_line(error)})", where=folder, fix=_FIX) from error
    return model.eval(), tokenizer


class CausalScorer:
    """Sums of the log-probabilities of each token after those before it, the sentence's end included."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        end = tokenizer.eos_token_id
        # Models without a token for the beginning were trained on texts that the end of another text precedes.
        self._begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else end
        self._end = [] if end is None else [end]

    def score(self, sentences: Sequence[str]) -> list[float]:
        """See Scorer. Without a token for the beginning, the first token of a sentence is not counted."""
        begin = [] if self._begin is None else [self._begin]
        rows = [[*begin, *_pieces(self._tokenizer, sentence), *self._end] for sentence in sentences]
        scores = []
        for chosen in _groups(rows):
            tokens, mask = _padded(chosen)
            with torch.inference_mode():
                logits = self._model(input_ids=tokens, attention_mask=mask).logits[:, :-1]
            # Position t predicts token t + 1; (B, T - 1).
            log_probs = -F.cross_entropy(logits.transpose(1, 2).float(), tokens[:, 1:], reduction="none")
            scores += (log_probs.double() * mask[:, 1:]).sum(dim=1).tolist()
        return scores


class MaskedScorer:
    """Pseudo-log-likelihoods: each token hidden in turn (Salazar et al. 2020, arXiv 1910.14659).

    A token is predicted from both sides; a sentence costs as many passes as it has tokens.
    """

    def __init__(self, model: Any, tokenizer: Any, folder: Path) -> None:
        if tokenizer.mask_token_id is None:
            raise ModelError("its tokenizer has no token for what is hidden", where=folder, fix=_FIX)
        self._model, self._tokenizer = model, tokenizer

    def score(self, sentences: Sequence[str]) -> list[float]:
        """See Scorer. A masked model has no end of its own: the empty sentence has log-probability 0."""
        return [self._score(sentence) for sentence in sentences]

    def _score(self, sentence: str) -> float:
        encoded = self._tokenizer(sentence, return_special_tokens_mask=True)
        tokens, total = encoded["input_ids"], 0.0
        # What the tokenizer puts around the sentence is seen, not predicted.
        places = [place for place, special in enumerate(encoded["special_tokens_mask"]) if not special]
        for begin in range(0, len(places), _SENTENCES):
            chosen = places[begin : begin + _SENTENCES]
            copies = torch.tensor([tokens] * len(chosen))
            rows, columns = torch.arange(len(chosen)), torch.tensor(chosen)
            hidden = copies[rows, columns]
            copies[rows, columns] = self._tokenizer.mask_token_id
            with torch.inference_mode():
                logits = self._model(input_ids=copies, attention_mask=torch.ones_like(copies)).logits
            total -= float(F.cross_entropy(logits[rows, columns].float(), hidden, reduction="sum"))
        return total


def _pieces(tokenizer: Any, sentence: str) -> list[int]:
    return list(tokenizer(sentence, add_special_tokens=False)["input_ids"])


def _groups(rows: Sequence[list[int]]) -> Iterator[Sequence[list[int]]]:
    return (rows[first : first + _SENTENCES] for first in range(0, len(rows), _SENTENCES))


def _padded(rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (B, T) and what of them is real. A causal model does not see padding at the end."""
    length = max(2, *map(len, rows))  # of a single token nothing is predicted
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[number, : len(row)] = 1
    return tokens, mask
