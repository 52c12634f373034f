"""The command line: ``python -m fastws serve``, ``connect`` and ``bench``."""
