"""Which process of a run this is, where torchrun started several for one command (training/ranks.py)."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this process writes and logs for its run: the first that torchrun started, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """How many processes torchrun started for this command; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


SEPARATE_STORES = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""Environment variable: 1 makes torchrun begin every attempt with a new store of the processes' addresses."""


def restart_may_hang() -> bool:
    """Whether processes that torchrun restarts could read the addresses of dead ones, and wait for them for ever.

    All attempts share one store of addresses (torch 2.13, DynamicRendezvousHandler.next_rendezvous), and whether a
    process reads the old address or the new one depends on timing.
    """
    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))
    return restarts > 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def is_first_attempt() -> bool:
    """False where torchrun started the run's processes again after one of them died (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0
