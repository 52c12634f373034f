"""How a command ends before its time."""

__all__ = ["CommandError", "Interrupted"]


class CommandError(Exception):
    """The reason why a command cannot go on, in one line for people."""


class Interrupted(Exception):
    """Ctrl-C, where it is a key and not a signal."""
