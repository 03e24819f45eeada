"""Vectors from a transformer: of words in their context, and of whole sentences. Any Hugging Face encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vizinho.errors import ModelError, TextError, first_line
from vizinho.progress import quiet_transformers
from vizinho.vectors.pieces import MAX_PIECES
from vizinho.vectors.sentence_folder import SentenceSettings, read_settings, write_settings

BATCH = 32
Matrix = npt.NDArray[np.float32]
_LONGEST = 100_000
"""Tokenisers without a limit of their own claim one above this."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A transformer in evaluation mode, its tokeniser, and how sentences are pooled."""

    model: Any
    tokenizer: Any
    settings: SentenceSettings
    layer: int = -1
    """Which states are used: 0 are the embeddings, 1 the first layer, -1 the last layer."""

    @property
    def dim(self) -> int:
        """Components of a word vector (D)."""
        return int(self.model.config.hidden_size)

    @property
    def layers(self) -> int:
        """Layers above the embeddings."""
        return int(self.model.config.num_hidden_layers)

    def at(self, layer: int) -> Encoder:
        """This encoder, read at another layer. Raises ModelError for one that it does not have."""
        if not -self.layers - 1 <= layer <= self.layers:
            raise ModelError(f"no layer {layer}", fix=f"use 0 (embeddings) to {self.layers}, or -1 for the last")
        return replace(self, layer=layer)

    def encode(self, sentences: Sequence[str]) -> Matrix:
        """Vectors (S, D) of sentences, pooled and normalised as the folder says; empty ones give zeros.

        Padding and the other sentences of a batch do not change a vector.
        """
        width = self.dim * len(self.settings.pooling)
        vectors = np.zeros((len(sentences), width), dtype=np.float32)
        texts = [s.lower() if self.settings.lower_case else s for s in sentences]
        for rows in self._rows(texts):
            encoded = self._tokenize([texts[i] for i in rows])
            states = self._states(encoded)
            pooled = pool(states, encoded["attention_mask"], self.settings.pooling)
            if self.settings.normalized:
                pooled = torch.nn.functional.normalize(pooled, dim=1)
            vectors[rows] = pooled.numpy()
        return vectors

    def words(self, sentences: Sequence[Sequence[str]]) -> list[Matrix]:
        """For each sentence (given as words) the vectors (W, D) of its words in their context.

        A word's vector is the mean of the states of all its pieces, each used once. Raises TextError for an empty word
        and for a sentence of more pieces than the encoder takes: a word without a vector would be silently wrong.
        """
        vectors: list[Matrix] = [np.zeros((0, self.dim), dtype=np.float32) for _ in sentences]
        for rows in self._rows([" ".join(words) for words in sentences]):
            encoded = self._tokenize([list(sentences[i]) for i in rows], words=True)
            states = self._states(encoded)
            for place, row in enumerate(rows):
                vectors[row] = _words_of(states[place], encoded.word_ids(place), sentences[row])
        return vectors

    @property
    def max_pieces(self) -> int:
        """Pieces of the longest text that is read; what is longer is cut."""
        limits = [
            self.settings.max_pieces,
            self.tokenizer.model_max_length,
            getattr(self.model.config, "max_position_embeddings", None),
        ]
        return min((n for n in limits if n and n < _LONGEST), default=MAX_PIECES)

    def _rows(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Batches of the texts that are not empty, like lengths together."""
        # Little padding then, and the texts come back to their places by their numbers.
        order = sorted((i for i, t in enumerate(texts) if t.strip()), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            yield order[start : start + BATCH]

    def _tokenize(self, texts: Sequence[Any], *, words: bool = False) -> Any:
        options = {} if words else {"truncation": True, "max_length": self.max_pieces}
        return self.tokenizer(list(texts), padding=True, is_split_into_words=words, return_tensors="pt", **options)

    def _states(self, encoded: Any) -> torch.Tensor:
        pieces = encoded["input_ids"].shape[1]
        if pieces > self.max_pieces:
            raise TextError(f"a sentence of {pieces} pieces, more than {self.max_pieces}", fix="give it in parts")
        inputs = {k: v for k, v in encoded.items() if k in ("input_ids", "attention_mask")}
        with torch.no_grad():
            output = self.model(**inputs, output_hidden_states=self.layer != -1)
        states = output.last_hidden_state if self.layer == -1 else output.hidden_states[self.layer]
        return torch.as_tensor(states)


def pool(states: torch.Tensor, mask: torch.Tensor, kinds: Sequence[str] = ("mean",)) -> torch.Tensor:
    """States (B, T, D) of pieces to sentences (B, D * kinds); what `mask` (B, T) leaves out counts for nothing."""
    keep = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
    total, length = (states * keep).sum(dim=1), keep.sum(dim=1).clamp(min=1)
    pooled = {
        # Padding may stand on the left: the first piece is the first that the mask keeps.
        "cls": lambda: states[torch.arange(len(states)), mask.argmax(dim=1)],
        "mean": lambda: total / length,
        "mean_sqrt_len_tokens": lambda: total / length.sqrt(),
        "max": lambda: states.masked_fill(keep == 0, -torch.inf).amax(dim=1),
    }
    return torch.cat([pooled[kind]() for kind in kinds], dim=1)


def load_encoder(source: str | Path, *, layer: int = -1) -> Encoder:
    """An encoder from a folder, or by its name on the Hugging Face hub; sentence-transformers folders as well.

    Code that comes with a model is never run. Raises ModelError when it cannot be loaded, when weights are missing, and
    for a tokeniser that cannot say which word a piece belongs to.
    """
    from transformers import AutoTokenizer

    local = Path(source).is_dir()
    settings = read_settings(Path(source)) if local else _hub_settings(str(source))
    where = str(Path(source) / settings.encoder) if local else str(source)
    options: dict[str, Any] = {"local_files_only": local}
    if not local and settings.encoder:
        options["subfolder"] = settings.encoder
    try:
        model = _load_model(where, options)
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        what, fix = f"no encoder can be loaded ({first_line(error)})", "give a folder of save_pretrained, or a hub id"
        raise ModelError(what, where=source, fix=fix) from error
    if not tokenizer.is_fast:
        fix = "save a tokenizer.json with it"
        raise ModelError("its tokeniser does not map pieces to words", where=source, fix=fix)
    return Encoder(model.float().eval(), tokenizer, settings).at(layer)


def save_encoder(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write an encoder with its tokeniser so that transformers and sentence-transformers can load it."""
    folder.mkdir(parents=True, exist_ok=True)
    quiet_transformers()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_settings(folder, int(model.config.hidden_size), tokenizer.model_max_length)


def _load_model(where: str, options: dict[str, Any]) -> Any:
    from transformers import AutoModel

    quiet_transformers()
    common = {"output_loading_info": True, "trust_remote_code": False, **options}
    try:  # a pooler that the file may lack is not needed
        model, info = AutoModel.from_pretrained(where, add_pooling_layer=False, **common)
    except TypeError:
        model, info = AutoModel.from_pretrained(where, **common)
    missing = [str(key) for key in info.get("missing_keys") or [] if "pooler" not in str(key)]
    if missing:
        raise ValueError(f"{len(missing)} weights are missing, such as {missing[0]}")
    return model


def _hub_settings(name: str) -> SentenceSettings:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["modules.json", "*sentence_bert_config.json", "*_Pooling/config.json"]
    try:
        return read_settings(Path(snapshot_download(name, allow_patterns=patterns)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError("no such folder, and not to be had from the hub", where=name, fix="check the name") from error


def _words_of(states: torch.Tensor, word_ids: Sequence[int | None], words: Sequence[str]) -> Matrix:
    total = torch.zeros(len(words), states.shape[1])  # (W, D)
    count = torch.zeros(len(words), 1)
    for place, word in enumerate(word_ids):
        if word is not None:  # marks such as [CLS] belong to no word
            total[word] += states[place]
            count[word] += 1
    lacking = next((w for w, n in zip(words, count[:, 0].tolist(), strict=True) if n == 0), None)
    if lacking is not None:
        raise TextError(f"{lacking!r} has no piece", where="word vectors", fix="give words that are not blank")
    return np.asarray((total / count).numpy(), dtype=np.float32)
