"""Which functions of a library use instructions that not every x86-64 processor has."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

__all__ = ["above_baseline", "outside_of_dispatch", "sets_used"]

# The functions that are called only where the processor was asked first, and what it was asked for.
DISPATCHED = {"avx2_": {"AVX", "AVX2", "BMI"}}

_FUNCTION = re.compile(r"^[0-9a-f]+ <(?P<name>[^>]+)>:$")
_INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\s+(?P<mnemonic>[a-z][a-z0-9]*)(?P<operands>.*)$")

# SSE2 is part of x86-64. What is left out below: tzcnt, which older processors run as bsf.
_SETS = {
    "AVX-512": re.compile(r"^(k(and|or|xor|not|mov|test|unpck|add|shift)[a-z]*)$"),
    "SSE3-4": re.compile(
        r"^(addsub|h(add|sub)|lddqu|mov(d|sh|sl)dup|pshufb|palignr|pabs|ph(add|sub)|pmaddubsw"
        r"|pmulhrsw|psign|ptest|pmov[sz]x|pblend|blend|pm(in|ax)(sb|uw|sd|ud)|round|dpp|insertps"
        r"|extractps|p(ext|ins)r[bdq]|pcmp(eq|gt)q|packusdw|movntdqa|mpsadbw|phminposuw|pmuldq"
        r"|pmulld|pcmp[ei]str|crc32|popcnt|aes|pclmul|sha)"
    ),
    "BMI": re.compile(r"^(lzcnt|andn|bextr|bls(i|r|msk)|bzhi|mulx|p(dep|ext)|rorx|s(ar|hl|hr)x)$"),
}
_VEX = re.compile(r"^v(?!err|erw)")


def sets_used(mnemonic: str, operands: str) -> set[str]:
    """Return what a processor must have for an instruction beyond x86-64."""
    if "%zmm" in operands:
        return {"AVX-512"}
    if _VEX.match(mnemonic):
        return {"AVX2"} if "%ymm" in operands else {"AVX"}
    return {name for name, pattern in _SETS.items() if pattern.match(mnemonic)}


def above_baseline(disassembly: Iterable[str]) -> dict[str, set[str]]:
    """Return the functions in what ``objdump -d`` prints that need more than x86-64, and what."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    function = "?"
    for line in disassembly:
        if match := _FUNCTION.match(line):
            function = match["name"]
        elif match := _INSTRUCTION.match(line):
            needed = sets_used(match["mnemonic"], match["operands"])
            if needed:
                found[function] |= needed
    return dict(found)


def outside_of_dispatch(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return of these functions those that may be called where the processor was not asked."""
    wrong = {}
    for name, needed in found.items():
        allowed = next((DISPATCHED[p] for p in DISPATCHED if name.startswith(p)), set())
        if needed - allowed:
            wrong[name] = needed - allowed
    return wrong


def disassemble(library: Path) -> Iterable[str]:
    """Return the lines that ``objdump`` prints for a library, which must have its symbols."""
    run = subprocess.run(
        ["objdump", "--disassemble", "--no-show-raw-insn", "--wide", str(library)],
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.splitlines()
