"""In which dialect Poe is asked for a model."""

from pathlib import Path

import pytest

from poe_proxy.canonical.card import ModelCard, Way
from poe_proxy.canonical.listing import Entry, Listing
from poe_proxy.files.cache import load_catalogue
from poe_proxy.poe.catalogue import read_catalogue
from poe_proxy.policy.registry import Registry
from poe_proxy.policy.ways import Memory, way

NATIVE = ModelCard("claude-opus-4.6", "Claude-Opus-4.6", endpoints=frozenset({"/v1/messages", "/v1/chat/completions"}))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return Memory(clock, ttl_s=3600, models=2)


def test_eleven_models_of_poes_catalogue_are_native(memory: Memory) -> None:
    cards = read_catalogue(load_catalogue(Path("no such folder")).body).values()
    found = [card for card in cards if way(card, memory) == "messages"]
    assert len(found) == 11
    assert {card.owner for card in found} == {"Anthropic"}


@pytest.mark.parametrize("name", ["claude-code", "claude-opus-9", "gpt-5.4"])
def test_a_name_alone_says_nothing(memory: Memory, name: str) -> None:
    assert way(ModelCard(name, name), memory) == "chat"


@pytest.mark.parametrize("via", ["messages", "chat"])
@pytest.mark.parametrize("poe_name", ["claude-opus-4.6", "new-at-poe"])
def test_the_operators_word_goes_first(memory: Memory, via: Way, poe_name: str) -> None:
    memory.learn(poe_name)
    known = Registry(Listing((Entry("x", poe_name, via=via),)), {"claude-opus-4.6": NATIVE})
    assert way(known.resolve("x"), memory) == via


def test_a_404_is_remembered_for_an_hour_whatever_the_case_of_the_name(memory: Memory, clock: Clock) -> None:
    assert way(NATIVE, memory) == "messages"
    memory.learn("claude-opus-4.6")
    clock.now = 3599
    assert way(NATIVE, memory) == "chat"
    clock.now = 3600
    assert way(NATIVE, memory) == "messages"


def test_the_model_learned_of_longest_ago_makes_room(memory: Memory) -> None:
    for name in ("a", "b", "a", "c"):
        memory.learn(name)
    assert [memory.recall(name) for name in "abc"] == [True, False, True]
