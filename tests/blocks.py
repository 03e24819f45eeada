"""Audio files read whole, for tests of what reads them in blocks."""

import numpy as np

from vizinho.audio.blocks import read_blocks
from vizinho.audio.containers import DEFAULT_LIMITS


def read_channels(source, name="", limits=DEFAULT_LIMITS):
    """All samples of a file or of a file's bytes at 16 kHz, (channels, N)."""
    return np.concatenate(list(read_blocks(source, name, limits)), axis=1)
