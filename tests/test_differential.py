"""Whole connections between implementations: what one sends the other receives, cut anywhere."""

from __future__ import annotations

import importlib
import importlib.util
from itertools import cycle

import pytest
from choice import CHOICE
from hypothesis import given, settings
from hypothesis import strategies as st
from implementations import DEFLATES, Ours, Websockets, Wsproto, kernel_in_use

from fastws.frames import Role

# Both where both are there, whatever `Protocol` would pick.
KERNELS = [
    importlib.import_module(name)
    for name in ("fastws._frame", "fastws._fallback")
    if name == "fastws._fallback" or (CHOICE != "0" and importlib.util.find_spec(name))
]

TEXTS = st.text(max_size=30) | st.integers(100, 3000).map(lambda n: "é wörd " * (n // 8))
BYTES = st.binary(max_size=30) | st.integers(100, 70_000).map(bytes)
# What one side does: a kind and its content; messages are lists of fragments.
ACTIONS = (
    st.tuples(st.just("text"), st.lists(TEXTS, min_size=1, max_size=3))
    | st.tuples(st.just("binary"), st.lists(BYTES, min_size=1, max_size=3))
    | st.tuples(st.just("pong"), st.binary(max_size=125))
    | st.tuples(st.just("ping"), st.binary(max_size=120))
)
STEPS = st.lists(st.tuples(st.sampled_from(Role), ACTIONS, st.booleans()), max_size=10)
CLOSES = st.tuples(
    st.sampled_from(Role),
    st.sampled_from([1000, 1001, 1008, 3000, 4999]),
    st.text(max_size=30),
)
SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=6)


def carry(sides, sizes):
    """Move bytes both ways, in pieces of these sizes, until nobody has any; return them all."""
    carried = {Role.CLIENT: b"", Role.SERVER: b""}
    while True:
        quiet = True
        for role, other in ((Role.CLIENT, Role.SERVER), (Role.SERVER, Role.CLIENT)):
            data = sides[role].take()
            carried[role] += data
            quiet = quiet and not data
            start = 0
            while start < len(data):
                # Small pieces show most; large payloads need not take forever.
                size = next(sizes) if start < 2000 else 20_000
                sides[other].receive(data[start : start + size])
                start += size
        if quiet:
            return carried


def converse(sides, steps, close, sizes):
    """Go through a whole connection; return what each side sent, as bytes."""
    sizes = cycle(sizes)
    wire = [carry(sides, sizes)]
    assert sides[Role.CLIENT].opened
    assert sides[Role.SERVER].opened
    for number, (role, (kind, content), now) in enumerate(steps):
        # No two pings of a connection may be the same while they wait.
        sides[role].send(kind, content + b"%d" % number if kind == "ping" else content)
        if now:
            wire.append(carry(sides, sizes))
    wire.append(carry(sides, sizes))
    role, code, reason = close
    sides[role].send("close", (code, reason))
    wire.append(carry(sides, sizes))
    return {role: b"".join(part[role] for part in wire) for role in Role}


def expected(role, steps, close):
    """What a side has to receive, by the words of RFC 6455: in order, but for control frames."""
    messages, control = [], []
    for number, (sender, (kind, content), _) in enumerate(steps):
        if kind in ("text", "binary"):
            if sender is not role:
                empty = "" if kind == "text" else b""
                messages.append((kind, empty.join(content)))
        elif kind == "ping":
            # The other side's ping, or its answer to ours.
            payload = content + b"%d" % number
            control.append(("pong" if sender is role else "ping", payload))
        elif sender is not role:
            control.append(("pong", content))
    return messages, sorted(control), [("close", *close[1:])]


def received(side):
    def of(*kinds):
        return [event for event in side.received if event[0] in kinds]

    assert side.received[-1][0] == "close"
    return of("text", "binary"), sorted(of("ping", "pong")), of("close")


@pytest.mark.parametrize("peer", [Ours, Websockets, Wsproto])
@settings(max_examples=300)
@given(st.sampled_from(Role), st.sampled_from(DEFLATES), STEPS, CLOSES, SIZES)
def test_both_sides_of_any_connection_receive_what_the_other_sent(
    peer, role, deflate, steps, close, sizes
):
    wires = []
    for kernel in KERNELS:
        with kernel_in_use(kernel):
            ours = Ours(role, deflate)
            other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
            sides = {role: ours, other: peer(other, deflate)}
            _, _, frames = converse(sides, steps, close, sizes)[role].partition(b"\r\n\r\n")
            wires.append(frames)
        for side_role, side in sides.items():
            assert received(side) == expected(side_role, steps, close)
        ours.protocol.receive_eof()
        assert (ours.protocol.close_code, ours.protocol.close_reason) == close[1:]
        assert ours.protocol.close_sent == ours.protocol.close_rcvd
        closed_by_us = close[0] is role
        assert ours.protocol.close_rcvd_then_sent is not closed_by_us
        assert (ours.protocol.extension is None) is (deflate is None)
    # Compiled and pure send the same bytes, down to the last one.
    assert all(wire == wires[0] for wire in wires)


@pytest.mark.parametrize("peer", [Websockets, Wsproto])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_every_form_of_length_is_read_by_the_others(peer, role, length):
    other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
    for kernel in KERNELS:
        with kernel_in_use(kernel):
            sides = {role: Ours(role), other: peer(other)}
            steps = [(side, ("binary", [bytes(length)]), True) for side in Role]
            converse(sides, steps, (role, 1000, ""), [4096])
        for side_role, side in sides.items():
            assert received(side) == expected(side_role, steps, (role, 1000, ""))
