"""The fuzz targets hold for their stored corpus, whole and cut, without a fuzzer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).parent / "fuzz"
TARGETS = {path.stem.removeprefix("fuzz_"): path for path in sorted(FUZZ.glob("fuzz_*.py"))}
SEEDS = [seed for name in TARGETS for seed in sorted((FUZZ / "corpus" / name).iterdir())]


@pytest.fixture(scope="session")
def one_input():
    """The function of each target, by its name."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "path", [str(FUZZ), *sys.path])
        functions = {}
        for name, path in TARGETS.items():
            spec = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            functions[name] = module.one_input
        return functions


def test_every_target_has_a_corpus():
    assert {seed.parent.name for seed in SEEDS} == set(TARGETS)
    assert {path.name for path in (FUZZ / "corpus").iterdir()} == set(TARGETS)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.parent.name}/{seed.name}")
def test_a_target_holds_for_what_is_stored(one_input, seed):
    one_input[seed.parent.name](seed.read_bytes())


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.parent.name}/{seed.name}")
def test_a_target_holds_for_what_is_stored_cut_short_or_changed(one_input, seed):
    data = seed.read_bytes()
    target = one_input[seed.parent.name]
    step = len(data) // 40 + 1
    for position in range(0, len(data), step):
        target(data[:position])
        for change in (0x01, 0x80, 0xFF):
            target(data[:position] + bytes([data[position] ^ change]) + data[position + 1 :])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=100)
@given(data=st.data())
def test_a_target_holds_for_parts_of_what_is_stored_put_together(one_input, name, data):
    seeds = [seed.read_bytes() for seed in SEEDS if seed.parent.name == name]
    parts = st.sampled_from(seeds) | st.binary(max_size=20)
    first, second = data.draw(st.tuples(parts, parts))
    cut = data.draw(st.integers(0, len(first)))
    one_input[name](first[:cut] + second)
