"""NeMo's side of nemo_race.py, run in .venv-peers: what its user writes to train, to change languages, to transcribe.

    .venv-peers/bin/python bench/peers/nemo_train.py donor|transfer|transcribe --help

`transfer` is NeMo's tutorial on changing languages (tutorials/asr/ASR_CTC_Language_Finetuning.ipynb): a new vocabulary,
the encoder frozen but for its batch norms, then thawed; `--frozen-share 0` freezes nothing. The weights are the best
evaluated ones on dev or the average of those of the last quarter (NeMo's scripts/checkpoint_averaging), whichever is
better on dev.

A run that was stopped goes on from its last state when started again; the order of its batches begins anew then.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from nemo.collections.asr.models import EncDecCTCModel
from nemo_parts import ENCODER, PREPROCESSOR, SAMPLE_RATE
from omegaconf import OmegaConf, open_dict

AVERAGE_SHARE = 0.25
"""The last share of the run whose evaluated weights are averaged, as in vizinho's TrainingOptions."""


def network(labels: list[str]) -> dict[str, Any]:
    """A FastConformer of the size of vizinho's preset tiny, after NeMo's fast-conformer_ctc_bpe.yaml and
    conformer_ctc_char.yaml. Theirs but for the size: xscaling and dropout are off, as in that preset."""
    return {
        "sample_rate": SAMPLE_RATE,
        "labels": labels,
        "use_cer": True,
        "log_prediction": False,
        "ctc_reduction": "mean_volume",
        "preprocessor": PREPROCESSOR,
        "spec_augment": {
            "_target_": "nemo.collections.asr.modules.SpectrogramAugmentation",
            "freq_masks": 2,
            "time_masks": 5,
            "freq_width": 27,
            "time_width": 0.05,
        },
        "encoder": ENCODER
        | {
            "n_layers": 6,
            "d_model": 144,
            "subsampling_factor": 4,
            "subsampling_conv_channels": 48,
            "ff_expansion_factor": 4,
            "n_heads": 4,
            "xscaling": False,
            "dropout": 0.0,
            "dropout_pre_encoder": 0.0,
            "dropout_att": 0.0,
        },
        "decoder": {
            "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
            "feat_in": None,
            "num_classes": len(labels),
            "vocabulary": labels,
        },
        "optim": {"name": "adamw", "lr": 1e-3},
    }


def donor(arguments: argparse.Namespace) -> EncDecCTCModel:
    """A fresh network with the labels of its language."""
    return EncDecCTCModel(cfg=OmegaConf.create(network(labels_of(arguments))))


def changed(arguments: argparse.Namespace) -> EncDecCTCModel:
    """The donor with a new vocabulary, its encoder frozen but for the batch norms where that is asked for."""
    model = EncDecCTCModel.restore_from(str(arguments.donor), map_location="cpu")
    model.change_vocabulary(new_vocabulary=labels_of(arguments))
    model.cfg.labels = labels_of(arguments)
    if arguments.frozen_share:
        model.encoder.freeze()
        model.encoder.apply(enable_norms)
    return model


def enable_norms(module: torch.nn.Module) -> None:
    """Let batch norms, and squeeze-and-excite layers where an encoder has them, learn in a frozen encoder."""
    if isinstance(module, torch.nn.BatchNorm1d) or "SqueezeExcite" in type(module).__name__:
        module.train()
        for parameter in module.parameters():
            parameter.requires_grad_(True)


def learning(model: torch.nn.Module) -> str:
    """How much of the network learns, and how many of its batch norms follow the audio."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    moving = sum(p.numel() for p in model.parameters() if p.requires_grad)
    of = sum(p.numel() for p in model.parameters())
    return f"{moving} of {of} parameters learn, {sum(m.training for m in norms)} of {len(norms)} batch norms follow"


class Thaw(Callback):
    """Lets the whole encoder learn from a step on; 0 is for an encoder that was never frozen."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: pl.Trainer, model: Any, batch: Any, batch_idx: int) -> None:
        if self.step and trainer.global_step == self.step:
            model.encoder.unfreeze()


