"""The version, in one place: `pip`, cards and the command line read it here."""

__version__ = "0.1.0"
