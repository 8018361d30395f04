"""The room for bodies: what is taken, given back, and refused."""

import pytest

from poe_proxy.canonical.errors import TooMuchAtOnce
from poe_proxy.canonical.report import Report
from poe_proxy.limits.room import Room


def request() -> Report:
    return Report("req_1", "/v1/messages", 0.0)


def test_there_is_room_for_sixteen_of_the_largest_bodies_at_once() -> None:
    room = Room(1000)
    for _ in range(16):
        room.take(request(), 1000)
    with pytest.raises(TooMuchAtOnce, match="MAX_BODY_MB"):
        room.take(request(), 1)


def test_what_a_request_held_is_free_once_it_is_over_and_only_once() -> None:
    room, large, small = Room(1000), request(), request()
    room.take(large, 15_000)
    room.take(small, 600)
    room.take(small, 400)
    room.leave(large)
    room.leave(large)
    room.take(request(), 15_000)
    with pytest.raises(TooMuchAtOnce):
        room.take(small, 1)


def test_what_is_refused_holds_nothing() -> None:
    room, refused = Room(1000), request()
    with pytest.raises(TooMuchAtOnce):
        room.take(refused, 16_001)
    assert refused.body_bytes == 0
    room.take(request(), 16_000)
