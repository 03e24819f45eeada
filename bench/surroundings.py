"""What every benchmark prints first: a figure is worth something only with the machine it was taken on."""

from __future__ import annotations

import os
from pathlib import Path

from vizinho.job.card import machine
from vizinho.parallel import usable_cores

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "sve")
"""Vector instructions on which the rate of a matrix product depends."""


def describe() -> str:
    """Processor, flags, cores and load in one line; a busy machine is said to be one."""
    load = os.getloadavg()[0]
    cores = usable_cores()
    busy = "; BUSY: do not quote these figures" if load > 0.5 * cores else ""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    present = " ".join(flag for flag in _FLAGS if flag in flags) or "no flags known"
    return f"{machine()['processor']} ({present}), {cores} usable cores, load {load:.1f}{busy}"
