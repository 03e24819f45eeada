"""Encoder-decoder networks of Whisper's kind at work in CTranslate2: waveforms in, words out, without torch.

Audio is padded with silence to 30 s, as the networks were trained. A text that repeats itself is drafted again at
higher temperatures; `whisper_guards` says when.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.audio.logmel import Features
from vizinho.audio.whisper_mel import FRAMES_PER_SECOND, WhisperMel
from vizinho.decoding.nbest import Candidate, Choose
from vizinho.errors import ModelError, SpecError, first_line
from vizinho.parallel import usable_cores
from vizinho.recognition.graphs import open_session
from vizinho.recognition.vad import WINDOW_SAMPLES, SpeechProbability
from vizinho.recognition.whisper_encoder import Encoded, PooledEncoder
from vizinho.recognition.whisper_export import ENCODER, ENCODER_RATE, FORMAT, KIND
from vizinho.recognition.whisper_guards import Draft, Guards, best, fault, is_silence
from vizinho.recognition.whisper_text import WhisperTokens, timed
from vizinho.records import Word

_BATCH = 4
"""Windows that are encoded at a time; bounds memory."""
_KEYS = ("precision", "bands", "positions", "seconds", "languages", "language", "silence")
_FILES = ("model.bin", "config.json", "vocabulary.json")
_RANDOM = threading.Lock()
"""The seed of CTranslate2's draws belongs to the process."""


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """How texts are searched and checked."""

    beam_size: int = 5
    """Texts that a search follows at a time; 1 is greedy. Whisper base on 47 Portuguese words: CER .302 (int8 .328),
    greedy .335 (.347); on 9 read paragraphs .036 (.040), greedy .037 (.041)."""
    temperatures: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    """Tried in this order while the text has a fault; none to keep the first draft as it is."""
    samples: int = 5
    """Texts drawn at each of these temperatures; the likeliest counts."""
    pooled: bool = True
    """Compute the silence after the speech at a few places, as in training: see `whisper_encoder`."""
    hotwords: tuple[str, ...] = ()
    """Words to expect: the network reads them as if they had been said before."""
    guards: Guards = field(default_factory=Guards)

    def __post_init__(self) -> None:
        if min(self.beam_size, self.samples) < 1:
            raise SpecError("beam_size and samples must be at least 1", where="whisper")


