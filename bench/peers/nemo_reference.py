"""Runs in .venv-peers: NeMo trains tiny FastConformer CTC models, saves them, and says what it hears in some waveforms.

    .venv-peers/bin/python bench/peers/nemo_reference.py OUT

For each model OUT gets NAME.nemo and NAME.npz (features, log-probabilities); waveforms.npz has what they were given.
bench/peers/compare_nemo.py then reads the same archives without NeMo.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import soundfile
import torch
from nemo_parts import ENCODER, PREPROCESSOR, SAMPLE_RATE
from omegaconf import OmegaConf

TEXTS = ["abc de", "fgh abc", "de fgh ab", "cab bed", "head face", "bad cage"]
STEPS = 20
MODELS: dict[str, dict[str, Any]] = {
    "characters": {"tokens": "characters", "factor": 4},
    "pieces": {"tokens": "unigram", "factor": 8},
    "bpe-no-bias": {"tokens": "bpe", "factor": 8, "use_bias": False, "xscaling": False},
    "hybrid": {"tokens": "unigram", "factor": 8, "hybrid": True},
}
WIDTH = 16


def tones(text: str, seed: int) -> np.ndarray:
    """(N,) samples: every letter is a tone of 0.12 s."""
    time = np.arange(int(0.12 * SAMPLE_RATE)) / SAMPLE_RATE
    letters = "abcdefgh "
    parts = [0.4 * np.sin(2 * np.pi * 220 * 1.25 ** letters.index(c) * time) * np.hanning(time.size) for c in text]
    noise = np.random.default_rng(seed).standard_normal(time.size * len(text)) * 0.003
    return (np.concatenate(parts) + noise).astype(np.float32)


def config(
    folder: Path, *, tokens: str, factor: int, use_bias: bool = True, xscaling: bool = True, hybrid: bool = False
) -> dict[str, Any]:
    """As examples/asr/conf/fastconformer/fast-conformer_ctc_bpe.yaml has it, made small."""
    made: dict[str, Any] = {
        "sample_rate": SAMPLE_RATE,
        "log_prediction": False,
        "ctc_reduction": "mean_volume",
        "preprocessor": PREPROCESSOR,
        "encoder": ENCODER
        | {
            "n_layers": 2,
            "d_model": WIDTH,
            "use_bias": use_bias,
            "subsampling_factor": factor,
            "subsampling_conv_channels": 8,
            "ff_expansion_factor": 2,
            "n_heads": 2,
            "xscaling": xscaling,
            "dropout": 0.1,
            "dropout_pre_encoder": 0.1,
            "dropout_att": 0.1,
            "reduction": None,
            "reduction_position": None,
            "reduction_factor": 1,
        },
        "optim": {"name": "adamw", "lr": 0.001},
    }
    letters = list(" abcdefgh")
    decoder = {"_target_": "nemo.collections.asr.modules.ConvASRDecoder", "feat_in": None}
    if tokens == "characters":
        made |= {"labels": letters, "decoder": decoder | {"num_classes": len(letters), "vocabulary": letters}}
    else:
        made |= {"tokenizer": {"dir": str(tokenizer(folder, tokens)), "type": "bpe"}}
        made |= {"decoder": decoder | {"num_classes": -1, "vocabulary": []}}
    return made | transducer(made["decoder"]) if hybrid else made


def transducer(ctc_decoder: dict[str, Any]) -> dict[str, Any]:
    """What fastconformer/hybrid_transducer_ctc adds: a prediction network and a joint one beside the CTC layer."""
    return {
        "model_defaults": {"enc_hidden": WIDTH, "pred_hidden": 8, "joint_hidden": 8},
        "decoder": {
            "_target_": "nemo.collections.asr.modules.RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {"pred_hidden": 8, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": "nemo.collections.asr.modules.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "jointnet": {"joint_hidden": 8, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {"strategy": "greedy", "greedy": {"max_symbols": 10}},
        "loss": {"loss_name": "pytorch"},
        "aux_ctc": {
            "ctc_loss_weight": 0.3,
            "use_cer": False,
            "ctc_reduction": "mean_volume",
            "decoder": ctc_decoder,
            "decoding": {"strategy": "greedy"},
        },
    }


def ctc(model: Any, signal: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (B, T', V) and lengths (B,) of the CTC layer, a hybrid's auxiliary one included."""
    if not hasattr(model, "ctc_decoder"):
        return tuple(model(input_signal=signal, input_signal_length=lengths)[:2])
    encoded, frames = model(input_signal=signal, input_signal_length=lengths)
    return model.ctc_decoder(encoder_output=encoded), frames


