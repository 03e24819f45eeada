"""What a result may depend on besides data and options: versions of libraries, and the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from vizinho.version import __version__

LIBRARIES = (
    "torch", "transformers", "accelerate", "tokenizers", "sentencepiece", "safetensors", "peft", "numpy", "scipy",
    "soundfile", "soxr", "lhotse", "panphon", "num2words", "jiwer", "espeakng-loader",
)  # fmt: skip
"""Libraries that influence the numbers on the way from a manifest to weights and scores."""


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
