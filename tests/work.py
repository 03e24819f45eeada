"""What `parallel.spread` is tested with; here, so that spawned processes can import it."""

import os
import signal


def times(factor):
    return lambda group: [(factor * item, os.getpid()) for item in group]


def dying(_nothing):
    return lambda _group: os.kill(os.getpid(), signal.SIGKILL)


def refusing(limit):
    def work(group):
        if max(group) >= limit:
            raise ValueError(f"{max(group)} is too much")
        return list(group)

    return work


def thread_counts(_item, _show=None):
    """Threads of BLAS libraries and of torch, which is first loaded here."""
    import torch
    from threadpoolctl import threadpool_info

    blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return {"blas": blas, "torch": torch.get_num_threads()}


def counting():
    import numpy  # noqa: F401

    return lambda group: [thread_counts(item) for item in group]
