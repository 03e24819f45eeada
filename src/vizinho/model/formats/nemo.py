"""Reads NeMo's .nemo archives of FastConformer models without NeMo and without unpacking them to disk.

An archive is a tar file with model_config.yaml, model_weights.ckpt (tensors pickled by torch) and a tokeniser. Members
are read in place, so no name in an archive can overwrite a file on disk; weights are read as tensors alone. Nothing is
accepted that is much larger than the archive itself: not its members, not its tensors, not the network they describe.
"""

from __future__ import annotations

import re
import reprlib
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

import torch
import yaml
from transformers import (
    ParakeetCTCConfig,
    ParakeetEncoderConfig,
    ParakeetFeatureExtractor,
    ParakeetForCTC,
    ParakeetForRNNT,
    ParakeetForTDT,
    ParakeetRNNTConfig,
    ParakeetTDTConfig,
    ParakeetTokenizer,
    PreTrainedModel,
)

from vizinho.audio.io import SAMPLE_RATE
from vizinho.errors import ModelError, first_line
from vizinho.model.formats.checks import check_stored
from vizinho.model.formats.pieces import label_tokenizer, piece_tokenizer
from vizinho.model.networks import Donor, Shape, begin_with_blank, is_transducer

CONFIG, WEIGHTS = "model_config.yaml", "model_weights.ckpt"
SMALL_BYTES = 64 * 2**20
"""More than any configuration or tokeniser has; a larger one is a fault or an attack."""

_UNPACKED = 20
"""How many times its own size a compressed archive may unpack to; weights hardly compress, zeros a thousandfold."""

_HEADS = {
    "EncDecCTCModel": "decoder",
    "EncDecCTCModelBPE": "decoder",
    "EncDecHybridRNNTCTCModel": "ctc_decoder",
    "EncDecHybridRNNTCTCBPEModel": "ctc_decoder",
    "EncDecRNNTModel": "",
    "EncDecRNNTBPEModel": "",
}
"""Kinds of models, and where their CTC output layer is ("": they have none; they are transducers)."""

_KEYS = (
    (r"encoder\.pre_encode\.conv\.(\d+)\.(.+)", r"encoder.subsampling.layers.\1.\2"),
    (r"encoder\.pre_encode\.out\.(.+)", r"encoder.subsampling.linear.\1"),
    (r"(encoder\.layers\.\d+\.self_attn)\.pos_bias_([uv])", r"\1.bias_\2"),
    (r"(encoder\.layers\.\d+\.self_attn)\.linear_([qkv])\.(.+)", r"\1.\2_proj.\3"),
    (r"(encoder\.layers\.\d+\.self_attn)\.linear_out\.(.+)", r"\1.o_proj.\2"),
    (r"(encoder\.layers\.\d+\.self_attn)\.linear_pos\.(.+)", r"\1.relative_k_proj.\2"),
    (r"(encoder\.layers\.\d+\.conv)\.batch_norm\.(.+)", r"\1.norm.\2"),
    (r"(encoder\.layers\.\d+\..+)", r"\1"),
)
"""NeMo's names and those of ParakeetForCTC; the first pattern that fits the whole name decides."""
_TRANSDUCER_KEYS = (
    (r"decoder\.prediction\.embed\.(.+)", r"decoder.embedding.\1"),
    (r"decoder\.prediction\.dec_rnn\.lstm\.(.+)", r"decoder.lstm.\1"),
    (r"joint\.pred\.(.+)", r"decoder.decoder_projector.\1"),
    (r"joint\.enc\.(.+)", r"encoder_projector.\1"),
    (r"joint\.joint_net\.\d\.(.+)", r"joint.head.\1"),
)
"""And of ParakeetForRNNT and ParakeetForTDT; the joint's layer comes after its activation and, perhaps, dropout."""

