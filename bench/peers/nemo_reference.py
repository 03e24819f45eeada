"""Runs in .venv-peers: NeMo trains tiny FastConformer models, saves them, and says what it hears in some waveforms.

    .venv-peers/bin/python bench/peers/nemo_reference.py OUT

For each model OUT gets NAME.nemo and NAME.npz: features, log-probabilities (transducers: logits for TOKENS, and texts).
waveforms.npz has what they were given.
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
from nemo.collections.asr.losses.rnnt import RNNTLoss
from nemo_parts import ENCODER, PREPROCESSOR, SAMPLE_RATE
from omegaconf import OmegaConf

TEXTS = ["abc de", "fgh abc", "de fgh ab", "cab bed", "head face", "bad cage"]
STEPS = 20
MODELS: dict[str, dict[str, Any]] = {
    "characters": {"tokens": "characters", "factor": 4},
    "pieces": {"tokens": "unigram", "factor": 8},
    "bpe-no-bias": {"tokens": "bpe", "factor": 8, "use_bias": False, "xscaling": False},
    "hybrid": {"tokens": "unigram", "factor": 8, "hybrid": True},
    "rnnt": {"tokens": "unigram", "factor": 8, "durations": []},
    "tdt": {"tokens": "bpe", "factor": 8, "durations": [0, 1, 2, 3, 4]},
}
TOKENS = [3, 5, 3, 9]
"""What the prediction network reads where logits of a transducer are compared."""
WIDTH = 16


def tones(text: str, seed: int) -> np.ndarray:
    """(N,) samples: every letter is a tone of 0.12 s."""
    time = np.arange(int(0.12 * SAMPLE_RATE)) / SAMPLE_RATE
    letters = "abcdefgh "
    parts = [0.4 * np.sin(2 * np.pi * 220 * 1.25 ** letters.index(c) * time) * np.hanning(time.size) for c in text]
    noise = np.random.default_rng(seed).standard_normal(time.size * len(text)) * 0.003
    return (np.concatenate(parts) + noise).astype(np.float32)


def config(
    folder: Path,
    *,
    tokens: str,
    factor: int,
    use_bias: bool = True,
    xscaling: bool = True,
    hybrid: bool = False,
    durations: list[int] | None = None,
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
    if hybrid:
        return made | transducer(made["decoder"])
    return made if durations is None else made | transducer(None, durations)


def transducer(ctc_decoder: dict[str, Any] | None, durations: list[int] | None = None) -> dict[str, Any]:
    """A prediction network and a joint one, as fastconformer/hybrid_transducer_ctc has them, or transducers alone."""
    made = parts()
    if ctc_decoder is not None:
        made["aux_ctc"] = {
            "ctc_loss_weight": 0.3,
            "use_cer": False,
            "ctc_reduction": "mean_volume",
            "decoder": ctc_decoder,
            "decoding": {"strategy": "greedy"},
        }
    if durations:
        made["model_defaults"] |= {"tdt_durations": durations, "num_tdt_durations": len(durations)}
        made["joint"]["num_extra_outputs"] = len(durations)
        made["decoding"] |= {"model_type": "tdt", "durations": durations}
        made["loss"] = {"loss_name": "tdt_pytorch", "tdt_pytorch_kwargs": {"durations": durations, "sigma": 0.0}}
    return made


def parts() -> dict[str, Any]:
    """The networks of a transducer and how they are trained and decoded."""
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
    }


def is_transducer(model: Any) -> bool:
    """Whether a model is a transducer without a CTC layer."""
    return hasattr(model, "joint") and not hasattr(model, "ctc_decoder")


def joined(
    model: Any, signal: torch.Tensor, lengths: torch.Tensor, tokens: torch.Tensor, token_lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the joint network gives (B, T', U + 1, V + D) after each of the tokens (B, U), and lengths (B,)."""
    encoded, frames = model(input_signal=signal, input_signal_length=lengths)
    predicted = model.decoder(targets=tokens, target_length=token_lengths)[0]
    return model.joint(encoder_outputs=encoded, decoder_outputs=predicted), frames


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
    of_tokens = slice(None)
    if durations := getattr(getattr(model, "joint", None), "num_extra_outputs", 0):
        # NeMo's losses of TDT need a GPU: RNN-T's trains all but the rows of durations, which stay random.
        of_tokens = slice(-durations)
        measure = RNNTLoss(num_classes=model.joint.num_classes_with_blank - 1 - durations, loss_name="pytorch")
    model.train()
    while len(losses) < STEPS:
        for signal, lengths, tokens, token_lengths in model._train_dl:
            if is_transducer(model):
                logits, frames = joined(model, signal, lengths, tokens, token_lengths)
                log_probs = logits[..., of_tokens]
            else:
                log_probs, frames = ctc(model, signal, lengths)
            loss = measure(log_probs=log_probs, targets=tokens, input_lengths=frames, target_lengths=token_lengths)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss))
    return losses


