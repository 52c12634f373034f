"""What FASTWS_EXTENSIONS asks for, in a module that has no namesakes in other directories."""

import os

CHOICE = os.environ.get("FASTWS_EXTENSIONS", "")
