"""Whisper with its decoder (Radford et al. 2022, arXiv 2212.04356): prompts, languages and greedy decoding.

Weights, names and files stay those of WhisperForConditionalGeneration, and its own `generate` works on what is saved.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from vizinho.errors import ModelError, SpecError
from vizinho.model.whisper_silence import pool_silence
from vizinho.text.language import Language

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS_PER_SECOND, TOKENS_AT_LEAST = 20, 16
"""Nobody speaks more tokens: what goes on after so many is a loop."""
TOKEN_PARAMETERS = ("model.decoder.embed_tokens.weight", "proj_out.weight")
"""Parameters with a row per token; the two are one tensor in most checkpoints."""
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_OTHER_CODES = {"jv": "jw", "fil": "tl"}
"""Codes that Whisper has in a form of its own."""


# Languages and prompts.


def language_token(language: str) -> str:
    """Whisper's token of a language, such as <|pt|>; of a regional tag that of its language."""
    base = Language.of(language).base
    return f"<|{_OTHER_CODES.get(base, base)}|>"


def languages_of(tokens: Iterable[str]) -> list[str]:
    """Codes of the languages that a vocabulary has tokens for."""
    return [match.group(1) for token in tokens if (match := _LANGUAGE.fullmatch(token))]


def language_of(model: PreTrainedModel) -> str | None:
    """The language that a network was set to write, as its generation settings say."""
    language = getattr(model.generation_config, "language", None)
    if not isinstance(language, str):
        return None
    code = language.strip("<|>").lower()
    return str(TO_LANGUAGE_CODE.get(code, code))  # fine-tuning scripts write "portuguese"


def prompt_of(model: PreTrainedModel, language: str | None = None) -> list[int]:
    """Rows that the decoder begins with: start, language, task, no timestamps. English-only models have no language.

    Raises SpecError for a language without a token, ModelError for a multilingual network whose language nobody names.
    """
    settings = model.generation_config
    languages = getattr(settings, "lang_to_id", None) or {}
    prompt = [int(model.config.decoder_start_token_id)]
    if languages:
        language = language or language_of(model)
        if language is None:
            raise ModelError("nobody says which language to write", fix="give --lang")
        if language_token(language) not in languages:
            known = ", ".join(languages_of(languages))
            raise SpecError(f"the model has no language {language!r}", where="--lang", fix=f"it has {known}")
        prompt += [languages[language_token(language)], settings.task_to_id["transcribe"]]
    return [*prompt, int(settings.no_timestamps_token_id)]


def extended(
    donor: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, language: str, spelt: Collection[int], seed: int
) -> PreTrainedModel:
    """A fresh network of the donor's shape that writes `language`, with a row for each token of `tokenizer`.

    `spelt` are the rows that the target's texts need: Whisper never writes some of them (single quotes and dashes that
    begin a word), and they must not stay suppressed in a language that spells with them.
    """
    config = type(donor.config).from_dict(donor.config.to_dict())
    config.vocab_size = max(len(tokenizer), donor.config.vocab_size)
    torch.manual_seed(seed)
    network = type(donor)(config).eval()
    pool_silence(network)
    settings = copy.deepcopy(donor.generation_config)
    token = language_token(language)
    if getattr(settings, "lang_to_id", None):
        row = int(tokenizer.convert_tokens_to_ids(token))
        # The second key lets the official `generate` take a code that its own list of languages lacks.
        settings.lang_to_id = {**settings.lang_to_id, token: row, **_code_of(token, settings.lang_to_id, row)}
        settings.language, settings.task = token, "transcribe"
        never = {int(n) for n in settings.suppress_tokens or ()} | {row}
        settings.suppress_tokens = sorted(never - set(spelt))
    settings.forced_decoder_ids = None
    network.generation_config = settings
    return network


def _code_of(token: str, known: Any, row: int) -> dict[str, int]:
    return {} if token in known else {token.strip("<|>"): row}


def completed(tokenizer: PreTrainedTokenizerBase, rows: int) -> PreTrainedTokenizerBase:
    """A copy of the tokeniser that names all of a network's rows.

    The last ones are the times <|0.00|>, <|0.02|>, ...; many saved tokenisers leave them out, and a token that is added
    to those would take the row of a time.
    """
    tokenizer = copy.deepcopy(tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    times = [f"<|{number * 0.02:.2f}|>" for number in range(rows - len(tokenizer))]
    tokenizer.add_tokens(times, special_tokens=True)
    return tokenizer


# Decoding.


@dataclass(frozen=True, slots=True)
class Written:
    """What greedy decoding wrote of one window: rows of tokens, the end left out, and the probability of each."""

    rows: tuple[int, ...]
    probabilities: tuple[float, ...]


@torch.inference_mode()
def write(model: PreTrainedModel, features: torch.Tensor, prompt: Sequence[int], most: Sequence[int]) -> list[Written]:
    """Greedy decoding of log-mel windows (B, T, F); at most `most` tokens of each."""
    count, end = features.shape[0], int(model.config.eos_token_id)
    hidden = model.model.encoder(features.transpose(1, 2)).last_hidden_state
    never, never_first = _suppressed(model, hidden.device)
    inputs = torch.tensor(prompt, device=hidden.device).expand(count, -1)
    rows: list[list[int]] = [[] for _ in range(count)]
    probabilities: list[list[float]] = [[] for _ in range(count)]
    going, past = set(range(count)), None
    for step in range(max(most, default=0)):
        output = model.model.decoder(
            input_ids=inputs, encoder_hidden_states=hidden, past_key_values=past, use_cache=True
        )
        past = output.past_key_values
        logits = model.proj_out(output.last_hidden_state[:, -1]).float()  # (B, V)
        logits += never_first if step == 0 else never
        best, chosen = logits.log_softmax(dim=-1).max(dim=-1)
        for i in list(going):
            if int(chosen[i]) == end or step >= most[i]:
                going.discard(i)
                continue
            rows[i].append(int(chosen[i]))
            probabilities[i].append(float(best[i].exp()))
        if not going:
            break
        inputs = chosen[:, None]  # finished windows go on unread, as leaving a batch costs more than it saves
    return [Written(tuple(r), tuple(p)) for r, p in zip(rows, probabilities, strict=True)]


def _suppressed(model: PreTrainedModel, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Two vectors (V,), -inf for what is never written, and for what is not written first."""
    settings = model.generation_config
    never = torch.zeros(model.config.vocab_size, device=device)
    never[list(settings.suppress_tokens or ())] = float("-inf")
    # Times: the prompt asks for none, and all rows after <|notimestamps|> are times or added languages.
    never[int(settings.no_timestamps_token_id) + 1 :] = float("-inf")
    first = never.clone()
    first[list(settings.begin_suppress_tokens or ())] = float("-inf")
    return never, first


def most_tokens(model: PreTrainedModel, seconds: float) -> int:
    """How many tokens speech of this length may have."""
    room = int(model.config.max_target_positions) - 5  # the prompt's rows and the end
    return int(min(room, TOKENS_AT_LEAST + TOKENS_PER_SECOND * seconds))


def written_rows(tokenizer: Any, text: str) -> list[int]:
    """Rows of a text as it is written, with case and punctuation; Whisper's texts begin with a space."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    rows: list[int] = tokenizer(f" {text}", add_special_tokens=False)["input_ids"] if text else []
    return rows
