"""The documents, tested: their code runs, their commands and links exist."""
