"""What fastws gains on this machine over what is there: ``python -m fastws.bench``."""
