"""Whisper in torch, as the training loop scores it and as it is recognised where CTranslate2 is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.audio.logmel import at_least_minimum
from vizinho.recognition.one_text import OneText
from vizinho.records import Word

if TYPE_CHECKING:
    from vizinho.model.networks import Checkpoint
    from vizinho.model.whisper import Written


class TorchWhisper(OneText):
    """A `WordsEngine` that writes with the weights of the moment, greedily.

    Times are shares of the waveform by letters, since nothing here aligns words to the sound (CTranslate2 does).
    """

    engine_name = "Whisper in torch"
    way_out = "use --engine onnx with CTranslate2: pip install 'vizinho[whisper]'"

    def __init__(
        self, checkpoint: Checkpoint, language: str | None = None, precision: str = "no", *, pooled: bool = False
    ) -> None:
        """`pooled` computes the silence after the speech at a few places, for dev scores while a network is trained."""
        self._checkpoint, self._language, self._precision = checkpoint, language, precision
        front = checkpoint.front
        self._front = front if pooled else replace(front, windows=front.windows[-1:])
        self.max_seconds = front.max_seconds

    def words(self, waveforms: Sequence[Waveform]) -> list[list[Word]]:
        """See WordsEngine."""
        front = self._front
        waveforms = [at_least_minimum(samples) for samples in waveforms]
        by_window: dict[int, list[int]] = {}
        # The window is a part of what the network hears: neighbours in a batch must not change it.
        for number, samples in enumerate(waveforms):
            by_window.setdefault(front.window_samples(samples.size), []).append(number)
        words: list[list[Word]] = [[] for _ in waveforms]
        for numbers in by_window.values():
            written = self._write([waveforms[n] for n in numbers])
            for number, text in zip(numbers, written, strict=True):
                words[number] = _words(self._checkpoint.tokenizer, text, waveforms[number].size / SAMPLE_RATE)
        return words

    def _write(self, waveforms: Sequence[Waveform]) -> list[Written]:
        import torch

        from vizinho.model.whisper import most_tokens, prompt_of, write

        model = self._checkpoint.model
        features = self._front.extract(waveforms).features.to(model.device)
        most = [most_tokens(model, samples.size / SAMPLE_RATE) for samples in waveforms]
        with torch.autocast(model.device.type, torch.bfloat16, enabled=self._precision == "bf16"):
            return write(model, features, prompt_of(model, self._language), most)


def _words(tokenizer: Any, written: Written, seconds: float) -> list[Word]:
    """Words between spaces, each with the mean probability of the tokens that it ends or goes through."""
    # A token may be half a letter, so only the text up to each token says in which word the token is.
    words_so_far = [len(tokenizer.decode(written.rows[: n + 1]).split()) for n in range(len(written.rows))]
    texts = tokenizer.decode(written.rows).split()
    ends = list(accumulate(len(text) for text in texts))
    words = []
    for number, (text, end) in enumerate(zip(texts, ends, strict=True), start=1):
        own = [p for p, count in zip(written.probabilities, words_so_far, strict=True) if count == number]
        start_seconds, end_seconds = ((end - len(text)) / ends[-1] * seconds, end / ends[-1] * seconds)
        words.append(Word(text, start_seconds, end_seconds, sum(own) / len(own) if own else 0.0))
    return words
