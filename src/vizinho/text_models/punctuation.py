"""A tagger that says after which word a mark stands and which words have a capital: a transformer over words.

Words are read by their characters, so that a tagger moves to another language by its letters.

    config.json         shape, characters, the normaliser of the words
    model.safetensors   weights
    card.json           texts, options, scores, the donor
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from vizinho.errors import ModelError, TextError, VizinhoError
from vizinho.files import write_json
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text_models.lstm import Architecture, CharacterEncoder
from vizinho.text_models.lstm_folder import load_weights, read_json
from vizinho.text_models.texts import lines_of, no_words
from vizinho.text_models.words import TokenList, spelling
from vizinho.training.options import from_dict

MARKS = ("", ",", ".", "?")
"""What may stand after a word; a colon and a semicolon count as a comma, an exclamation as a full stop."""
CASES = ("lower", "capital", "upper")
WINDOW = 48
"""Words that are read together."""
OVERLAP = 12
"""Words at either side of a window that another window knows more about."""
FORMAT = "vizinho punctuation"
PAUSE_SECONDS = 0.8
PAUSE_NATS = 2.0
"""What a pause of PAUSE_SECONDS adds to the marks that end a sentence; half of it is taken off where there is none."""
_NEAR = 5  # words
_FIX = "give a folder written by `vizinho lm train --kind punctuation`"
_SIGNS = {",": 1, ";": 1, ":": 1, ".": 2, "!": 2, "…": 2, "?": 3, "。": 2, "،": 1, "؟": 3, "।": 2}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A word as a recogniser writes it, with the mark after it (row of MARKS) and its capitals (row of CASES)."""

    word: str
    mark: int = 0
    case: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """Shape of a tagger."""

    words: Architecture
    layers: int = 3
    heads: int = 4


SHAPE = Shape(Architecture("characters", width=128, dropout=0.1))