def tokenizer(folder: Path, kind: str) -> Path:
    """A SentencePiece model in a folder of its own, as NeMo's process_asr_text_tokenizer.py leaves it."""
    place = folder / f"tokenizer-{kind}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "text.txt").write_text("\n".join(TEXTS * 5))
    sentencepiece.SentencePieceTrainer.Train(
        input=str(place / "text.txt"),
        model_prefix=str(place / "tokenizer"),
        vocab_size=16,
        model_type=kind,
        normalization_rule_name="identity",
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    pieces = (place / "tokenizer.vocab").read_text().splitlines()
    (place / "vocab.txt").write_text("\n".join(line.split("\t")[0] for line in pieces) + "\n")
    return place


def train(model: Any, waveforms: list[np.ndarray], manifest: Path) -> list[float]:
    """A few steps of NeMo's own loss on its own batches, so that no weight or statistic is at its start."""
    model.setup_training_data(
        OmegaConf.create(
            {
                "manifest_filepath": str(manifest),
                "sample_rate": SAMPLE_RATE,
                "batch_size": 3,
                "shuffle": False,
                "labels": list(getattr(model.cfg, "labels", None) or []),
                "num_workers": 0,
            }
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    measure = getattr(model, "ctc_loss", None) or model.loss
    model.train()
    while len(losses) < STEPS:
        for signal, lengths, tokens, token_lengths in model._train_dl:
            log_probs, frames = ctc(model, signal, lengths)
            loss = measure(log_probs=log_probs, targets=tokens, input_lengths=frames, target_lengths=token_lengths)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss))
    return losses


def main(out: Path) -> None:
    import nemo
    from nemo.collections.asr.models import EncDecCTCModel, EncDecCTCModelBPE, EncDecHybridRNNTCTCBPEModel

    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    waveforms = [tones(text, number) for number, text in enumerate(TEXTS)]
    rows = []
    for number, (text, samples) in enumerate(zip(TEXTS, waveforms, strict=True)):
        path = out / f"{number}.wav"
        soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
        rows.append({"audio_filepath": str(path), "duration": samples.size / SAMPLE_RATE, "text": text})
    (out / "manifest.json").write_text("\n".join(map(json.dumps, rows)))
    np.savez(out / "waveforms.npz", **{str(n): w for n, w in enumerate(waveforms)})
    for name, options in MODELS.items():
        torch.manual_seed(1)
        kind = EncDecCTCModel if options["tokens"] == "characters" else EncDecCTCModelBPE
        kind = EncDecHybridRNNTCTCBPEModel if options.get("hybrid") else kind
        model = kind(cfg=OmegaConf.create(config(out, **options)))
        losses = train(model, waveforms, out / "manifest.json")
        model.eval()
        model.save_to(str(out / f"{name}.nemo"))
        model = kind.restore_from(str(out / f"{name}.nemo"), map_location="cpu").eval()
        said: dict[str, np.ndarray] = {}
        with torch.inference_mode():
            for number, samples in enumerate(waveforms):
                signal, length = torch.from_numpy(samples)[None], torch.tensor([samples.size])
                features, frames = model.preprocessor(input_signal=signal, length=length)
                said[f"features{number}"] = features[0, :, : int(frames)].T.numpy()
                log_probs, lengths = ctc(model, signal, length)
                said[f"log_probs{number}"] = log_probs[0, : int(lengths)].numpy()
            longest = max(w.size for w in waveforms)
            signal = torch.from_numpy(np.stack([np.pad(w, (0, longest - w.size)) for w in waveforms]))
            log_probs, lengths = ctc(model, signal, torch.tensor([w.size for w in waveforms]))
            for number, length in enumerate(lengths):
                said[f"batched{number}"] = log_probs[number, : int(length)].numpy()
        np.savez(out / f"{name}.npz", **said)
        print(f"{name}: nemo {nemo.__version__}, {STEPS} steps, loss {losses[0]:.2f} to {losses[-1]:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
