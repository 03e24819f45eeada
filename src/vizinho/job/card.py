"""What a card keeps of a job and of where it ran, and the same job made from a card again."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vizinho.corpora.manifest import content_digest, fingerprint
from vizinho.errors import CorpusError, ModelError, StoreError
from vizinho.job.data import Dataset, Source
from vizinho.job.job import Job, MixedDonor
from vizinho.job.start import ReadyJob
from vizinho.model.checkpoint import weights_digest
from vizinho.plan.tokens import RowOptions
from vizinho.store.card import Card
from vizinho.store.store import Store
from vizinho.training.options import TrainingOptions, from_dict
from vizinho.version import __version__

# Cards of versions that recorded fewer of these cannot be reproduced; their models load all the same.
_JOB_KEYS = ("corpora", "minutes", "repeat", "preset", "pieces", "donor_adapter")
LIBRARIES = (
    "torch", "transformers", "accelerate", "tokenizers", "sentencepiece", "safetensors", "peft", "numpy", "scipy",
    "soundfile", "soxr", "lhotse", "panphon", "num2words", "jiwer", "espeakng-loader",
)  # fmt: skip
"""Libraries that influence the numbers on the way from a manifest to weights and scores."""


def recipe_of(job: Job) -> dict[str, Any]:
    """The `recipe` of a card: all training options, tokens and row options."""
    return asdict(job.options) | {"rows": asdict(job.rows), "tokens": job.tokens}


def record(ready: ReadyJob) -> dict[str, Any]:
    """The `job` of a card: its corpora with fingerprints and digests, and what was asked for besides the recipe.

    Paths stand as the user gave them. Hashes the audio that was used; raises CorpusError when some of it is gone.
    """
    job = ready.job
    return {
        "corpora": [source_record(source) for source in ready.dataset.sources],
        "minutes": job.minutes,
        "repeat": list(job.repeat),
        "preset": job.preset,
        "pieces": job.pieces,
        "donor_adapter": job.donor_adapter,
        "head": job.head,
        "language_like": [list(pair) for pair in job.language_like],
        "others": [
            {"ref": o.ref, "language": o.language, "share": o.share, "weights_sha256": weights_digest(o.folder)}
            for o in job.others
        ],
    }


def source_record(source: Source) -> dict[str, Any]:
    """One of the `corpora`: what was used of it, by fingerprint (texts, speakers, sizes) and by content (sound).

    Shards are known by the hashes in their index.
    """
    # `fingerprint` is order-free and cheap; `content` reads every recording, so that a changed sound is noticed.
    shards, listed = source.shards, fingerprint(source.utterances)
    return {
        "place": str(source.place),
        "beside": source.beside,
        "utterances": len(source.utterances) + (shards.utterances if shards else 0),
        "fingerprint": f"{shards.fingerprint}+{listed}" if shards else listed,
        "content": content_digest(source.utterances),
    }


def lacking(card: Card) -> str:
    """Why a card's job cannot be run again, in words; empty where it can."""
    if card.job:
        missing = [key for key in _JOB_KEYS if key not in card.job]
        return f"its card's job lacks {', '.join(missing)}" if missing else ""
    # Merging has no job of its own: what it merged was trained by another one.
    if tuple(card.command[1:3]) == ("models", "merge"):
        return "it was merged from a donor and an adapter; reproduce the model that the adapter belongs to"
    written = card.software.get("vizinho", "of an unknown version")
    return f"its card was written by a vizinho ({written}) that did not record the job (corpora, minutes, size)"


