"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): the donor stays as it is, a few small matrices learn.

An adapter's folder contains those matrices as peft writes them (adapter_config.json, adapter_model.safetensors), the
target's output layer (head.safetensors), its tokens, and origin.json, which names the donor by the hash of its weights.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from vizinho.errors import ModelError, SpecError
from vizinho.files import write_json
from vizinho.model.checkpoint import like, load_donor, processor_of, weights_digest
from vizinho.model.formats.huggingface import read_tokenizer
from vizinho.model.frontends import is_whole_whisper
from vizinho.model.layers import AdapterOptions, layer_of
from vizinho.model.networks import Checkpoint, Donor, weights

if TYPE_CHECKING:
    from peft import LoraConfig, LoraModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HEAD, ORIGIN = "head.safetensors", "origin.json"
_MATRICES = "adapter_model.safetensors"
_OPAQUE = ("WavLMAttention",)
"""Modules that use their projections' weights without calling them: an adapter there would have no effect."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A trained adapter: its matrices by peft's names, and peft's description of them."""

    config: LoraConfig
    matrices: Mapping[str, torch.Tensor]


def attach(model: PreTrainedModel, options: AdapterOptions, seed: int) -> LoraModel:
    """Put fresh adapters into a network in place; its outputs stay as they are. Returns peft's handle on them.

    Raises SpecError where the network has no such linear maps.
    """
    from peft import LoraConfig

    targets = _targets(model, options.where)
    if not targets:
        what = f"{type(model).__name__} has no linear maps that an adapter of {options.where!r} could change"
        raise SpecError(what, where="adapter.where", fix='use "all"')
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        use_dora=options.kind == "dora",
        target_modules=targets,
    )
    torch.manual_seed(seed)
    return _inject(model, config)


def take(handle: LoraModel) -> Adapter:
    """A copy of the adapter in a network."""
    from peft import get_peft_model_state_dict

    matrices = get_peft_model_state_dict(handle.model)
    return Adapter(handle.peft_config["default"], {n: t.detach().clone() for n, t in matrices.items()})


def merge(handle: LoraModel) -> None:
    """Add the adapters to the weights that they change and remove them; parameters then have their old names.

    Raises ModelError when a merged weight is not a number.
    """
    try:
        handle.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ModelError(f"the adapter cannot be merged ({error})", fix="train again with a lower rate") from error


def save_adapter(folder: Path, adapter: Adapter, checkpoint: Checkpoint, origin: Mapping[str, Any]) -> None:
    """Write an adapter's folder. `origin` describes it: "language", "donor" with "weights_sha256", and more."""
    folder.mkdir(parents=True, exist_ok=True)
    adapter.config.save_pretrained(folder)
    save_file({f"base_model.model.{n}": t.contiguous() for n, t in adapter.matrices.items()}, folder / _MATRICES)
    head = {n: t.clone() for n, t in weights(checkpoint.model).items() if layer_of(n) == "head"}
    save_file(head, folder / HEAD)
    if is_whole_whisper(checkpoint.model):
        checkpoint.model.generation_config.save_pretrained(folder)  # names the language
    processor_of(checkpoint).save_pretrained(folder)
    write_json(folder / ORIGIN, dict(origin))


def read_origin(folder: Path) -> dict[str, Any]:
    """What an adapter's folder says about itself. Raises ModelError when it is no adapter's folder."""
    lacking = [name for name in (ORIGIN, HEAD, _MATRICES, "adapter_config.json") if not (folder / name).is_file()]
    if lacking:
        what = f"not an adapter: it lacks {', '.join(lacking)}"
        raise ModelError(what, where=folder, fix="give the adapter/ folder of a model")
    try:
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        str(origin["donor"]["weights_sha256"]), str(origin["language"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("not an adapter's origin", where=folder / ORIGIN, fix="copy the adapter again") from error
    return dict(origin)


def merge_adapter(donor: Path, folder: Path) -> Checkpoint:
    """The recogniser that a donor and an adapter make together.

    Raises ModelError when the adapter was trained on other weights, or when a file is broken.
    """
    origin = read_origin(folder)
    if weights_digest(donor) != origin["donor"]["weights_sha256"]:
        raise ModelError(
            "the adapter was trained on other weights than these",
            where=donor,
            fix=f"give the donor {origin['donor'].get('ref', 'it was trained on')}",
        )
    tokenizer = read_tokenizer(folder)
    try:
        from peft import LoraConfig, set_peft_model_state_dict

        head = load_file(folder / HEAD)
        original = _origin_of(donor, head, origin.get("donor_adapter"))
        network = _with_head(original, head, tokenizer)
        if is_whole_whisper(network):
            network.generation_config = GenerationConfig.from_pretrained(folder)
        handle = _inject(network, LoraConfig.from_pretrained(str(folder)))
        matrices = {n.removeprefix("base_model.model."): t for n, t in load_file(folder / _MATRICES).items()}
        result = set_peft_model_state_dict(network, matrices)
        if result.unexpected_keys:
            raise ModelError("the adapter has weights without a place", where=result.unexpected_keys[0])
        merge(handle)
    except ModelError:
        raise
    except Exception as error:  # safetensors, peft and torch raise many kinds for broken files
        raise ModelError(f"the adapter cannot be read ({error})", where=folder, fix="copy it again") from error
    return Checkpoint(network.eval(), original.extractor, tokenizer)


def _with_head(donor: Donor, head: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The donor's network with the adapter's output layer, in which it has one row per token of `tokenizer`."""
    if donor.tokenizer is None or donor.tokenizer.get_vocab() != tokenizer.get_vocab():
        if is_whole_whisper(donor.model):
            fix = "take the model folder that the adapter is in; it is whole"
            raise ModelError("the adapter's language has a token that the donor lacks", fix=fix)
        network = like(donor.model, tokenizer, seed=0)
        network.load_state_dict(donor.weights() | head, strict=not donor.lacking)
        return network
    # A vocabulary that stayed: the rows and the blank are the donor's too.
    network = copy.deepcopy(donor.model)
    if unknown := network.load_state_dict(head, strict=False).unexpected_keys:
        raise ModelError("the adapter's output layer has no place in the donor", where=unknown[0])
    return network


def _origin_of(path: Path, head: dict[str, torch.Tensor], adapter: str | None) -> Donor:
    """The donor as the adapter was trained on it: one with a decoder, or its encoder alone (--head ctc)."""
    donor = load_donor(path, adapter)
    # The encoder alone got an output layer that the network with its decoder does not have.
    return donor if head.keys() <= weights(donor.model).keys() else load_donor(path, adapter, ctc=True)


def _inject(model: PreTrainedModel, config: LoraConfig) -> LoraModel:
    from peft import LoraModel

    head = [parameter for name, parameter in model.named_parameters() if layer_of(name) == "head"]
    handle = LoraModel(model, config, "default")
    # peft freezes everything but its own matrices; the target's output layer must learn too.
    for parameter in head:
        parameter.requires_grad_(True)
    return handle


def _targets(model: PreTrainedModel, where: str) -> list[str]:
    opaque = [name for name, module in model.named_modules() if type(module).__name__ in _OPAQUE]
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and layer_of(f"{name}.weight").startswith(("block", "decoder"))
        and (where == "all" or "attn" in name or "attention" in name)
        and not any(name.startswith(f"{parent}.") for parent in opaque)
    ]
