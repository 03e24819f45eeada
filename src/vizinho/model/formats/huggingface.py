"""Reads model folders as transformers saves them: CTC recognisers, pre-trained encoders, Whisper, transducers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoTokenizer,
    FeatureExtractionMixin,
    ParakeetCTCConfig,
    ParakeetEncoder,
    ParakeetForCTC,
    ParakeetForRNNT,
    ParakeetForTDT,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    WhisperForConditionalGeneration,
    WhisperModel,
)

from vizinho.errors import ModelError, TextError, first_line
from vizinho.model.formats.checks import check_size, check_stored
from vizinho.model.formats.whisper_ctc import WhisperCTCConfig, WhisperForCTC, register
from vizinho.model.frontends import FAMILIES, TRANSDUCERS, WHOLE_WHISPER
from vizinho.model.layers import layer_of
from vizinho.model.networks import Donor, Shape, begin_with_blank
from vizinho.model.whisper import completed
from vizinho.model.whisper_silence import pool_silence
from vizinho.progress import quiet_transformers
from vizinho.text.tokens import inventory_of

SAFE = {"local_files_only": True, "trust_remote_code": False}
"""A folder is data: nothing is fetched, and no code in it is run."""
_AGAIN = "give a folder written by `vizinho train` or by save_pretrained"
_UNUSED_MASK = "its file lacks it; it only fills the network's own masks, which stay off"
_OTHER_TASK = "belongs to the task it was trained for, not to the encoder"
_LFS_POINTER = b"version https://git-lfs"
"""What a clone without Git LFS has in place of a large file."""
_Value = TypeVar("_Value")
_ADAPTER = re.compile(r"adapter\.(.+)\.(?:safetensors|bin)")


def read_folder(folder: Path, adapter: str | None = None, *, ctc: bool = False) -> Donor:
    """Open a folder, in float32 and evaluation mode. Raises ModelError naming the fault.

    Whisper and transducers keep their decoder unless `ctc` asks for the encoder alone.
    """
    _require_files(folder)
    if adapter is not None and adapter not in _adapters(folder):
        known = ", ".join(_adapters(folder)) or "none; leave --adapter out"
        raise ModelError(f"no adapter {adapter!r}", where=folder, fix=f"it has {known}")
    quiet_transformers()
    register()
    config = _guarded(folder, AutoConfig.from_pretrained, folder, **SAFE)
    extractor = _guarded(folder, AutoFeatureExtractor.from_pretrained, folder, **SAFE)
    if config.model_type in WHOLE_WHISPER and not ctc:
        return _whole_whisper(folder, config, extractor)
    if config.model_type in TRANSDUCERS and not ctc:
        return _transducer(folder, config, extractor)
    if config.model_type in _ENCODERS:
        return _encoder_of(folder, config, extractor)
    if config.model_type not in FAMILIES:
        known = ", ".join((*FAMILIES, *_ENCODERS))
        raise ModelError(
            f"networks of type {config.model_type!r} are not known", where=folder, fix=f"known types: {known}"
        )
    model, info = _load(AutoModelForCTC, folder, config)
    missing = set(info["missing_keys"])
    head = {name for name in model.state_dict() if layer_of(name) == "head"}
    headless = head <= missing
    lacking = {name: _UNUSED_MASK for name in missing if name.endswith("masked_spec_embed")}
    _refuse(folder, missing - lacking.keys() - (head if headless else set()), "weights are missing")
    prefix = model.base_model_prefix + "."
    # A bare encoder's file has names without the prefix, so its leftovers look like those of another task. That is
    # harmless: every weight of the encoder itself was there, or it would have been refused as missing.
    unused = {n: s for n, s in _left_over(folder, info).items() if headless and not n.startswith(prefix)}
    _refuse(folder, set(info["unexpected_keys"]) - unused.keys(), "weights have no place")
    if adapter is not None:
        # MMS: an adapter in every block and an output layer for each language (Pratap et al. 2023, arXiv 2305.13516).
        _guarded(folder, model.load_adapter, adapter, local_files_only=True)
    # The networks' own masks draw from numpy's global state, which no checkpoint could restore; vizinho.audio.augment
    # masks features instead.
    model.config.apply_spec_augment = False
    tokenizer = None if headless else _tokenizer(folder, model, adapter)
    return Donor(
        model.eval(),
        extractor,
        (config.architectures or [type(model).__name__])[0],
        tokenizer,
        lacking,
        {name: (shape, _OTHER_TASK) for name, shape in unused.items()},
        _notes(folder, model, tokenizer, adapter),
    )


def _whole_whisper(folder: Path, config: PreTrainedConfig, extractor: FeatureExtractionMixin) -> Donor:
    _require_tokenizer(folder, "Whisper")
    model, info = _load(WhisperForConditionalGeneration, folder, config)
    _refuse(folder, info["missing_keys"], "weights are missing")
    _refuse(folder, info["unexpected_keys"], "weights have no place")
    if getattr(model.generation_config, "no_timestamps_token_id", None) is None:
        raise ModelError(
            "its generation settings do not name the token <|notimestamps|>",
            where=folder / "generation_config.json",
            fix="copy the file from the model's hub page, or take the encoder alone: transfer --head ctc",
        )
    pool_silence(model)
    tokenizer = completed(read_tokenizer(folder), config.vocab_size)
    if len(tokenizer) != config.vocab_size:
        raise ModelError(
            f"the tokeniser has {len(tokenizer)} tokens, config.json says {config.vocab_size}",
            where=folder,
            fix="restore the tokeniser that the model was trained with",
        )
    return Donor(model.eval(), extractor, (config.architectures or [type(model).__name__])[0], tokenizer)


def _transducer(folder: Path, config: PreTrainedConfig, extractor: FeatureExtractionMixin) -> Donor:
    _require_tokenizer(folder, "a transducer")
    blank = config.blank_token_id
    if not 0 <= blank < config.vocab_size:
        raise ModelError(
            f"its blank is row {blank} of {config.vocab_size}",
            where=folder / "config.json",
            fix="restore the config.json that the model was trained with",
        )
    model, info = _load(_ENCODERS[config.model_type], folder, config)
    _refuse(folder, info["missing_keys"], "weights are missing")
    _refuse(folder, info["unexpected_keys"], "weights have no place")
    begin_with_blank(model)
    # The blank has a row of its own; the padding token's row is never said.
    tokenizer = read_tokenizer(folder)
    _inventory(folder, tokenizer, config.vocab_size, blank)
    return Donor(model.eval(), extractor, (config.architectures or [type(model).__name__])[0], tokenizer)


def _require_tokenizer(folder: Path, what: str) -> None:
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        raise ModelError(
            f"{what} without its tokeniser cannot write",
            where=folder,
            fix="copy tokenizer.json into the folder, or take the encoder alone: transfer --head ctc",
        )


_ENCODERS: dict[str, type[PreTrainedModel]] = {
    "whisper": WhisperModel,
    "parakeet_encoder": ParakeetEncoder,
    "parakeet_rnnt": ParakeetForRNNT,
    "parakeet_tdt": ParakeetForTDT,
}
"""Model types whose encoder is taken out of its network and given an output layer for CTC."""


def _encoder_of(folder: Path, config: PreTrainedConfig, extractor: FeatureExtractionMixin) -> Donor:
    whole, info = _load(_ENCODERS[config.model_type], folder, config)
    _refuse(folder, info["missing_keys"], "weights are missing")
    encoder = getattr(whole, "encoder", whole)
    if config.model_type == "whisper":
        network: PreTrainedModel = WhisperForCTC(WhisperCTCConfig(**_plain(config), vocab_size=1, pad_token_id=0))
    else:
        network = ParakeetForCTC(
            ParakeetCTCConfig(encoder_config=encoder.config.to_dict(), vocab_size=1, pad_token_id=0)
        )
    network.encoder.load_state_dict(encoder.state_dict())
    rest = {} if whole is encoder else {n: t for n, t in whole.state_dict().items() if not n.startswith("encoder.")}
    shapes = {name: tuple(tensor.shape) for name, tensor in rest.items()} | _left_over(folder, info)
    return Donor(
        network.eval(),
        extractor,
        (config.architectures or [type(whole).__name__])[0],
        unused={name: (shape, _OTHER_TASK) for name, shape in shapes.items()},
    )


def _plain(config: PreTrainedConfig) -> dict[str, Any]:
    """Whisper's settings of the encoder; those of its tokens and of generation mean nothing to CTC."""
    names = (
        "num_mel_bins encoder_layers encoder_attention_heads encoder_ffn_dim encoder_layerdrop activation_function"
        " d_model dropout attention_dropout activation_dropout init_std scale_embedding max_source_positions"
    )
    return {name: getattr(config, name) for name in names.split()}


