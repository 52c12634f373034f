"""``python -m fastws``: see ``fastws.cli``."""

import sys

from .cli.command import main

if __name__ == "__main__":
    sys.exit(main())
