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