def _load(kind: Any, folder: Path, config: PreTrainedConfig) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The network, and which weights were missing or surplus. Pickled weights are read as tensors alone."""
    for path in (*folder.glob("pytorch_model*.bin"), *folder.glob("adapter.*.bin")):
        with path.open("rb") as file:
            _guarded(folder, check_stored, file, path.name)
    _guarded(folder, check_size, folder, kind, config)
    model, info = _guarded(
        folder,
        kind.from_pretrained,
        folder,
        output_loading_info=True,
        use_safetensors=bool(list(folder.glob("*.safetensors"))),
        weights_only=True,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        **SAFE,
    )
    # Mismatches are reported instead of raised by the library, so that the error names the weights.
    mismatched = [key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"]]
    _refuse(folder, mismatched, "weights have another shape than config.json says")
    return model, info


def _left_over(folder: Path, info: Mapping[str, Any]) -> dict[str, Shape]:
    """Shapes of what the file has and the network has no place for; read from its header."""
    names = set(info["unexpected_keys"])
    shapes: dict[str, Shape] = {}
    for file in folder.glob("*.safetensors") if names else ():
        with safe_open(file, "pt") as tensors:
            shapes |= {name: tuple(tensors.get_slice(name).get_shape()) for name in names & set(tensors.keys())}
    return {name: shapes.get(name, ()) for name in sorted(names)}


def _adapters(folder: Path) -> list[str]:
    return sorted({match.group(1) for path in folder.iterdir() if (match := _ADAPTER.fullmatch(path.name))})


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokeniser of a folder. Raises ModelError when it cannot be read."""
    return _guarded(folder, AutoTokenizer.from_pretrained, folder, **SAFE)


