"""Hugging Face's recipe for fine-tuning Whisper, run as people run it, on one of our manifests.

Settings are those of the blog "Fine-Tune Whisper For Multilingual ASR" (huggingface.co/blog/fine-tune-whisper):
Seq2SeqTrainer, 16 clips a step padded to 30 s, AdamW at 1e-5, an eighth of the steps of warm-up, linear decay, the best
checkpoint by dev. It scores by CER here, as everything else does. bfloat16 stands for its fp16, which processors lack.

    PYTHONPATH=bench .venv/bin/python bench/peers/whisper_recipe.py WHISPER MANIFEST --lang pt --steps 80 --out FOLDER

FOLDER/model is a folder for `vizinho evaluate`; FOLDER/result.json has the dev curve, seconds a step and peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import torch
from surroundings import describe
from transformers import (
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from vizinho.audio.io import load_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.evaluation.score import error_rates
from vizinho.records import Utterance
from vizinho.text.normalize import get_normalizer


class Clips(torch.utils.data.Dataset):
    """Log-mel windows of 30 s and labels, computed once, as `dataset.map` does."""

    def __init__(self, utterances: list[Utterance], processor: WhisperProcessor) -> None:
        self.items = []
        for utterance in utterances:
            features = processor.feature_extractor(load_audio(utterance.audio), sampling_rate=16_000).input_features[0]
            self.items.append({"input_features": features, "labels": processor.tokenizer(utterance.text).input_ids})

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.items[number]


def collate(items: list[dict[str, Any]], processor: WhisperProcessor, start: int) -> dict[str, torch.Tensor]:
    """A batch as the blog's collator makes it: labels padded with -100, the start token cut off."""
    batch = processor.feature_extractor.pad(
        [{"input_features": item["input_features"]} for item in items], return_tensors="pt"
    )
    padded = processor.tokenizer.pad([{"input_ids": item["labels"]} for item in items], return_tensors="pt")
    labels = padded["input_ids"].masked_fill(padded["attention_mask"].ne(1), -100)
    batch["labels"] = labels[:, 1:] if (labels[:, 0] == start).all() else labels
    return dict(batch)


class StepTimes(TrainerCallback):
    """Seconds of each training step, evaluations left out."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._begun = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._begun = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(time.perf_counter() - self._begun)


def main() -> None:
    """Train, keep the best checkpoint by dev, write the folder and the facts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whisper", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--every", type=int, default=20, help="Steps between evaluations on dev.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    processor = WhisperProcessor.from_pretrained(args.whisper, language=args.lang, task="transcribe")
    processor.tokenizer.pad_token = processor.tokenizer.pad_token or processor.tokenizer.eos_token
    model = WhisperForConditionalGeneration.from_pretrained(args.whisper)
    model.generation_config.language, model.generation_config.task = f"<|{args.lang}|>", "transcribe"
    utterances = read_manifest(args.manifest)
    dev = [u for u in utterances if u.split == "dev"]
    normalize = get_normalizer(args.lang)
    references = {u.id: normalize(u.text) for u in dev}

    def scores(prediction: Any) -> dict[str, float]:
        texts = processor.tokenizer.batch_decode(
            prediction.predictions.clip(min=0), skip_special_tokens=True
        )  # -100 stands for padding
        cer, wer = error_rates(references, {u.id: normalize(text) for u, text in zip(dev, texts, strict=True)})
        return {"cer": cer, "wer": wer}

    times = StepTimes()
    trainer = Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(
            output_dir=str(args.out / "checkpoints"),
            per_device_train_batch_size=16,
            per_device_eval_batch_size=8,
            learning_rate=1e-5,
            warmup_steps=args.steps // 8,
            max_steps=args.steps,
            gradient_checkpointing=False,
            bf16=args.precision == "bf16",
            use_cpu=not torch.cuda.is_available(),
            eval_strategy="steps",
            eval_steps=args.every,
            save_steps=args.every,
            save_total_limit=1,
            predict_with_generate=True,
            generation_max_length=64,
            load_best_model_at_end=True,
            metric_for_best_model="cer",
            greater_is_better=False,
            report_to=[],
            disable_tqdm=True,
            logging_steps=args.every,
            seed=args.seed,
        ),
        train_dataset=Clips([u for u in utterances if u.split == "train"], processor),
        eval_dataset=Clips(dev, processor),
        data_collator=lambda items: collate(items, processor, model.config.decoder_start_token_id),
        compute_metrics=scores,
        callbacks=[times],
    )
    # A run that was interrupted goes on from its last evaluation.
    trainer.train(resume_from_checkpoint=any((args.out / "checkpoints").glob("checkpoint-*")))
    trainer.model.save_pretrained(args.out / "model")
    processor.save_pretrained(args.out / "model")
    curve = [
        {"step": entry["step"], "dev_cer": entry["eval_cer"], "dev_wer": entry["eval_wer"]}
        for entry in trainer.state.log_history
        if "eval_cer" in entry
    ]
    facts = {
        "seed": args.seed,
        "steps": args.steps,
        "precision": args.precision,
        "curve": curve,
        "seconds_per_step": sorted(times.seconds)[len(times.seconds) // 2],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": describe(),
    }
    (args.out / "result.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