_ENCODER: dict[str, tuple[Any, ...]] = {
    "subsampling": ("dw_striding",),
    "self_attention_model": ("rel_pos",),
    "att_context_style": ("regular",),
    "causal_downsampling": (False,),
    "conv_norm_type": ("batch_norm",),
    "conv_context_size": (None,),
    "untie_biases": (True,),
    "reduction": (None,),
    "att_context_size": ([-1, -1], None, [[-1, -1]]),
}
_FEATURES: dict[str, tuple[Any, ...]] = {
    "sample_rate": (SAMPLE_RATE,),
    "normalize": ("per_feature",),
    "window": ("hann",),
    "window_size": (0.025,),
    "window_stride": (0.01,),
    "frame_splicing": (1,),
    "log": (True,),
    "mag_power": (2.0,),
    "preemph": (0.97,),
    "log_zero_guard_type": ("add",),
    "log_zero_guard_value": (2**-24,),
    "exact_pad": (False,),
}
"""Settings that ParakeetForCTC and its extractor have built in. Other values are refused, the first is the default."""
_DECODER: dict[str, tuple[Any, ...]] = {
    "_target_": ("nemo.collections.asr.modules.RNNTDecoder",),
    "normalization_mode": (None,),
    "blank_as_pad": (True,),
}
"""Settings that ParakeetForRNNT's prediction network has built in; stateless ones, for example, are other networks."""
_OTHER_PARTS = {
    "encoder": "choose a FastConformer model without limited context",
    "preprocessor": "choose a FastConformer model with NeMo's default features",
    "decoder": "take the encoder alone: transfer --head ctc",
}
"""What to do about a part with other settings."""
_MAKES_FEATURES = "makes the features; the extractor has the same"
_NOT_NEMO = "this is not what NeMo writes"
_OTHER_DECODER = "belongs to the transducer; only the encoder and the CTC layer are taken"


def read_archive(path: Path, *, ctc: bool = False) -> Donor:
    """Open an archive in float32 and evaluation mode. Raises ModelError naming the fault or the unknown setting.

    Transducers keep their decoder unless `ctc` asks for the encoder alone; of hybrids the CTC layer is taken.
    """
    try:
        with tarfile.open(path, "r:*") as archive:
            config = _settings(archive)
            kind = str(config.get("target", "")).rpartition(".")[2]
            if kind not in _HEADS:
                raise ModelError(f"a NeMo model of kind {kind!r} is not known", fix=f"known: {', '.join(_HEADS)}")
            _check(config, "encoder", _ENCODER)
            _check(config, "preprocessor", _FEATURES)
            encoder_alone = ctc and not _HEADS[kind]
            if not _HEADS[kind] and not ctc:
                _check(config, "decoder", _DECODER)
            tensors = _tensors(archive)
            tokenizer = None if encoder_alone else _tokenizer(archive, config)
        return _donor(config, kind, tensors, tokenizer)
    except ModelError as error:
        raise ModelError(error.what, where=f"{path} {error.where}".strip(), fix=error.fix) from error
    except Exception as error:  # tar, YAML, pickle, protobuf and torch raise many kinds for damaged bytes
        what = f"cannot be read as a .nemo archive ({first_line(error)})"
        raise ModelError(what, where=path, fix="copy it again") from error