def recorded_job(store: Store, ref: str, card: Card, corpora: Sequence[Path] = ()) -> Job:
    """The job that made a model. `corpora` are where its corpora lie now, in the card's order; none where unmoved.

    Raises ModelError for a card that does not hold the job or whose donor has other weights now, StoreError for a
    donor that is gone, CorpusError for one that is gone or a wrong number of `corpora`.
    """
    if reason := lacking(card):
        raise ModelError(f"it cannot be reproduced: {reason}", where=ref, fix="train it again with this version")
    recorded = card.job["corpora"]
    places = _places(ref, recorded, corpora)
    # A card's recipe is flat: the rows' options and the kind of tokens stand among the training options.
    recipe = dict(card.recipe)
    rows, tokens = from_dict(RowOptions, recipe.pop("rows"), where=f"{ref}: rows"), str(recipe.pop("tokens"))
    # "?" stands for a donor whose language nobody gave: rows then start from letters that look alike.
    language = None if card.donor is None else str(card.donor["language"])
    return Job(
        card.language,
        tuple(m for m, r in zip(places, recorded, strict=True) if not r["beside"]),
        None if card.donor is None else _donor(store, ref, card.donor),
        None if language == "?" else language,
        card.job["donor_adapter"],
        minutes=card.job["minutes"],
        beside=tuple(m for m, r in zip(places, recorded, strict=True) if r["beside"]),
        repeat=tuple(card.job["repeat"]),
        preset=card.job["preset"],
        tokens=tokens,
        pieces=card.job["pieces"],
        normalizer=card.text_normalizer(),
        rows=rows,
        # Cards of version 0.x lack these two: every donor got an output layer for CTC then.
        head=card.job.get("head", "ctc"),
        language_like=tuple((str(code), float(share)) for code, share in card.job.get("language_like", ())),
        # All of dev chose before there was a limit.
        options=from_dict(TrainingOptions, {"dev_minutes": 0.0} | recipe, where=f"{ref}: recipe"),
        others=tuple(
            MixedDonor(str(o["ref"]), _donor(store, ref, o), o["language"], float(o["share"]))
            for o in card.job.get("others", ())
        ),
    )


def _places(ref: str, recorded: Sequence[Mapping[str, Any]], moved: Sequence[Path]) -> list[Path]:
    names = ", ".join(str(r["place"]) for r in recorded)
    if moved and len(moved) != len(recorded):
        raise CorpusError(
            f"{len(moved)} corpora are given, {ref} was trained on {len(recorded)}",
            where="--corpus",
            fix=f"give one for each of {names}, in this order",
        )
    places = list(moved) or [Path(r["place"]) for r in recorded]
    for place in places:
        if not place.exists():
            raise CorpusError(
                f"a corpus that {ref} was trained on is not here",
                where=place,
                fix=f"give its place with --corpus, once for each of {names}, in this order",
            )
    return places


def _donor(store: Store, ref: str, recorded: Mapping[str, Any]) -> Path:
    """Folder of a recorded donor, whose weights must be those that it had."""
    name = str(recorded["ref"])
    try:
        donor = store.resolve(name)
    except StoreError as error:
        raise StoreError(
            f"the donor {name} is no longer there ({error.what})", where=ref, fix="bring it back into the store"
        ) from error
    if weights_digest(donor) != recorded["weights_sha256"]:
        raise ModelError(
            f"the donor {name} has other weights than it had", where=donor, fix="bring the recorded donor back"
        )
    return donor


def changed_sources(dataset: Dataset, card: Card) -> list[str]:
    """A line for each corpus that is not what the card says of it."""
    lines = []
    for source, before in zip(dataset.sources, card.job["corpora"], strict=True):
        now = source_record(source)
        if now["fingerprint"] != before["fingerprint"]:
            lines.append(
                f"{source.place}: fingerprint {now['fingerprint']} ({now['utterances']} utterances), "
                f"recorded {before['fingerprint']} ({before['utterances']})"
            )
        elif now["content"] != before["content"]:
            lines.append(
                f"{source.place}: texts and sizes are as recorded, but the order, the lengths or the sound are not"
            )
    return lines


def software() -> dict[str, str]:
    """Version by name; libraries that are not installed (the extras) are left out."""
    versions = {"vizinho": __version__, "python": platform.python_version()}
    # Read from the packages' metadata: importing them would take seconds.
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    versions["torch"] = torch.__version__  # has the build (+cpu, +cu128) where the package's metadata may not
    return versions


def machine() -> dict[str, str]:
    """Processor with its vector instructions, cores, torch's threads now, torchrun's processes, accelerator, system."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "processes": os.environ.get("WORLD_SIZE", "1"),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    # On Linux `platform` does not know the processor's name; /proc/cpuinfo does, on x86 at least.
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
