"""Which process of a run this is, where torchrun started several for one command (training/ranks.py)."""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this process speaks and writes for its run: the first of those that torchrun started, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def started_together() -> int:
    """How many processes torchrun started for this command."""
    return int(os.environ.get("WORLD_SIZE", "1"))


OWN_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""Set to 1 it makes torchrun begin every attempt with a store of addresses of its own."""


def may_wait_for_the_dead() -> bool:
    """Whether processes that torchrun starts again would find the addresses of those that died, and wait for them.

    All attempts share one store of addresses (torch 2.13, DynamicRendezvousHandler.next_rendezvous), and whether a
    process reads the old address or the new one is a matter of luck.
    """
    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))
    return restarts > 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def is_first_attempt() -> bool:
    """False where torchrun started the run's processes again after one of them died (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0