def _donor(
    config: Mapping[str, Any], kind: str, tensors: Mapping[str, torch.Tensor], tokenizer: ParakeetTokenizer | None
) -> Donor:
    transducer = tokenizer is not None and not _HEADS[kind]
    mapped, unused = _rename(tensors, _HEADS[kind], transducer)
    # NeMo puts the blank after all tokens.
    blank = len(tokenizer) - 1 if tokenizer is not None else 0
    encoder = _encoder_config(config, mapped)
    if transducer:
        network_class, settings = _transducer(config, encoder, mapped, blank)
    else:
        network_class = ParakeetForCTC
        settings = ParakeetCTCConfig(
            encoder_config=encoder.to_dict(), vocab_size=blank + 1, pad_token_id=blank, ctc_zero_infinity=False
        )
    with torch.device("meta"):  # a few numbers can describe a network that no memory holds: first its shapes alone
        expected = network_class(settings).state_dict()
    extractor = ParakeetFeatureExtractor(feature_size=encoder.num_mel_bins, sampling_rate=SAMPLE_RATE)
    _check_features(tensors, extractor)
    if tokenizer is None:
        expected = {name: tensor for name, tensor in expected.items() if not name.startswith("ctc_head.")}
    for name, tensor in expected.items():
        if name not in mapped:
            raise ModelError("the weights are missing", where=name, fix="the archive is incomplete; copy it again")
        if mapped[name].shape != tensor.shape:
            raise ModelError(
                f"its shape is {tuple(mapped[name].shape)}, the settings say {tuple(tensor.shape)}",
                where=name,
                fix="the weights belong to another configuration; copy the archive again",
            )
    network = network_class(settings)
    if tokenizer is None:
        mapped |= {name: tensor for name, tensor in network.state_dict().items() if name.startswith("ctc_head.")}
    network.load_state_dict(mapped, strict=True)
    if is_transducer(network):
        begin_with_blank(network)
    return Donor(network.float().eval(), extractor, f"{kind} (.nemo)", tokenizer, unused=unused)


def _transducer(
    config: Mapping[str, Any], encoder: ParakeetEncoderConfig, tensors: Mapping[str, torch.Tensor], blank: int
) -> tuple[type[PreTrainedModel], ParakeetRNNTConfig]:
    """The class and settings of a transducer; TDT has durations among its settings and rows for them."""
    defaults, joint = config.get("model_defaults") or {}, config.get("joint") or {}
    durations = [int(d) for d in defaults.get("tdt_durations") or ()]
    greedy = (config.get("decoding") or {}).get("greedy") or {}
    layers = sum(name.startswith("decoder.lstm.weight_ih_l") for name in tensors)
    options: dict[str, Any] = {
        "encoder_config": encoder.to_dict(),
        "vocab_size": blank + 1,
        "decoder_hidden_size": tensors["decoder.embedding.weight"].shape[1],
        "num_decoder_layers": layers,
        "hidden_act": str((joint.get("jointnet") or {}).get("activation", "relu")).lower(),
        "max_symbols_per_step": int(greedy.get("max_symbols") or defaults.get("max_symbols") or 10),
        "pad_token_id": blank,
        "blank_token_id": blank,
    }
    if durations:
        return ParakeetForTDT, ParakeetTDTConfig(**options, durations=durations)
    return ParakeetForRNNT, ParakeetRNNTConfig(**options)


def _rename(
    tensors: Mapping[str, torch.Tensor], head: str, transducer: bool
) -> tuple[dict[str, torch.Tensor], dict[str, tuple[Shape, str]]]:
    mapped: dict[str, torch.Tensor] = {}
    unused: dict[str, tuple[Shape, str]] = {}
    keys = (*_KEYS, *_TRANSDUCER_KEYS) if transducer else _KEYS
    for name, tensor in tensors.items():
        renamed = next((re.sub(nemo, parakeet, name) for nemo, parakeet in keys if re.fullmatch(nemo, name)), None)
        if head and name.startswith(f"{head}.decoder_layers.0."):
            renamed = f"ctc_head.{name.rpartition('.')[2]}"
        if renamed is not None:
            mapped[renamed] = tensor
        elif name.startswith("preprocessor."):
            unused[name] = (tuple(tensor.shape), _MAKES_FEATURES)
        elif not transducer and _is_other_decoders(name, head):
            unused[name] = (tuple(tensor.shape), _OTHER_DECODER)
        else:
            raise ModelError("weights have no place", where=name, fix="only FastConformer models can be read")
    return mapped, unused


def _is_other_decoders(name: str, head: str) -> bool:
    of_decoder = name.startswith(("decoder.", "joint.", "ctc_decoder."))
    return of_decoder and not (head and name.startswith(f"{head}."))


