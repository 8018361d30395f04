"""Marks in ids and signatures: what goes out comes back byte for byte, and foreign ids are left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.wire.anthropic_messages.marks import (
    THINKING_SIGNATURE,
    is_foreign,
    split_signature,
    with_signature,
)


def test_thinking_of_ours_is_signed_poe_proxy() -> None:
    assert THINKING_SIGNATURE == "cG9lLXByb3h5"


@pytest.mark.parametrize("signature", ["", THINKING_SIGNATURE])
def test_unsigned_thinking_and_ours_is_foreign_to_claude(signature: str) -> None:
    assert is_foreign(signature)


def test_a_signature_of_claude_is_not_foreign() -> None:
    assert not is_foreign("EqQBCkYIBxgCKkA")


def test_a_signature_travels_at_the_end_of_the_id() -> None:
    assert with_signature("call_1", "AB+/") == "call_1__sig_QUIrLw"
    assert split_signature("call_1__sig_QUIrLw") == ("call_1", "AB+/")


@pytest.mark.parametrize("id_", ["", "call_1", "toolu_vrtx_01", "x" * 5000, "call__sig_!", "a__sig_é", "a__sig_Q"])
def test_an_id_without_a_signature_is_left_byte_exact(id_: str) -> None:
    assert with_signature(id_, "") == id_
    assert split_signature(id_) == (id_, "")


@given(st.text(max_size=40) | st.just("call_1__sig_QUI"), st.text(st.characters(), max_size=40))
def test_whatever_goes_out_comes_back(id_: str, signature: str) -> None:
    assert split_signature(with_signature(id_, signature)) == (id_, signature)


@given(st.text(min_size=1, max_size=200))
def test_a_signed_id_has_only_letters_that_anthropic_takes(signature: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", with_signature("call_1", signature))
