"""ponder: the whole DeepSeek-R1 method, from a base model to one that reasons."""

__version__ = "0.1.0"
