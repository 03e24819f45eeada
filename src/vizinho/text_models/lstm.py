"""LSTM language models: words by row or by their characters, layers in one or both directions, a score per word.

With rows, one matrix serves input and output (Press & Wolf 2017). With characters and both directions it is a small
bidirectional language model (Peters et al. 2018): both directions share the encoder and the output.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from vizinho.errors import SpecError
from vizinho.text_models.words import IGNORED, Batch

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Shape of a model."""

    encoder: str = "rows"
    """"rows": one row per word for input and output; "characters": a convolution over the word's spelling."""
    two_way: bool = False
    """Read backwards too, with separate layers."""
    width: int = 128
    """D: components of a word's vector, and of each layer in each direction."""
    hidden: int = 128
    """Cells of an LSTM layer; their output is projected to D."""
    layers: int = 2
    dropout: float = 0.2
    character_width: int = 16
    filters: tuple[int, ...] = (32, 32, 64, 64)
    """Filters of the convolution that are 1, 2, 3, ... characters wide."""

    def __post_init__(self) -> None:
        if self.encoder not in ("rows", "characters"):
            raise SpecError(f"encoder is {self.encoder!r}", fix='use "rows" or "characters"')
        for name in ("width", "hidden", "layers", "character_width"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}", fix="use at least 1")
        if not 0 <= self.dropout < 1:
            raise SpecError(f"dropout is {self.dropout}", fix="use 0 to below 1")


class CharacterEncoder(nn.Module):
    """A word's vector from its characters: convolutions, maxima over places, a highway (Kim et al. 2016)."""

    def __init__(self, shape: Architecture, characters: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, shape.character_width)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(shape.character_width, filters, wide) for wide, filters in enumerate(shape.filters, 1)
        )
        features = sum(shape.filters)
        self.highway = nn.Linear(features, 2 * features)  # transform and gate in one product
        self.project = nn.Linear(features, shape.width)
        # sigmoid(-1) = .27: the gate lets the input through at the start (Srivastava et al. 2015).
        nn.init.constant_(self.highway.bias[features:], -1.0)

    def forward(self, spellings: torch.Tensor) -> torch.Tensor:
        """(U, letters) rows of characters to (U, D)."""
        letters = self.characters(spellings).transpose(1, 2)
        features = torch.cat([torch.relu(c(letters)).amax(dim=2) for c in self.convolutions], dim=1)
        new, gate = self.highway(features).chunk(2, dim=1)
        gate = torch.sigmoid(gate)
        return torch.as_tensor(self.project(gate * torch.relu(new) + (1 - gate) * features))


class WordRows(nn.Module):
    """A row and a bias per word."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        # Rows of length about 1, whatever the width, as they are input and output at once.
        self.weight = nn.Parameter(torch.randn(words, width) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(words))


class Direction(nn.Module):
    """LSTM layers that read one way. Each is projected to D; from the second on the layer below is added to it."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(shape.width, shape.hidden, batch_first=True) for _ in range(shape.layers))
        self.projections = nn.ModuleList(nn.Linear(shape.hidden, shape.width) for _ in range(shape.layers))
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, words: torch.Tensor) -> list[torch.Tensor]:
        """(B, T, D) to one (B, T, D) per layer; place t depends on places up to t only."""
        outputs: list[torch.Tensor] = []
        below = words
        for layer, project in zip(self.layers, self.projections, strict=True):
            above = project(layer(self.dropout(below))[0])
            # As in Peters et al. (2018) the residual begins at the second layer.
            below = above + below if outputs else above
            outputs.append(below)
        return outputs


class LanguageModel(nn.Module):
    """Words in; the outputs of all layers, for each place and direction, out."""

    def __init__(self, shape: Architecture, words: int, characters: int | None) -> None:
        super().__init__()
        self.shape = shape
        self.words = WordRows(words, shape.width)
        self.encoder = CharacterEncoder(shape, characters or 0) if shape.encoder == "characters" else None
        self.ahead = Direction(shape)
        self.back = Direction(shape) if shape.two_way else None
        self.dropout = nn.Dropout(shape.dropout)

    def encode(self, batch: Batch) -> torch.Tensor:
        """(B, T, D): the vector of each word without its context."""
        distinct = self.encoder(batch.distinct) if self.encoder is not None else self.words.weight[batch.distinct]
        # The gradient of an embedding is a sum of rows; that of indexing is equal and many times slower.
        return F.embedding(batch.places, distinct)  # (U, D) to (B, T, D)

    def forward(self, batch: Batch) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Layers (B, T, D) of the direction that reads forward, and of the one that reads backward (or no layers).

        At place t the first depends on words 0 to t, the second on words t to the end.
        """
        words = self.encode(batch)
        # The two directions share only the words' vectors and the output.
        ahead = self.ahead(words)
        if self.back is None:
            return ahead, []
        # Each sentence is reversed within its own length, so that padding stays at the end.
        back = self.back(turn(words, batch.lengths))
        return ahead, [turn(layer, batch.lengths) for layer in back]

    def logits(self, state: torch.Tensor) -> torch.Tensor:
        """(N, D) states to (N, V) scores of the next word."""
        return state @ self.words.weight.T + self.words.bias


def build(shape: Architecture, words: int, characters: int | None, seed: int) -> LanguageModel:
    """A freshly initialised model; the same seed gives the same weights."""
    torch.manual_seed(seed)
    return LanguageModel(shape, words, characters)


def turn(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(B, T, D) with each sentence's places reversed; padding after its end stays where it is. Its own inverse."""
    places = torch.arange(values.shape[1])[None]
    reverse = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    # gather wants an index for every component.
    return values.gather(1, reverse[:, :, None].expand(-1, -1, values.shape[2]))


def predictions(model: LanguageModel, batch: Batch) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each direction the states (N, D) that predict a word, and the rows (N,) of the words to be predicted."""
    ahead, back = model(batch)
    # After the last word comes the sentence's end; reading backward, its start comes after the first word.
    directions = [(ahead[-1][:, :-1], batch.rows[:, 1:])]
    if back:
        # The state at a padded place reads nothing yet: it must not be asked for the end itself.
        before = torch.where(batch.rows[:, 1:] == IGNORED, IGNORED, batch.rows[:, :-1])
        directions.append((back[-1][:, 1:], before))
    return [(states[rows != IGNORED], rows[rows != IGNORED]) for states, rows in directions]
