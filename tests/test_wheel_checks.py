"""The checks of a wheel find what they are for."""

from __future__ import annotations

import os
import re
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from wheels.contents import FORBIDDEN, expected_extensions
from wheels.instructions import above_baseline, outside_of_dispatch

ROOT = Path(__file__).parent.parent


def disassembly(function, *instructions):
    """What objdump prints for a function with these instructions."""
    yield f"0000000000001340 <{function}>:"
    for i, instruction in enumerate(instructions):
        yield f"    {0x1340 + i:x}:\t{instruction}"


@pytest.mark.parametrize(
    ("instruction", "needed"),
    [
        ("vpxor  %ymm0,%ymm1,%ymm2", "AVX2"),
        ("vmovdqu (%rsi),%xmm0", "AVX"),
        ("vzeroupper", "AVX"),
        ("vpternlogd $0x96,%zmm0,%zmm1,%zmm2", "AVX-512"),
        ("pshufb %xmm1,%xmm0", "SSE3-4"),
        ("ptest  %xmm0,%xmm0", "SSE3-4"),
        ("popcnt %rax,%rax", "SSE3-4"),
        ("shlx   %rax,%rbx,%rcx", "BMI"),
    ],
)
def test_an_instruction_above_the_baseline_is_found(instruction, needed):
    found = above_baseline(disassembly("word64_run", "mov    %rax,%rbx", instruction))
    assert outside_of_dispatch(found) == {"word64_run": {needed}}


@pytest.mark.parametrize(
    "instruction",
    [
        "pxor   %xmm0,%xmm1",
        "movups (%rdi),%xmm0",
        "tzcnt  %eax,%eax",
        "verr   %ax",
        "pshufd $0,%xmm0",
    ],
)
def test_what_every_x86_64_has_is_not(instruction):
    assert above_baseline(disassembly("sse2_run", instruction)) == {}


def test_a_dispatched_function_may_use_what_was_asked_for_and_no_more():
    found = above_baseline(
        [
            *disassembly("avx2_run", "vpxor  %ymm0,%ymm1,%ymm2"),
            *disassembly("avx2_run_ascii.part.0", "vpmovmskb %ymm0,%eax"),
            *disassembly("avx2_more", "vpxorq %zmm0,%zmm1,%zmm2"),
        ]
    )
    assert outside_of_dispatch(found) == {"avx2_more": {"AVX-512"}}


def test_sources_do_not_belong_into_a_wheel():
    wrong = ["fastws/_mask.pyx", "fastws/_simd/mask.h", "build/x.c", "tests/test_mask.py"]
    assert [name for name in wrong if FORBIDDEN.search(name)] == wrong
    right = ["fastws/_mask.pxd", "fastws/_mask.pyi", "fastws/cli/page.html", "fastws/py.typed"]
    assert [name for name in right if FORBIDDEN.search(name)] == []


def test_all_that_is_compiled_is_expected_in_a_wheel():
    suffixes = tuple(EXTENSION_SUFFIXES)
    built = {
        ".".join((path.parent.relative_to(ROOT) / path.name.split(".")[0]).parts)
        for path in (ROOT / "fastws").rglob("*")
        if path.name.endswith(suffixes)
    }
    if not built:
        pytest.skip("nothing is built in place")
    assert built == expected_extensions()


@pytest.mark.skipif(os.name != "posix", reason="there are no scripts elsewhere")
def test_the_scripts_that_workflows_call_are_there():
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        for script in re.findall(r"(?<![\w/])\.ci/[\w-]+", workflow.read_text(encoding="utf-8")):
            assert os.access(ROOT / script, os.X_OK), f"{workflow.name} calls {script}"