class Tagger(nn.Module):
    """Words (B, T) in; scores of their marks (B, T, 4) and capitals (B, T, 3) out."""

    def __init__(self, shape: Shape, characters: int) -> None:
        super().__init__()
        from transformers import BertConfig
        from transformers.models.bert.modeling_bert import BertModel

        self.shape = shape
        self.encoder = CharacterEncoder(shape.words, characters)
        width = shape.words.width
        config = BertConfig(
            vocab_size=1,
            hidden_size=width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * width,
            max_position_embeddings=WINDOW,
            type_vocab_size=1,
            pad_token_id=0,
            hidden_dropout_prob=shape.words.dropout,
        )
        self.context = BertModel(config, add_pooling_layer=False)
        # Neighbours are mixed before the first layer: attention alone takes thousands of steps to learn their order.
        self.near = nn.Conv1d(width, width, _NEAR, padding=_NEAR // 2)
        self.marks = nn.Linear(width, len(MARKS))
        self.cases = nn.Linear(width, len(CASES))

    def forward(self, batch: Words) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of marks (B, T, 4) and of capitals (B, T, 3)."""
        vectors = F.embedding(batch.places, self.encoder(batch.distinct))
        # Padding must not reach the words beside it.
        inside = vectors * batch.mask[:, :, None]
        vectors = vectors + torch.relu(self.near(inside.transpose(1, 2))).transpose(1, 2)
        states = self.context(inputs_embeds=vectors, attention_mask=batch.mask).last_hidden_state
        return self.marks(states), self.cases(states)


@dataclass(frozen=True, slots=True)
class Words:
    """B windows of T words; each distinct word is encoded once."""

    distinct: torch.Tensor
    """(U, letters) rows of the character list."""
    places: torch.Tensor
    """(B, T): index of the distinct word."""
    mask: torch.Tensor
    """(B, T): 1 at words, 0 after a window's end."""


def words_batch(windows: Sequence[Sequence[str]], characters: TokenList) -> Words:
    """Windows of words, padded to the longest."""
    longest = max(map(len, windows))
    seen: dict[str, int] = {}
    places = torch.zeros((len(windows), longest), dtype=torch.long)
    mask = torch.zeros_like(places)
    for row, window in enumerate(windows):
        places[row, : len(window)] = torch.tensor([seen.setdefault(word, len(seen)) for word in window])
        mask[row, : len(window)] = 1
    return Words(torch.tensor([spelling(word, characters) for word in seen]), places, mask)


@dataclass(frozen=True, slots=True)
class Punctuation:
    """A tagger with what it needs to read words."""

    tagger: Tagger
    characters: TokenList
    normalizer: Normalizer

    def label(self, words: Sequence[str], pauses: Sequence[float] | None = None) -> list[Labelled]:
        """Words with marks and capitals; `pauses` are the seconds after each word, where they are known.

        The last word ends a sentence, and a sentence begins with a capital.
        """
        if not words:
            return []
        marks, cases = self._scores(words)
        if pauses is not None:
            ends = torch.tensor([PAUSE_NATS if pause >= PAUSE_SECONDS else -PAUSE_NATS / 2 for pause in pauses])
            marks[:, 2:] += ends[:, None]
        # Nothing but the end of a sentence can stand at the end.
        marks[-1, :2] = -torch.inf
        labels = []
        begins = True
        for word, mark, case in zip(words, marks.argmax(1).tolist(), cases.argmax(1).tolist(), strict=True):
            labels.append(Labelled(word, mark, max(case, 1) if begins else case))
            begins = mark >= 2
        return labels

    def texts(self, words: Sequence[str], pauses: Sequence[float] | None = None) -> list[str]:
        """Words with marks and capitals, as `label` finds them."""
        return [written(labelled) for labelled in self.label(words, pauses)]

    def _scores(self, words: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (N, 4) and (N, 3); where windows overlap, each gives the words that it knows most about."""
        starts = range(0, max(1, len(words) - 2 * OVERLAP), WINDOW - 2 * OVERLAP)
        marks, cases = torch.zeros(len(words), len(MARKS)), torch.zeros(len(words), len(CASES))
        with torch.inference_mode():
            for start in starts:
                window = [word.lower() for word in words[start : start + WINDOW]]
                of_marks, of_cases = self.tagger(words_batch([window], self.characters))
                first = OVERLAP if start else 0
                end = start + len(window)
                marks[start + first : end] = of_marks[0, first:].log_softmax(1)
                cases[start + first : end] = of_cases[0, first:].log_softmax(1)
        return marks, cases


def written(labelled: Labelled) -> str:
    """A word with its capitals and its mark."""
    word = labelled.word
    if CASES[labelled.case] == "capital":
        word = word[:1].upper() + word[1:]
    elif CASES[labelled.case] == "upper":
        word = word.upper()
    return word + MARKS[labelled.mark]


def read_labels(line: str, normalize: Normalizer) -> Iterator[Labelled]:
    """Words of a line of text as a recogniser writes them, with its marks and capitals. Raises TextError as it does.

    A line is a sentence: it ends with a full stop where it has no mark.
    """
    words: list[Labelled] = []
    for token in line.split():
        inside = token.strip("".join(c for c in token if unicodedata.category(c)[0] in "PS"))
        signs = token[token.rfind(inside) + len(inside) :] if inside else token
        mark = next((_SIGNS[c] for c in signs if c in _SIGNS), 0)
        parts = normalize(inside).split()
        if not parts:  # a mark by itself belongs to the word before it
            if words and mark:
                words[-1] = Labelled(words[-1].word, mark, words[-1].case)
            continue
        case = 0
        if inside[:1].isupper():
            case = 2 if len(inside) > 1 and inside.isupper() else 1
        words += [Labelled(part, 0, case if case == 2 or not number else 0) for number, part in enumerate(parts)]
        words[-1] = Labelled(words[-1].word, mark, words[-1].case)
    if words and words[-1].mark < 2:
        words[-1] = Labelled(words[-1].word, 2, words[-1].case)
    yield from words


def save_punctuation(folder: Path, punctuation: Punctuation, card: dict[str, Any]) -> None:
    """Write the folder; config.json comes last, so that a folder without it is incomplete."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().contiguous() for name, tensor in punctuation.tagger.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "card.json", card)
    write_json(
        folder / "config.json",
        {
            "format": FORMAT,
            "version": 1,
            **punctuation.normalizer.recorded(),
            "shape": asdict(punctuation.tagger.shape),
            "characters": list(punctuation.characters.tokens),
        },
    )


def is_punctuation(folder: Path) -> bool:
    """Whether a folder holds a tagger of punctuation."""
    path = folder / "config.json"
    return path.is_file() and read_json(path).get("format") == FORMAT


def load_punctuation(folder: Path) -> Punctuation:
    """Read a tagger in evaluation mode. Raises ModelError naming what is missing or does not fit."""
    if not folder.is_dir():
        raise ModelError("no such folder", where=folder, fix=_FIX)
    config = read_json(folder / "config.json")
    if config.get("format") != FORMAT:
        raise ModelError("the folder holds no tagger of punctuation that vizinho wrote", where=folder, fix=_FIX)
    try:
        values = config["shape"]
        words = from_dict(Architecture, values["words"], where="shape")
        shape = Shape(words, int(values["layers"]), int(values["heads"]))
        characters = TokenList(tuple(config["characters"]))
        normalizer = get_normalizer(config["normalizer"], config.get("orthography"))
    except (KeyError, TypeError, ValueError, VizinhoError) as error:
        raise ModelError(f"does not describe a tagger ({error})", where=folder / "config.json", fix=_FIX) from error
    tagger = Tagger(shape, len(characters))
    load_weights(tagger, folder / "model.safetensors")
    return Punctuation(tagger.eval(), characters, normalizer)


def labels_of(paths: Sequence[Path], normalize: Normalizer) -> tuple[list[list[Labelled]], tuple[str, ...]]:
    """Labelled words of each line that has some, and a note on each line that could not be normalised.

    Raises TextError for a missing file, one that is not UTF-8, and where no line has a word.
    """
    lines: list[list[Labelled]] = []
    skipped = []
    for path in paths:
        for number, text in enumerate(lines_of(path), 1):
            try:
                lines.append(list(read_labels(text, normalize)))
            except TextError as error:
                skipped.append(f"{path}:{number}: {error.what}")
    if not any(lines):
        raise no_words(paths)
    return [line for line in lines if line], tuple(skipped)
