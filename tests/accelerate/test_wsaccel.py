"""The names of wsaccel: what they do, compared with the real one where that is installed."""

import random
import subprocess
import sys

import pytest

from fastws import apply_mask
from fastws.accelerate.wsaccel import Utf8Validator, XorMaskerNull, XorMaskerSimple, createXorMasker

TEXTS = ("", "hello", "Grüße, 世界 🌍", "\ud7ff\ue000\U0010ffff")
BAD = (b"\x80", b"\xc0\x80", b"a\xe0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\xc3(")


def test_a_masker_goes_on_where_it_stopped():
    data = bytes(range(256))
    masker = XorMaskerSimple(b"mask")
    pieces = [masker.process(data[at : at + 7]) for at in range(0, 256, 7)]
    assert b"".join(pieces) == apply_mask(data, b"mask")
    assert masker.pointer() == 256
    masker.reset()
    assert masker.pointer() == 0
    assert masker.process(bytearray(data)) == apply_mask(data, b"mask")


def test_the_null_masker_only_counts():
    masker = XorMaskerNull()
    assert masker.process(b"hello") == b"hello"
    assert masker.pointer() == 5


def test_create_gives_a_masker_for_any_length():
    assert createXorMasker(b"mask").process(b"\0") == b"m"
    assert createXorMasker(b"mask", 1000).process(b"\0") == b"m"


@pytest.mark.parametrize("mask", [b"", b"abc", b"abcde", None])
def test_a_mask_is_4_bytes(mask):
    with pytest.raises(ValueError, match="mask should be 4byte"):
        XorMaskerSimple(mask)


def by_definition(text):
    """The quad for a whole text."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        cut = error.reason == "unexpected end of data"
        return (True, False, len(text), len(text)) if cut else None
    return True, True, len(text), len(text)


@pytest.mark.parametrize("text", TEXTS)
def test_validates_whole_and_cut_texts(text):
    text = text.encode()
    for end in range(len(text) + 1):
        assert Utf8Validator().validate(text[:end]) == by_definition(text[:end])


@pytest.mark.parametrize("bad", BAD)
def test_names_the_first_bad_byte_and_stays_there(bad):
    validator = Utf8Validator()
    valid, ends, at, total = validator.validate(b"good" + bad + b"more")
    assert (valid, ends) == (False, False)
    assert at == total
    assert validator.state == Utf8Validator.UTF8_REJECT
    assert validator.validate(b"good") == (False, False, 0, total)
    validator.reset()
    assert validator.validate(b"good") == (True, True, 4, 4)


def test_decodes_byte_by_byte():
    for character in "aé世🌍\U0010ffff":
        validator = Utf8Validator()
        states = [validator.decode(byte) for byte in character.encode()]
        assert states[-1] == validator.state == Utf8Validator.UTF8_ACCEPT
        assert validator.codepoint == ord(character)
        assert 0 not in states[:-1]


def test_does_what_the_real_one_does():
    real = pytest.importorskip("wsaccel.utf8validator").Utf8Validator
    source = random.Random(3629)
    for _ in range(500):
        text = "".join(source.choices(["a", "é", "世", "🌍"], k=8)).encode()
        if source.random() < 0.5:
            text += source.choice(BAD) + b"tail"
        ours, theirs = Utf8Validator(), real()
        while text:
            cut = source.randrange(1, 6)
            assert ours.validate(text[:cut]) == theirs.validate(text[:cut])
            assert (ours.state, ours.i) == (theirs.state, theirs.i)
            text = text[cut:]
        ours.reset()
        theirs.reset()
        for byte in "aé世🌍".encode():
            assert ours.decode(byte) == theirs.decode(byte)
            assert (ours.codepoint, ours.state) == (theirs.codepoint, theirs.state)


PROGRAM = """
import sys
sys.meta_path.insert(0, type("Hide", (), {"find_spec": staticmethod(hide)}))
from fastws.accelerate import accelerate, restore, switch
switch.compiled = True
print(accelerate("wsaccel")["wsaccel"].status.value)
from wsaccel.xormask import XorMaskerSimple
import wsaccel.utf8validator
print(XorMaskerSimple(b"mask").process(bytes(4)), wsaccel.utf8validator.Utf8Validator().i)
restore()
try:
    from wsaccel.xormask import XorMaskerSimple
except ImportError:
    print("gone")
"""


def test_programs_find_it_where_the_real_one_is_not():
    # Even where it is installed, this Python does not see it.
    hide = (
        "import importlib.machinery as m\n"
        "def hide(name, path=None, target=None): pass\n"
        "m.PathFinder.find_spec = classmethod(lambda cls, name, path=None, target=None,"
        " find=m.PathFinder.find_spec: None if name == 'wsaccel' else find(name, path, target))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide + PROGRAM], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["applied", "b'mask' 0", "gone"], done.stderr
