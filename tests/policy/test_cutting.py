"""A text cut in its middle. The counter counts characters, and where it matters something odder."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy.cutting import LEAST, cut

EMOJI = "👩‍👩‍👧🇩🇪👍🏽❤️é"


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


@given(st.text(st.sampled_from(EMOJI + "ab\r\n")).map(lambda text: text * 20), st.integers(70, 300))
def test_no_visible_character_is_torn(text: str, tokens: int) -> None:
    short = cut(text, tokens, len)
    if short is text:
        return
    head, _, rest = short.partition("\n\n[… about")
    tail = rest.partition("…]\n\n")[2]
    for before, after in ((head, text[len(head) :]), (text[: len(text) - len(tail)], tail)):
        if before and after and not torn_for_long(before, after):
            assert after[0] != "\u200d"
            assert before[-1] != "\u200d"
            assert unicodedata.category(after[0])[0] != "M"
            assert not before.endswith("\r") or not after.startswith("\n")


def torn_for_long(before: str, after: str) -> bool:
    """Whether one visible character goes on and on; it has to be cut somewhere."""
    return not any(character in "ab\r\n" for character in before[-40:])


@pytest.mark.parametrize("text", ["🇩🇪" * 200, "👩‍👩‍👧x" * 100, "e\u0301x" * 300])
def test_flags_families_and_accents_stay_whole(text: str) -> None:
    head = cut(text, 203, len).partition("\n\n[…")[0]
    assert text.startswith(head)
    assert not text[len(head) :].startswith(("\u200d", "\u0301"))
    assert not head.endswith("\u200d")


@given(st.text(min_size=200), st.integers(64, 150))
def test_the_same_text_is_cut_alike_each_time(text: str, tokens: int) -> None:
    assert cut(text, tokens, len) == cut(text, tokens, len)