class Watch(Callback):
    """Counts the padded audio of all steps, keeps the losses and tells of what learns and of dev."""

    def __init__(self) -> None:
        self.padded_seconds, self.losses, self.said = 0.0, [], ""

    def state_dict(self) -> dict[str, Any]:
        return {"padded_seconds": self.padded_seconds, "losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.padded_seconds, self.losses = state_dict["padded_seconds"], state_dict["losses"]

    def on_train_batch_start(self, trainer: pl.Trainer, model: Any, batch: Any, batch_idx: int) -> None:
        if (now := learning(model)) != self.said:
            print(f"step {trainer.global_step}: {now}", flush=True)
            self.said = now
        self.padded_seconds += batch[0].numel() / SAMPLE_RATE

    def on_train_batch_end(self, trainer: pl.Trainer, model: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["loss"]))

    def on_validation_end(self, trainer: pl.Trainer, model: Any) -> None:
        loss = self.losses[-1] if self.losses else float("nan")
        print(
            f"step {trainer.global_step}: loss {loss:.3f}, dev CER {trainer.callback_metrics['val_wer']:.3f}",
            flush=True,
        )


def data(manifest: Path, labels: list[str], **more: Any) -> Any:
    common = {
        "manifest_filepath": str(manifest),
        "sample_rate": SAMPLE_RATE,
        "labels": labels,
        "normalize_transcripts": False,
        "num_workers": 0,
    }
    return OmegaConf.create(common | more)


def trainer_of(
    model: EncDecCTCModel, arguments: argparse.Namespace, watch: Watch
) -> tuple[pl.Trainer, ModelCheckpoint]:
    """A Lightning trainer for the model, with its batches by duration, its rates and its evaluations on dev set up."""
    labels, steps = labels_of(arguments), arguments.steps
    keeper = ModelCheckpoint(
        dirpath=arguments.out / "checkpoints",
        monitor="val_wer",
        mode="min",
        save_top_k=-1,
        save_weights_only=True,
        filename="{step}",
    )
    saver = ModelCheckpoint(
        dirpath=arguments.out,
        filename="state",
        every_n_train_steps=max(1, arguments.every // 10),
        enable_version_counter=False,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=steps,
        val_check_interval=arguments.every,
        check_val_every_n_epoch=None,
        use_distributed_sampler=False,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Thaw(round(arguments.frozen_share * steps)), watch, keeper, saver],
    )
    model.set_trainer(trainer)
    with open_dict(model.cfg):
        model.cfg.optim = {
            "name": "adamw",
            "lr": arguments.rate,
            "betas": [0.9, 0.98],
            "weight_decay": 1e-3,
            "sched": {"name": "CosineAnnealing", "warmup_ratio": arguments.warmup, "min_lr": 1e-5, "max_steps": steps},
        }
    model.setup_training_data(
        data(
            arguments.train,
            labels,
            use_lhotse=True,
            batch_duration=arguments.batch_seconds,
            use_bucketing=True,
            num_buckets=10,
            concurrent_bucketing=False,
            shuffle=True,
            seed=arguments.seed,
            shard_seed=arguments.seed,
        )
    )
    model.setup_validation_data(data(arguments.dev, labels, batch_size=16, shuffle=False))
    model.wer.use_cer = True
    return trainer, keeper


