"""Our key, taken out of what Poe says of it."""

import pytest

from poe_proxy.canonical.errors import Refused, StreamBroken
from poe_proxy.canonical.events import Event, Failed, Text
from poe_proxy.poe.masking import Mask

KEY = "Zq3-k9.Xw7_b5+Ln2/Vt8"
MASK = Mask(KEY)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"the key {KEY} is wrong", "the key *** is wrong"),
        (f"{KEY}{KEY}, {KEY}", "***, ***"),
        (f"Zq3-k9.X…{KEY[-8:]}", "***…***"),
        (f"x{KEY[5:15]}y", "x***y"),
        ("Zq3-k9. is too little to be it", "Zq3-k9. is too little to be it"),
        ("nothing of it", "nothing of it"),
        ("", ""),
    ],
)
def test_the_key_goes_whole_and_in_parts(said: str, shown: str) -> None:
    assert MASK.text(said) == shown


@pytest.mark.parametrize("short", ["", "k", "short"])
def test_a_short_key_goes_as_a_whole(short: str) -> None:
    assert Mask(short).text("a short one, ok?") == "a short one, ok?".replace(short or "\0", "***")


def test_nothing_of_an_error_keeps_it() -> None:
    error = Refused(f"no {KEY}", poe_status=400, poe_type=KEY, param=f"a.{KEY}", code=KEY)
    error.original = {"error": {"message": KEY, KEY: [1, None, {"x": f"Bearer {KEY}"}]}}
    MASK.error(error)
    assert KEY not in f"{error!r} {error} {vars(error)} {error.original}"
    assert error.original == {"error": {"message": "***", "***": [1, None, {"x": "Bearer ***"}]}}


def test_of_events_only_the_error_at_their_end_is_looked_at() -> None:
    events: list[Event] = [Text(f"a model may say {KEY}"), Failed(StreamBroken(f"no {KEY}"))]
    said, failed = MASK.events(events)
    assert said is events[0]
    assert isinstance(failed, Failed)
    assert failed.error.message == "no ***"
    assert MASK.events([]) == []
