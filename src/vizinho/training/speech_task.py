"""Training a recogniser: CTC on batches by duration, letters alone or with phones, chosen by CER on dev."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vizinho.corpora.batches import Batch, BatchData, BatchSource, ListedSource, stream
from vizinho.errors import ModelError, SpecError
from vizinho.evaluation.score import error_rates
from vizinho.model.fast import Chunks, can_stream, fast_forward, set_chunks
from vizinho.model.networks import Checkpoint
from vizinho.progress import Log
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.training.data import Examples, Preparer
from vizinho.training.health import bad_batch
from vizinho.training.losses import ctc_loss
from vizinho.training.options import Chunking, StreamingOptions, TrainingOptions
from vizinho.training.ranks import Ranks
from vizinho.training.schedule import LayerRates
from vizinho.training.skipped import SkippedList
from vizinho.training.task import BatchFacts, Scores, Task

if TYPE_CHECKING:
    from vizinho.training.phonemes import PhonemeTask


@dataclass(frozen=True, slots=True)
class DevSet:
    """Utterances to choose on, with their normalised texts by id."""

    utterances: Sequence[Utterance]
    references: Mapping[str, str]
    normalize: Callable[[str], str]
    """What transcripts go through before they are scored: as the references did, but refusing nothing."""
    precision: str = "no"
    """That a network with a decoder is computed in while it is scored; see `TrainingOptions.precision`."""


@dataclass(frozen=True, slots=True)
class SpeechTask(Task[TrainingOptions]):
    """A recogniser and what it learns from."""

    checkpoint: Checkpoint
    examples: Examples
    dev: DevSet | None = None
    """None: the last weights are taken, or the average of the last ones."""
    phonemes: PhonemeTask | None = None
    """Phones that are learnt with the letters; the network then has their head (`with_head`), which learns too."""

    @classmethod
    def preparer(
        cls,
        checkpoint: Checkpoint,
        normalizer: Callable[[str], str],
        speed_range: float,
        as_written: Callable[[str], str] | None = None,
    ) -> Preparer:
        """What encodes texts for a network of this kind."""
        return Preparer(checkpoint.tokenizer, normalizer, checkpoint.front, speed_range, as_written=as_written)

    @property
    def model(self) -> Any:  # type: ignore[override]
        """The network."""
        return self.checkpoint.model

    def begin(self, options: TrainingOptions) -> Ranks:
        """Raises ModelError for a network that cannot be trained for streams, SpecError for what FSDP cannot do."""
        mark_streaming(self.checkpoint, options.streaming)
        ranks = Ranks.accelerated(options)
        for what, asked in (("streaming", options.streaming.share), ("phonemes", options.phonemes.weight)):
            if ranks.sharded and asked:
                raise SpecError(f"{what} is not possible with fsdp", where=what, fix='use strategy = "ddp"')
        return ranks

    def rates(self, model: Any, options: TrainingOptions, *, by_gradient: bool) -> LayerRates:
        """One rate for each layer."""
        return LayerRates(model, options, by_gradient=by_gradient)

    def batches(self, numbers: range, options: TrainingOptions, run: Path, log: Log) -> Iterator[Batch]:
        """Batches of about `options.batch_seconds`; utterances that are skipped on the way are listed in `run`.

        Raises CorpusError when too many recordings can no longer be read (`SkippedList`).
        """
        chunking = Chunking(options.streaming, options.seed)
        source = _source(self.examples, options, run)
        data = BatchData(source, self.checkpoint.front, options.augment, options.seed, chunking)
        skipped = SkippedList(run, log, of=len(self.examples) if isinstance(self.examples, Sequence) else None)
        return skipped.watch(stream(data, numbers, options.workers))

    @contextmanager
    def computing(self, model: Any, options: TrainingOptions, still: Callable[[], Any]) -> Iterator[None]:
        """The network is computed as the options say: recomputed, by a faster forward pass, with phones."""
        with ExitStack() as stack:
            if options.activation_checkpointing:
                from vizinho.model.recompute import recomputed_blocks

                stack.enter_context(recomputed_blocks(model, still))
            self._replace_forward(stack, model, options)
            yield

    def _replace_forward(self, stack: ExitStack, model: Any, options: TrainingOptions) -> None:
        # The fast forward pass reads the blocks' weights itself; FSDP gathers them when a block is called.
        if model is self.model:
            everywhere = options.streaming.share > 0 or self.phonemes is not None
            stack.enter_context(fast_forward(model, everywhere=everywhere))
        if self.phonemes is not None:
            from vizinho.model.phonemes import phonemes_heard

            stack.enter_context(phonemes_heard(model))

    def facts(self, batch: Batch) -> BatchFacts:
        """Utterances and seconds of audio."""
        ids = batch.ids or tuple(name for name, _ in batch.broken)
        return BatchFacts(len(batch.ids), batch.audio_seconds, ids, bad_batch(batch))

    def loss(self, network: Any, batch: Batch, options: TrainingOptions, ranks: Ranks) -> torch.Tensor:
        """CTC loss, the mean over utterances of the loss per label; mixed with that of the phones."""
        mask = self.checkpoint.front.attention_mask(batch.mask.to(ranks.device))
        # Only the network runs in the lower precision: sums of log probabilities need float32.
        with ranks.autocast():
            streamed = {"chunks": Chunks(*batch.chunk)} if batch.chunk else {}
            outputs = network(batch.features.to(ranks.device), attention_mask=mask, **streamed)
        letters = ctc_loss(
            outputs.logits,
            batch.frames,
            batch.labels.to(ranks.device),
            batch.label_lengths.to(ranks.device),
            blank=self.checkpoint.tokenizer.pad_token_id,
        )
        return letters if self.phonemes is None else self.phonemes.mixed(letters, outputs.phonemes, batch)

    def evaluate(self) -> Scores:
        """CER and WER on dev."""
        cer, wer = (None, None) if self.dev is None else dev_rates(self.checkpoint, self.dev)
        return {"CER": cer, "WER": wer}

    def finish(self, ranks: Ranks, log: Log) -> None:
        """Log utterances that had no part in the phoneme loss."""
        if self.phonemes is not None and (names := sorted(set(ranks.gather_names(list(self.phonemes.left_out))))):
            log(self.phonemes.log_line(names))


def _source(examples: Examples, options: TrainingOptions, run: Path) -> BatchSource:
    if isinstance(examples, Sequence):
        return ListedSource(examples, options.batch_seconds, options.seed)
    return examples.source(options.batch_seconds, options.seed, run / "places.jsonl")


def mark_streaming(checkpoint: Checkpoint, options: StreamingOptions) -> None:
    """Note in the model's configuration how it streams, or that it does not. Raises ModelError where it cannot."""
    if options.share and not can_stream(checkpoint.model):
        raise ModelError(
            f"networks of type {checkpoint.model.config.model_type!r} cannot be trained for streams",
            where="streaming",
            fix="use a FastConformer (vizinho train), or leave [streaming] out",
        )
    # A network that streamed before and is trained on whole utterances now no longer does.
    set_chunks(checkpoint.model, Chunks(options.usual_frames, options.left_chunks) if options.share else None)


def dev_rates(checkpoint: Checkpoint, dev: DevSet, *, pooled: bool = True) -> tuple[float, float]:
    """CER and WER of the network as it stands, which is left in evaluation mode.

    A network with a decoder is scored as it is trained, with `pooled` silence, or as it is served.
    """
    checkpoint.model.eval()
    transcripts = Recognizer.of(checkpoint, dev.precision, pooled=pooled).transcribe_corpus(dev.utterances)
    return error_rates(dev.references, {id_: dev.normalize(t.text) for id_, t in transcripts.items()})