def _tokenizer(folder: Path, model: PreTrainedModel, adapter: str | None) -> PreTrainedTokenizerBase:
    tokenizer = read_tokenizer(folder)
    if adapter is not None:
        _guarded(folder, tokenizer.set_target_lang, adapter)
    _inventory(folder, tokenizer, int(model.config.vocab_size))
    if tokenizer.pad_token_id != model.config.pad_token_id:
        raise ModelError(
            f"config.json says that the blank is row {model.config.pad_token_id}, "
            f"the tokeniser says {tokenizer.pad_token_id}",
            where=folder,
            fix="restore the tokeniser that the model was trained with",
        )
    return tokenizer


def _inventory(folder: Path, tokenizer: PreTrainedTokenizerBase, rows: int, blank: int | None = None) -> None:
    """Raises ModelError where the tokens are not those of the network's rows."""
    try:
        inventory_of(tokenizer, rows, blank)
    except TextError as error:
        raise ModelError(error.what, where=folder, fix=error.fix) from error


def _notes(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, adapter: str | None
) -> tuple[str, ...]:
    notes = []
    if _adapters(folder):
        using = adapter or getattr(tokenizer, "target_lang", None) or "the one in its main file"
        notes.append(f"language adapter: {using}; it has {', '.join(_adapters(folder))}")
    if tokenizer is not None:
        beyond = sorted(t for t, row in tokenizer.get_vocab().items() if row >= model.config.vocab_size)
        if beyond:
            notes.append(f"tokens without an output row: {' '.join(beyond)}")
    return tuple(notes)


def _require_files(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError("no such model folder", where=folder, fix="see `vizinho models list`")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            "an adapter, not a model", where=folder, fix="merge it with its donor first: vizinho models merge"
        )
    for path in (*folder.glob("*.safetensors"), *folder.glob("*.bin")):
        with path.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise ModelError(
                    "a pointer to the weights, not the weights", where=path, fix="fetch them with `git lfs pull`"
                )
    lacking = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any(folder.glob("model*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        lacking.append("model.safetensors")
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        # A default would guess whether audio is normalised, and be silently wrong.
        lacking.append("preprocessor_config.json")
    if lacking:
        what = f"the folder lacks {', '.join(lacking)}"
        fix = (
            _AGAIN
            if len(lacking) > 1 or "config.json" in lacking
            else f"copy it from where the model is from, or {_AGAIN}"
        )
        raise ModelError(what, where=folder, fix=fix)


def _refuse(folder: Path, names: Iterable[str], what: str) -> None:
    keys = sorted(names)
    if keys:
        shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        fix = "the weights are incomplete or of another model; copy the folder again"
        raise ModelError(f"{what}: {shown}", where=folder, fix=fix)


def _guarded(folder: Path, call: Callable[..., _Value], *args: Any, **options: Any) -> _Value:
    """Call the library; a broken folder makes it raise many kinds of errors, which become one kind for users."""
    try:
        return call(*args, **options)
    except ModelError as error:
        raise ModelError(error.what, where=f"{folder} {error.where}".strip(), fix=error.fix) from error
    except Exception as error:
        raise ModelError(f"cannot be loaded ({first_line(error)})", where=folder, fix=_AGAIN) from error