def talk(model: Any, samples: np.ndarray) -> None:
    """Make a network say this and that: after a few steps a transducer says the blank, or one token again and again."""
    blank = model.joint.num_classes_with_blank - 1 - model.joint.num_extra_outputs
    signal, length = torch.from_numpy(samples)[None], torch.tensor([samples.size])
    with torch.no_grad():
        model.joint.enc.weight *= 8
        model.joint.pred.weight *= 4
        model.joint.joint_net[-1].weight.normal_()
        model.joint.joint_net[-1].bias.zero_()
        logits = joined(model, signal, length, torch.tensor([TOKENS]), torch.tensor([len(TOKENS)]))[0]
        # Before any token the blank wins in half of the frames.
        model.joint.joint_net[-1].bias[blank] -= (
            logits[:, :, 0, blank] - logits[:, :, 0, :blank].amax(dim=-1)
        ).median()


def outputs(model: Any, signal: torch.Tensor, lengths: torch.Tensor) -> list[np.ndarray]:
    """Log-probabilities (T', V) of each waveform; of transducers logits (T', U + 1, V + D) for TOKENS."""
    if is_transducer(model):
        tokens = torch.tensor([TOKENS] * len(signal))
        values, frames = joined(model, signal, lengths, tokens, torch.tensor([len(TOKENS)] * len(signal)))
    else:
        values, frames = ctc(model, signal, lengths)
    return [of_one[: int(count)].numpy() for of_one, count in zip(values, frames, strict=True)]


def hear(model: Any, waveforms: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What a model makes of waveforms, one by one and all in a batch, by the names that compare_nemo.py reads."""
    heard: dict[str, np.ndarray] = {}
    for number, samples in enumerate(waveforms):
        signal, length = torch.from_numpy(samples)[None], torch.tensor([samples.size])
        features, frames = model.preprocessor(input_signal=signal, length=length)
        heard[f"features{number}"] = features[0, :, : int(frames)].T.numpy()
        heard[f"log_probs{number}"] = outputs(model, signal, length)[0]
        if is_transducer(model):
            encoded, lengths = model(input_signal=signal, input_signal_length=length)
            (text,) = model.decoding.rnnt_decoder_predictions_tensor(encoded, lengths)
            heard[f"text{number}"] = np.array(text.text)
    longest = max(w.size for w in waveforms)
    signal = torch.from_numpy(np.stack([np.pad(w, (0, longest - w.size)) for w in waveforms]))
    batched = outputs(model, signal, torch.tensor([w.size for w in waveforms]))
    return heard | {f"batched{number}": values for number, values in enumerate(batched)}


def main(out: Path) -> None:
    import nemo
    from nemo.collections.asr.models import (
        EncDecCTCModel,
        EncDecCTCModelBPE,
        EncDecHybridRNNTCTCBPEModel,
        EncDecRNNTBPEModel,
    )

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
        kind = EncDecRNNTBPEModel if "durations" in options else kind
        model = kind(cfg=OmegaConf.create(config(out, **options)))
        losses = train(model, waveforms, out / "manifest.json")
        model.eval()
        if is_transducer(model):
            talk(model, waveforms[0])
        model.save_to(str(out / f"{name}.nemo"))
        model = kind.restore_from(str(out / f"{name}.nemo"), map_location="cpu").eval()
        if is_transducer(model):
            model.joint.log_softmax = False  # on processors NeMo gives log-probabilities if nobody says otherwise
        with torch.inference_mode():
            np.savez(out / f"{name}.npz", **hear(model, waveforms))
        print(f"{name}: nemo {nemo.__version__}, {STEPS} steps, loss {losses[0]:.2f} to {losses[-1]:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
