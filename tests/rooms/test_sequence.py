"""Messages of a room that come late, out of order, twice or not at all are delivered in order."""

from __future__ import annotations

import contextlib

import pytest
from connections.running import until
from hypothesis import given
from hypothesis import strategies as st

from fastws.rooms import sequence
from fastws.rooms.engine import Incoming, Replay, order
from fastws.rooms.sequence import Sequence
from rooms.scenes import kept_back, new_namespace, process, processes


def message(number, before=None):
    """The message with that number; the one before it has the number before, unless told."""
    before = number - 1 if before is None else before
    return Incoming("garden", b"x" * 1000, f"7-{number}", f"7-{before}" if before else "")


def numbers(messages):
    return [order(one.id)[1] for one in messages]


def begun(last=0):
    made = Sequence()
    assert made.resume(f"7-{last}" if last else "0-0", "0-0") == []
    return made


def test_the_next_message_is_delivered_at_once():
    made = begun()
    for number in range(1, 5):
        assert numbers(made.take(message(number))) == [number]
        assert not made.missing


def test_one_that_was_overtaken_is_waited_for():
    made = begun(3)
    assert made.take(message(5)) == []
    assert made.take(message(6)) == []
    assert made.missing
    assert numbers(made.take(message(4))) == [4, 5, 6]
    assert not made.missing


def test_overtaken_while_something_is_fetched():
    made = begun(3)
    for number in (6, 8, 7, 9):
        assert made.take(message(number)) == []
    assert numbers(made.take_kept([message(4), message(5)])) == [4, 5, 6, 7, 8, 9]
    assert not made.missing


def test_nothing_is_delivered_before_it_is_known_where_to_begin():
    made = Sequence()
    for number in (5, 4, 3):
        assert made.take(message(number)) == []
    assert not made.missing
    assert numbers(made.resume("7-3", "7-5")) == [4, 5]


def test_what_the_broker_has_is_missing_even_if_nothing_comes():
    made = begun(3)
    assert made.resume("7-5", "7-6") == []
    assert made.missing
    assert numbers(made.take_kept([message(4), message(5)])) == [4, 5]
    assert made.missing
    assert numbers(made.take(message(6))) == [6]
    assert not made.missing


def test_what_is_nowhere_is_left_out():
    made = begun(3)
    made.resume("7-5", "7-5")
    assert made.take(message(7)) == made.take(message(9)) == []
    assert numbers(made.skip()) == [7]
    assert numbers(made.skip()) == [9]
    assert made.skip() == []
    assert not made.missing
    assert numbers(made.take(message(10))) == [10]


def test_a_room_whose_history_has_expired_begins_anew():
    made = begun(3)
    assert numbers(made.take(message(9, before=0))) == [9]


@pytest.mark.parametrize(("limit", "most"), [("_MOST_HELD", 3), ("_MOST_HELD_BYTES", 3 * 1000)])
def test_too_much_that_waits_is_left_to_history(limit, most, monkeypatch):
    monkeypatch.setattr(sequence, limit, most)
    made = begun(3)
    for number in range(5, 9):
        assert made.take(message(number)) == []
    assert made._held == []
    assert made.missing
    assert numbers(made.take_kept([message(4), message(5)])) == [4, 5]
    assert made.missing
    assert made.take(message(9)) == []
    assert numbers(made.take_kept([message(n) for n in (6, 7, 8)])) == [6, 7, 8, 9]
    assert not made.missing
    assert made._held_bytes == 0


@given(st.data())
def test_whatever_comes_and_whatever_is_lost_all_is_delivered_once_and_in_order(data):
    made, got, stored = Sequence(), [], 0
    begin = data.draw(st.integers(0, 3))
    stored = begin
    coming = []
    got += made.resume(*[f"7-{stored}"] * 2)
    for _ in range(data.draw(st.integers(1, 30))):
        step = data.draw(st.sampled_from(["store", "store", "come", "lose", "fetch"]))
        if step == "store":
            stored += 1
            coming.append(stored)
        elif step == "come" and coming:
            got += made.take(message(coming.pop(data.draw(st.integers(0, len(coming) - 1)))))
        elif step == "lose":  # the connection breaks, and is there again
            lost = data.draw(st.sets(st.sampled_from(coming))) if coming else set()
            coming = [number for number in coming if number not in lost]
            got += made.resume(*[f"7-{stored}"] * 2)
        elif step == "fetch" and made.missing:
            first = order(made.last)[1] + 1
            page = range(first, min(first + data.draw(st.integers(1, 5)), stored + 1))
            got += made.take_kept([message(number) for number in page])
        assert numbers(got) == list(range(begin + 1, begin + 1 + len(got)))
    for number in coming:
        got += made.take(message(number))
    if made.missing:
        first = order(made.last)[1] + 1
        got += made.take_kept([message(number) for number in range(first, stored + 1)])
    assert numbers(got) == list(range(begin + 1, stored + 1))
    assert not made.missing
    assert (made._held, made._held_bytes) == ([], 0)


@contextlib.asynccontextmanager
async def one_message(url, history):
    """A hub, what its room "garden" got, which is "0" so far, and the id of that."""
    async with processes(url, 1, history=history) as [one]:
        got = []
        async with one.hub.join(got.append, "garden"):
            first = await one.hub.publish("garden", "0")
            await until(lambda: got == ["0"])
            yield one.hub, got, first


async def publish_unheard(hub, count):
    """Publish numbers from 1 on; return the last id, and what should have come to the room."""
    with kept_back(hub) as kept:
        for number in range(1, count + 1):
            last = await hub.publish("garden", str(number))
        await until(lambda: len(kept) == count)
    return last, kept


async def test_a_room_asks_history_again_until_nothing_is_missing(url):
    async with one_message(url, history=100) as (hub, got, first):
        part, replay = hub._reception, hub._engine.replay

        async def one_only(token, after, limit):
            """As a broker whose count of what is left is too low."""
            return Replay((await replay(token, after, limit)).messages[:1], True)

        hub._engine.replay = one_only
        last, kept = await publish_unheard(hub, 9)
        part.resume({"garden": (first, last)})
        for index in (6, 5, 8):
            part._receive_kept(*kept[index])
        await until(lambda: len(got) == 10)
        assert got == [str(number) for number in range(10)]
        assert hub.stats().gaps == 0
        await until(lambda: not part._fetching)


async def test_messages_the_wrong_way_round_need_no_history(url):
    async with one_message(url, history=100) as (hub, got, _):
        part = hub._reception
        hub._engine.replay = None  # nobody may ask
        _, kept = await publish_unheard(hub, 2)
        for room, incoming in reversed(kept):
            part._receive_kept(room, incoming)
        await until(lambda: got == ["0", "1", "2"])
        await until(lambda: not part._fetching)
        assert hub.stats().gaps == 0


async def test_what_is_gone_from_history_is_counted(url):
    async with one_message(url, history=2) as (hub, got, first):
        last, _ = await publish_unheard(hub, 9)
        hub._reception.resume({"garden": (first, last)})
        await until(lambda: got[-1] == "9")
        assert got == ["0", "7", "8", "9"]
        assert hub.stats().gaps == 1


@pytest.mark.parametrize("history", [None, 100])
async def test_a_hub_without_history_hears_what_others_keep(broker_url, history):
    namespace = new_namespace()
    async with (
        process(broker_url, namespace, history=100) as one,
        process(broker_url, namespace, history=history) as other,
    ):
        got = []
        async with other.hub.join(got.append, "garden"):
            for number in range(3):
                await one.hub.publish("garden", str(number))
            await until(lambda: got == ["0", "1", "2"])