def train(model: EncDecCTCModel, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and leave the weights chosen on dev in the model; returns how it went and what it cost."""
    watch = Watch()
    trainer, keeper = trainer_of(model, arguments, watch)
    begun, cpu = time.perf_counter(), time.process_time()
    state = arguments.out / "state.ckpt"
    trainer.fit(model, ckpt_path=str(state) if state.exists() else None)
    state.unlink()
    found = {
        "fit_seconds": time.perf_counter() - begun,
        "fit_cpu_seconds": time.process_time() - cpu,
        "padded_seconds": watch.padded_seconds,
        "losses": [statistics.fmean(watch.losses[i : i + 20]) for i in range(0, len(watch.losses), 20)],
    }
    return found | choose(model, trainer, keeper, arguments.steps)


def choose(model: EncDecCTCModel, trainer: pl.Trainer, keeper: ModelCheckpoint, steps: int) -> dict[str, Any]:
    """The best evaluated weights, or the average of the late ones where dev prefers it."""
    scored = {Path(p): float(score) for p, score in keeper.best_k_models.items()}
    by_step = sorted((int(p.stem.partition("step=")[2].partition("-")[0]), p) for p in scored)
    late = [p for step, p in by_step if step > (1 - AVERAGE_SHARE) * steps]
    states = [torch.load(p, map_location="cpu", weights_only=False)["state_dict"] for p in late]
    mean = {
        name: torch.stack([s[name] for s in states]).mean(dim=0) if first.is_floating_point() else states[-1][name]
        for name, first in states[0].items()
    }
    model.load_state_dict(mean)
    average = float(trainer.validate(model, dataloaders=model._validation_dl, verbose=False)[0]["val_wer"])
    best = min(scored, key=lambda p: scored[p])
    chosen = f"average of {len(late)}"
    if scored[best] <= average:
        model.load_state_dict(torch.load(best, map_location="cpu", weights_only=False)["state_dict"])
        chosen = best.stem.replace("=", " ")
    for path in scored:
        path.unlink()
    return {
        "curve": [[step, scored[p]] for step, p in by_step],
        "average_dev_cer": average,
        "chosen": chosen,
        "dev_cer": min(average, scored[best]),
    }


def transcribe(model: Path, manifest: Path) -> dict[str, str]:
    """What NeMo hears, by the stem of the audio file."""
    restored = EncDecCTCModel.restore_from(str(model), map_location="cpu").eval()
    paths = [json.loads(line)["audio_filepath"] for line in manifest.read_text("utf-8").splitlines()]
    heard = restored.transcribe(paths, batch_size=16, num_workers=0, verbose=False)
    return {Path(p).stem: getattr(h, "text", h) for p, h in zip(paths, heard, strict=True)}


def labels_of(arguments: argparse.Namespace) -> list[str]:
    return list(json.loads(arguments.labels.read_text("utf-8")))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("donor", "transfer"):
        command = commands.add_parser(name)
        for option in ("--train", "--dev", "--labels", "--out"):
            command.add_argument(option, type=Path, required=True)
        command.add_argument("--steps", type=int, required=True)
        command.add_argument("--every", type=int, required=True, help="steps between evaluations on dev")
        command.add_argument("--rate", type=float, required=True)
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--batch-seconds", type=float, default=16.0, help="padded audio in a step")
        command.add_argument("--warmup", type=float, default=0.05, help="share of the steps")
        command.add_argument("--frozen-share", type=float, default=0.0, help="of the steps with a frozen encoder")
        if name == "transfer":
            command.add_argument("--donor", type=Path, required=True)
    command = commands.add_parser("transcribe")
    for option in ("--model", "--manifest", "--out"):
        command.add_argument(option, type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    torch.set_num_threads(1)
    if arguments.command == "transcribe":
        heard = transcribe(arguments.model, arguments.manifest)
        arguments.out.write_text(json.dumps(heard, ensure_ascii=False, indent=1), "utf-8")
        return
    pl.seed_everything(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = donor(arguments) if arguments.command == "donor" else changed(arguments)
    found = train(model, arguments)
    model.save_to(str(arguments.out / "model.nemo"))
    found |= {"parameters": sum(p.numel() for p in model.parameters())}
    found |= {"versions": {name: version(name) for name in ("nemo_toolkit", "torch", "lightning", "lhotse")}}
    (arguments.out / "made.json").write_text(json.dumps(found, indent=1), "utf-8")
    print(f"dev CER {found['dev_cer']:.3f} ({found['chosen']})")


if __name__ == "__main__":
    main()
