"""A text cut in its middle. The counter counts characters, and where it matters something odder."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy.cutting import LEAST, cut

VISIBLE = ("👩‍👩‍👧", "🇩🇪", "👍🏽", "❤️", "e\u0301", "漢", "a", "\r\n")


def utf8_length(text: str) -> int:
    return len(text.encode())


def test_a_text_that_is_short_enough_is_the_very_same() -> None:
    text = "x" * 100
    assert cut(text, 100, len) is text


def test_beginning_and_end_stay_and_the_mark_says_how_much_is_gone() -> None:
    short = cut("a" * 500 + "b" * 500, 200, len)
    assert short.startswith("aaa")
    assert short.endswith("bbb")
    assert "[… about 800 tokens left out here …]" in short
    assert 190 < len(short) <= 200


def test_nothing_is_cut_to_less_than_the_least() -> None:
    assert LEAST - 3 < len(cut("x" * 1000, -5, len)) <= LEAST


@given(st.text(min_size=1).map(lambda text: text * 50), st.integers(0, 2000))
def test_the_figure_is_kept_to_however_uneven_the_text_is(text: str, tokens: int) -> None:
    for count in (len, utf8_length):
        assert count(cut(text, tokens, count)) <= max(tokens, LEAST) or cut(text, tokens, count) is text


@given(st.lists(st.sampled_from(VISIBLE), min_size=1).map(lambda some: some * 20), st.integers(64, 300))
def test_no_visible_character_is_torn(some: list[str], tokens: int) -> None:
    text = "".join(some)
    short = cut(text, tokens, len)
    if short is text:
        return
    head, _, rest = short.partition("\n\n[… about")
    tail = rest.partition("…]\n\n")[2]
    edges = set(itertools.accumulate(map(len, some), initial=0))
    assert text.startswith(head)
    assert text.endswith(tail)
    assert {len(head), len(text) - len(tail)} <= edges


@pytest.mark.parametrize("text", ["🇩🇪" * 200, "👩‍👩‍👧x" * 100, "e\u0301x" * 300])
def test_flags_families_and_accents_stay_whole(text: str) -> None:
    head = cut(text, 203, len).partition("\n\n[…")[0]
    assert text.startswith(head)
    assert not text[len(head) :].startswith(("\u200d", "\u0301"))
    assert not head.endswith("\u200d")


@given(st.text(min_size=200), st.integers(64, 150))
def test_the_same_text_is_cut_alike_each_time(text: str, tokens: int) -> None:
    assert cut(text, tokens, len) == cut(text, tokens, len)
