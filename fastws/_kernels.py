"""The one switch: compiled kernels or their pure Python twins, by FASTWS_EXTENSIONS."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

__all__ = [
    "FrameBuffer",
    "FrameTaker",
    "MessageReader",
    "PayloadReader",
    "Utf8Validator",
    "apply_mask",
    "apply_mask_inplace",
    "backend",
    "compiled",
    "is_utf8",
    "new_masking_key",
    "parse_close",
    "parse_header",
    "serialize_close",
    "serialize_frame",
    "serialize_message",
    "split_message",
    "take_frames",
]

_choice = os.environ.get("FASTWS_EXTENSIONS", "")
if _choice not in ("", "0", "1"):
    raise ImportError(
        "FASTWS_EXTENSIONS must be 1 (compiled kernels required), 0 (pure Python) or unset, "
        f"not {_choice!r}"
    )

# Only a missing extension falls back; importing a broken one raises, so nobody runs slow unawares.
_built = find_spec("fastws._mask") is not None and find_spec("fastws._frame") is not None
if _choice == "1" and not _built:
    raise ImportError(
        "FASTWS_EXTENSIONS=1, but fastws was installed without its compiled kernels: install a C "
        "compiler and reinstall with FASTWS_EXTENSIONS=1 to see why, or unset it to run pure Python"
    )

# Other modules that exist in both forms follow this.
compiled = _built and _choice != "0"

if TYPE_CHECKING or compiled:
    # First: it knows which instruction sets can be had when FASTWS_SIMD names another.
    from ._mask import apply_mask, apply_mask_inplace
    from ._mask import simd as backend  # isort: split
    from ._frame import (
        FrameBuffer,
        FrameTaker,
        MessageReader,
        PayloadReader,
        Utf8Validator,
        is_utf8,
        new_masking_key,
        parse_close,
        parse_header,
        serialize_close,
        serialize_frame,
        serialize_message,
        split_message,
        take_frames,
    )
else:
    from ._fallback import (
        FrameBuffer,
        FrameTaker,
        MessageReader,
        PayloadReader,
        Utf8Validator,
        apply_mask,
        apply_mask_inplace,
        is_utf8,
        new_masking_key,
        parse_close,
        parse_header,
        serialize_close,
        serialize_frame,
        serialize_message,
        split_message,
        take_frames,
    )
    from ._fallback import simd as backend