class CTranslate2Engine:
    """A Whisper model in CTranslate2.

    Several threads may call `words` at once. What a waveform gives depends on it alone, not on the others of its batch
    or on earlier calls.
    """

    def __init__(self, folder: Path, threads: int, language: str | None, options: WhisperOptions) -> None:
        settings = _settings(folder)
        self.options = options
        self._tokens = WhisperTokens.load(folder, settings["languages"])
        self._language = self._language_row(language or settings["language"])
        self._mel = WhisperMel(settings["bands"])
        self.max_seconds: float = settings["seconds"]
        """Longest audio that the network has positions for."""
        # Half of the positions are for the text, as many as Whisper has for 30 s.
        self._most_tokens = settings["positions"] // 2
        self._hint = self._tokens.hint(options.hotwords, self._most_tokens - 8)
        self._choose: Choose | None = None
        self._count = 1
        self._threads, self._precision = min(threads, usable_cores()), settings["precision"]
        self._network = self._open(str(folder))
        self._encoder = self._pooled(folder, settings)
        # Open files can be read when the folder is gone, as one is that was made for this process alone.
        self._files = {name: (folder / name).open("rb") for name in _FILES}

    @classmethod
    def load(
        cls,
        folder: Path,
        threads: int = 1,
        *,
        language: str | None = None,
        compute_type: str = "int8",
        options: WhisperOptions | None = None,
    ) -> CTranslate2Engine:
        """Open a folder of WhisperForConditionalGeneration, or one that `whisper_export` wrote.

        Args:
            folder: The model. It is converted on its first use (seconds), and the conversion is kept beside the store.
            threads: Threads of each call.
            language: Code of the language that is spoken; without one, that of generation_config.json; without any,
                the likeliest for each waveform.
            compute_type: CTranslate2's name for the numbers to compute with, "int8" or "float32".
            options: How texts are searched and checked.

        Raises ModelError for a broken folder, SpecError for a language that the model has no token for, and
        ModuleNotFoundError without CTranslate2.
        """
        import ctranslate2  # noqa: F401 -- before a process tries to convert without it

        options = options or WhisperOptions()
        if (folder / "vizinho.json").is_file():
            return cls(folder, threads, language, options)
        from vizinho.recognition.cache import stored

        return stored(
            folder,
            "vizinho.recognition.whisper_export",
            compute_type,
            lambda place: cls(place, threads, language, options),
        )

    def words(self, waveforms: Sequence[Waveform]) -> list[list[Word]]:
        """Words of 16 kHz waveforms, each (N,), of at most `max_seconds`.

        Text is as the model writes it, with case and punctuation; times count from the waveform's beginning.
        """
        words: list[list[Word]] = [[] for _ in waveforms]
        for numbers in self._batches(waveforms):
            for number, of_one in zip(numbers, self._words([waveforms[i] for i in numbers]), strict=True):
                words[number] = of_one
        return words

    def expecting(self, hotwords: Sequence[str]) -> CTranslate2Engine:
        """This network where these words are likely; both may be used at once."""
        engine = copy.copy(self)
        engine._hint = self._tokens.hint(hotwords, self._most_tokens - 8)
        return engine

    def choosing(self, choose: Choose, count: int) -> CTranslate2Engine:
        """This network where `choose` takes one of `count` texts of a piece; both may be used at once."""
        engine = copy.copy(self)
        engine._choose, engine._count = choose, count
        return engine

    def candidates(self, waveforms: Sequence[Waveform], count: int) -> list[list[Candidate]]:
        """Texts of each 16 kHz waveform (N,), at most `count`; none where nobody speaks.

        The first has the highest mean log-probability of a token, by which Whisper's beam search chooses.
        """
        texts: list[list[Candidate]] = [[] for _ in waveforms]
        for numbers in self._batches(waveforms):
            seconds, _, encoded = self._encoded([waveforms[i] for i in numbers])
            for number, drafts in zip(
                numbers, self._drafts(encoded, self._languages(encoded), seconds, count), strict=True
            ):
                texts[number] = _candidates(self._sound(drafts))
        return texts

    def _batches(self, waveforms: Sequence[Waveform]) -> Iterator[list[int]]:
        """Numbers of the waveforms in which somebody speaks, in batches, the shortest first."""
        numbers = sorted(range(len(waveforms)), key=lambda i: waveforms[i].size)
        numbers = [i for i in numbers if self._has_speech(waveforms[i])]
        yield from (numbers[first : first + _BATCH] for first in range(0, len(numbers), _BATCH))

    def _has_speech(self, samples: Waveform) -> bool:
        assert samples.size <= self.max_seconds * SAMPLE_RATE, "the recogniser cuts audio to what its engine takes"
        least = self.options.guards.least_speech
        if least is None or not samples.size:
            return bool(samples.size)
        # With a window of silence after it the last window is full.
        return bool(SpeechProbability().feed(np.pad(samples, (0, WINDOW_SAMPLES))).max() >= least)

    def _words(self, waveforms: Sequence[Waveform]) -> list[list[Word]]:
        """Words of a batch."""
        seconds, features, encoded = self._encoded(waveforms)
        languages = self._languages(encoded)
        drafts = [self._chosen(of_one) for of_one in self._drafts(encoded, languages, seconds, self._count)]
        for i, draft in enumerate(drafts):
            drafts[i] = self._settled(draft, encoded[i : i + 1], languages[i], seconds[i])
        words: list[list[Word]] = [[] for _ in drafts]
        # One call aligns texts that begin with equal tokens.
        for language in sorted(set(languages)):
            numbers = [i for i, draft in enumerate(drafts) if draft.tokens and languages[i] == language]
            for i, alignment in zip(numbers, self._aligned(encoded, language, numbers, drafts, seconds), strict=True):
                spans = list(self._tokens.spans(drafts[i].tokens))
                probabilities = alignment.text_token_probs
                words[i] = timed(spans, alignment.alignments, probabilities, features[i], seconds[i])
        return words

    def _encoded(self, waveforms: Sequence[Waveform]) -> tuple[list[float], list[Features], Encoded]:
        """Lengths (seconds), features (F, T) and encodings (B, T', D) of a batch."""
        seconds = [samples.size / SAMPLE_RATE for samples in waveforms]
        features = [self._mel(samples, self.max_seconds) for samples in waveforms]
        return seconds, features, self._encode(features, seconds)

    def _encode(self, features: Sequence[Features], seconds: Sequence[float]) -> Encoded:
        """Encodings (B, T / 2, D) of features of whole windows, each (F, T)."""
        if self._encoder is None:
            return np.array(self._network.encode(_view(np.stack(features))))
        spoken = seconds if self.options.pooled else [self.max_seconds] * len(features)
        return np.concatenate([self._encoder(*item) for item in zip(features, spoken, strict=True)])

    def _languages(self, encoded: Encoded) -> list[int]:
        """The token of the language of each item: the one that is known, or the likeliest first token."""
        if self._language is not None:
            return [self._language] * len(encoded)
        results = self._network.generate(
            _view(encoded),
            [[self._tokens.start]] * len(encoded),
            beam_size=1,
            max_length=2,
            return_logits_vocab=True,
            suppress_tokens=[],
            suppress_blank=False,
        )
        rows = list(self._tokens.languages.values())
        return [rows[int(np.argmax(np.array(r.logits[0][0]).reshape(-1)[rows]))] for r in results]

    def _drafts(
        self, encoded: Encoded, languages: Sequence[int], seconds: Sequence[float], count: int
    ) -> list[list[Draft]]:
        """At most `count` drafts of each item, the likeliest first."""
        prompts = [self._tokens.prompt(language, self._hint) for language in languages]
        limits = [self._limit(s) for s in seconds]
        beam = max(count, self.options.beam_size)
        # CTranslate2 orders texts by their sum over the tokens without the end. Where the end of the prompt counts as
        # text (a language after the times), its tokens count too, and the order is made here.
        reordered = any(map(self._tokens.returned, prompts))
        how = {"beam_size": beam, "num_hypotheses": beam if reordered else count}
        results = self._generate(self._network, encoded, prompts, max(limits), **how)
        drafts = [
            [self._draft(result, number, prompt, limit) for number in range(len(result.sequences_ids))]
            for result, prompt, limit in zip(results, prompts, limits, strict=True)
        ]
        return [sorted(of_one, key=_without_end, reverse=True)[:count] for of_one in drafts] if reordered else drafts

    def _sound(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts without a fault; where there are none, the likeliest."""
        return [d for d in drafts if not fault(d, self.options.guards)] or list(drafts[:1])

    def _chosen(self, drafts: Sequence[Draft]) -> Draft:
        """The draft that the language models take; without them the likeliest."""
        if self._choose is None or is_silence(drafts[0], self.options.guards):
            return drafts[0]
        sound = self._sound(drafts)
        return sound[self._choose(_candidates(sound))]

    def _settled(self, draft: Draft, encoded: Encoded, language: int, seconds: float) -> Draft:
        """The first of a text's drafts without a fault, or the best of them; one without tokens for silence."""
        guards, drafts = self.options.guards, [draft]
        if is_silence(draft, guards):
            return replace(draft, tokens=())
        if not fault(draft, guards):
            return draft
        for another in self._redrafts(encoded, language, seconds) if self.options.temperatures else ():
            if not fault(another, guards):
                return another
            drafts.append(another)
        return best(drafts, guards)

    def _redrafts(self, encoded: Encoded, language: int, seconds: float) -> Iterator[Draft]:
        """Drafts of one item (1, T', D) at rising temperatures."""
        prompt, limit = self._tokens.prompt(language, self._hint), self._limit(seconds)
        with _RANDOM:
            import ctranslate2

            # Each network has a thread of its own, which takes the seed with its first draw. So a new one draws the
            # same for the same audio, whatever was transcribed before.
            ctranslate2.set_random_seed(0)
            for file in self._files.values():
                file.seek(0)
            network = self._open("copy", files=self._files)
            for temperature in self.options.temperatures:
                how = {"sampling_temperature": temperature, "sampling_topk": 0, "num_hypotheses": self.options.samples}
                (result,) = self._generate(network, encoded, [prompt], limit, beam_size=1, **how)
                yield self._draft(result, 0, prompt, limit)

    def _generate(self, network: Any, encoded: Encoded, prompts: list[list[int]], limit: int, **how: Any) -> list[Any]:
        # Of `max_length` CTranslate2 gives a text half, or what the prompt leaves.
        limit += max(map(self._tokens.returned, prompts))
        length = max(2 * limit, len(prompts[0]) + limit)
        results = network.generate(
            _view(encoded),
            prompts,
            max_length=length,
            suppress_tokens=self._tokens.suppressed,
            return_scores=True,
            return_no_speech_prob=True,
            **how,
        )
        return list(results)

    def _draft(self, result: Any, number: int, prompt: list[int], limit: int) -> Draft:
        written = list(result.sequences_ids[number])
        rows = written[self._tokens.returned(prompt) :]
        # The score is the sum over the tokens and the end, divided by the number of tokens without it.
        log_prob = result.scores[number] * max(1, len(written)) / (len(rows) + 1)
        tokens = self._tokens.written(rows[:limit])
        return Draft(tokens, self._tokens.text(tokens), log_prob, result.no_speech_prob, len(rows) >= limit)

    def _limit(self, seconds: float) -> int:
        return self.options.guards.limit(seconds, self._most_tokens)

    def _aligned(
        self, encoded: Encoded, language: int, numbers: list[int], drafts: Sequence[Draft], seconds: Sequence[float]
    ) -> list[Any]:
        if not numbers:
            return []
        frames = [max(2, round(seconds[i] * FRAMES_PER_SECOND)) for i in numbers]
        texts = [list(drafts[i].tokens) for i in numbers]
        return list(self._network.align(_view(encoded[numbers]), self._tokens.begin(language), texts, frames))

    def _language_row(self, code: str | None) -> int | None:
        if code is None and self._tokens.languages:
            return None
        return self._tokens.language(code or "en")

    def _pooled(self, folder: Path, settings: dict[str, Any]) -> PooledEncoder | None:
        """The encoder in onnxruntime; None where it is too large to have twice."""
        if not (folder / ENCODER).is_file():
            return None
        session = open_session(folder / ENCODER, self._threads)
        return PooledEncoder(session, settings["silence"], round(settings["seconds"] * ENCODER_RATE))

    def _open(self, name: str, **files: Any) -> Any:
        import ctranslate2

        how = {"compute_type": self._precision, "inter_threads": 1, "intra_threads": self._threads}
        try:
            return ctranslate2.models.Whisper(name, **how, **files)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"CTranslate2 cannot open it ({first_line(error)})", where=name) from error


def _without_end(draft: Draft) -> float:
    """The sum of a draft's log-probabilities, its end's too, by the number of tokens without the end."""
    return draft.log_prob * (len(draft.tokens) + 1) / max(1, len(draft.tokens))


def _candidates(drafts: Sequence[Draft]) -> list[Candidate]:
    # A draft's log-probability is the mean over its tokens and the end; language models count in sums.
    return [Candidate(d.text, d.log_prob * (len(d.tokens) + 1)) for d in drafts]


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((folder / "vizinho.json").read_text(encoding="utf-8"))
        if (settings["kind"], settings["format"]) != (KIND, FORMAT):
            raise ModelError(f"format {settings['format']} of {settings['kind']!r}", where=folder)
        for key in _KEYS:  # another version may have written others
            settings[key]
        return settings
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "write it again with `vizinho export`"
        raise ModelError(f"not a converted Whisper model ({error})", where=folder, fix=fix) from error


def _view(values: npt.NDArray[np.float32]) -> Any:
    from ctranslate2 import StorageView

    return StorageView.from_array(np.ascontiguousarray(values))