def _encoder_config(config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> ParakeetEncoderConfig:
    """Sizes are read off the weights, where they cannot be wrong; switches and dropout come from the settings."""
    layers: dict[int, set[str]] = {}
    for name in tensors:
        if m := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", name):
            layers.setdefault(int(m[1]), set()).add(m[2])
    # A name alone is no layer: a thousand of them would be a thousand layers to build.
    for number in range(len(layers)):
        if lacking := layers.get(0, set()) ^ layers.get(number, set()):
            where = f"encoder.layers.{number}.{min(lacking)}"
            raise ModelError("the weights are missing", where=where, fix="the archive is incomplete; copy it again")
    # The front end halves time with each 3 x 3 kernel; its pointwise convolutions have kernels of 1 x 1.
    halvings = sum(name.endswith("weight") and t.shape[-1] == 3 and t.ndim == 4 for name, t in tensors.items())
    encoder, block = config["encoder"], "encoder.layers.0"
    # bias_u (H, D): the one tensor that tells the number of heads apart from their width.
    heads, head_size = tensors[f"{block}.self_attn.bias_u"].shape
    sizes = {
        "d_model": heads * head_size,
        "n_heads": heads,
        "n_layers": len(layers),
        "subsampling_factor": 2**halvings,
        "conv_kernel_size": tensors[f"{block}.conv.depthwise_conv.weight"].shape[-1],
    }
    for name, size in sizes.items():
        if name in encoder and encoder[name] != size:
            raise ModelError(f"{name} is {encoder[name]}, the weights have {size}", where=CONFIG, fix="copy it again")
    features = int(encoder["feat_in"])
    if features > 1024:
        raise ModelError(f"feat_in is {features}", where=CONFIG, fix="copy the archive again")
    bias = f"{block}.feed_forward1.linear1.bias" in tensors
    return ParakeetEncoderConfig(
        hidden_size=sizes["d_model"],
        num_hidden_layers=sizes["n_layers"],
        num_attention_heads=heads,
        intermediate_size=tensors[f"{block}.feed_forward1.linear1.weight"].shape[0],
        attention_bias=bias,
        convolution_bias=bias,
        conv_kernel_size=sizes["conv_kernel_size"],
        subsampling_factor=sizes["subsampling_factor"],
        subsampling_conv_channels=tensors["encoder.subsampling.layers.0.weight"].shape[0],
        num_mel_bins=features,
        dropout=float(encoder.get("dropout_pre_encoder", 0.1)),
        dropout_positions=float(encoder.get("dropout_emb", 0.0)),
        activation_dropout=float(encoder.get("dropout", 0.1)),
        attention_dropout=float(encoder.get("dropout_att", 0.1)),
        layerdrop=0.0,
        scale_input=bool(encoder.get("xscaling", True)),
    )


def _check(config: Mapping[str, Any], part: str, known: Mapping[str, tuple[Any, ...]]) -> None:
    settings = config.get(part)
    if not isinstance(settings, dict):
        raise ModelError(f"no {part} in the settings", where=CONFIG, fix="only FastConformer models can be read")
    for name, values in known.items():
        value = settings.get(name, values[0])
        if value not in values:
            raise ModelError(
                f"{part}.{name} is {reprlib.repr(value)}; only {values[0]!r} can be read",
                where=CONFIG,
                fix=_OTHER_PARTS[part],
            )


def _check_features(tensors: Mapping[str, torch.Tensor], extractor: ParakeetFeatureExtractor) -> None:
    """The archive contains the mel filters and the window of its training: the extractor must have the same."""
    built_in = {
        "preprocessor.featurizer.fb": extractor.mel_filters[None],
        "preprocessor.featurizer.window": torch.hann_window(extractor.win_length, periodic=False),
    }
    for name, expected in built_in.items():
        stored = tensors.get(name)
        if stored is not None and (stored.shape != expected.shape or not torch.allclose(stored, expected, atol=1e-5)):
            raise ModelError(
                "the model was trained with other features", where=name, fix="only NeMo's default features can be read"
            )


def _settings(archive: tarfile.TarFile) -> dict[str, Any]:
    settings = yaml.safe_load(_bytes(archive, CONFIG).decode("utf-8"))
    if not isinstance(settings, dict):
        raise ModelError("the settings are no mapping", where=CONFIG, fix="copy the archive again")
    if _values(settings, {}) > SMALL_BYTES:
        raise ModelError("the settings repeat themselves without end", where=CONFIG, fix=_NOT_NEMO)
    return settings


def _values(value: Any, known: dict[int, int]) -> int:
    """How many values these are, written out: YAML can refer to one part many times, ten lines can mean a billion."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = SMALL_BYTES  # the answer for a part that contains itself
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(value)]


def _tensors(archive: tarfile.TarFile) -> dict[str, torch.Tensor]:
    # Copied to a nameless file: torch reads out of order, which a compressed archive cannot do.
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(_member(archive, WEIGHTS), file)
        size = file.tell()
        check_stored(file, WEIGHTS)
        file.seek(0)
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(tensors, dict) or not all(isinstance(t, torch.Tensor) for t in tensors.values()):
        raise ModelError("the weights are no table of tensors", where=WEIGHTS, fix="copy the archive again")
    # A tensor can repeat one number a million times (stride 0), and a file can name one tensor a thousand times.
    unpacked = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if unpacked > 2 * size:
        raise ModelError(f"its tensors are {unpacked} bytes in a file of {size}", where=WEIGHTS, fix=_NOT_NEMO)
    return {str(name): tensor for name, tensor in tensors.items()}


def _tokenizer(archive: tarfile.TarFile, config: Mapping[str, Any]) -> ParakeetTokenizer:
    """Tokens of the output layer: those of the SentencePiece model where there is one, else the settings' labels."""
    decoder = config.get("aux_ctc", config).get("decoder", {})
    named = decoder.get("vocabulary") or config.get("labels") or (config.get("joint") or {}).get("vocabulary")
    labels = [str(label) for label in named or ()]
    settings = config.get("tokenizer")
    if settings is None:
        if not labels:
            raise ModelError("no tokens in the settings", where=CONFIG, fix="copy the archive again")
        return label_tokenizer(labels)
    model = str(settings.get("model_path") or "").removeprefix("nemo:")
    if not model.endswith(".model"):
        raise ModelError(f"the tokeniser {model!r} is not known", where=CONFIG, fix="SentencePiece models can be read")
    tokenizer = piece_tokenizer(_bytes(archive, model))
    pieces = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    if labels and labels != pieces[:-1]:
        raise ModelError(
            "the tokeniser's pieces are not those of the settings", where=model, fix="copy the archive again"
        )
    return tokenizer


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """The first plain file of that name. Links, devices and sparse files are skipped."""
    size = _size(archive)
    for member in archive:
        if member.offset_data + member.size > size:
            raise ModelError(f"more than {size} bytes are in it", where=member.name[:200], fix=_NOT_NEMO)
        if PurePosixPath(member.name).name == name and member.isreg() and not member.issparse():
            file = archive.extractfile(member)
            if file is not None:
                return file
    raise ModelError(f"the archive lacks {name}", fix="give a .nemo file that NeMo's save_to wrote")


def _size(archive: tarfile.TarFile) -> int:
    """Bytes that an archive may unpack to: a multiple of its file's, since it may be compressed."""
    packed = Path(str(archive.name)).stat().st_size
    return max(SMALL_BYTES, _UNPACKED * packed)


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    content = _member(archive, name).read(SMALL_BYTES + 1)
    if len(content) > SMALL_BYTES:
        raise ModelError(f"{name} is larger than {SMALL_BYTES} bytes", fix=_NOT_NEMO)
    return content
