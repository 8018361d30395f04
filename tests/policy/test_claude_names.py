"""What Anthropic's clients call a model, and what that says. Which model it means: test_registry.py."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy import claude_names
from poe_proxy.policy.claude_names import ClaudeName, read, spellings, unadorned


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("claude-opus-4.6", ClaudeName("opus", (4, 6))),
        ("claude-opus-4-20250514", ClaudeName("opus", (4, 0))),
        ("claude-3-5-sonnet-20241022", ClaudeName("sonnet", (3, 5))),
        ("claude-4.10-opus", ClaudeName("opus", (4, 10))),
        ("sonnet-4.5", ClaudeName("sonnet", (4, 5))),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0[1m]", ClaudeName("sonnet", (4, 5))),
        ("claude-haiku-4-5@latest", ClaudeName("haiku", (4, 5))),
        ("claude-opus", ClaudeName("opus")),
        ("claude-opus-4.6-search", ClaudeName("opus", (4, 6), is_variant=True)),
    ],
)
def test_kind_version_and_variant_are_read(name: str, said: ClaudeName) -> None:
    assert read(name) == said


@pytest.mark.parametrize(
    "name", ["", "claude", "claude-code", "claude-opus-4.6.1", "claude-opus-4-x", "opus-magnum", "o" * 99]
)
def test_what_is_no_claude_says_nothing(name: str) -> None:
    assert read(name) is None


@given(st.sampled_from(sorted(claude_names.KINDS)), st.integers(0, 99), st.integers(0, 99))
def test_every_spelling_of_a_version_is_read_as_that_version(kind: str, major: int, minor: int) -> None:
    said = ClaudeName(kind, (major, minor))
    for form in claude_names.forms(said):
        assert read(form) == read(form + "-20250929") == said


@given(st.text(st.characters() | st.sampled_from(string.ascii_letters + string.digits + "-.@[]"), max_size=120))
def test_any_text_can_be_looked_at(name: str) -> None:
    read(name)
    assert all(isinstance(spelling, str) for spelling in spellings(name))
    assert unadorned(name) in name
