"""vizinho: give a language its first speech recogniser by starting from its neighbour's."""

__version__ = "0.1.0"
