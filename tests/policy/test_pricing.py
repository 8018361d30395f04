"""The estimate, against real rows of Poe's history and as laws; and which models would have been cheaper."""

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.card import Modality, ModelCard, Pricing
from poe_proxy.canonical.usage import Usage
from poe_proxy.policy.pricing import cheaper, estimate
from tests.policy.declared import cards

PER_MILLION = Decimal("0.000001")


def priced(**usd_per_million: float) -> ModelCard:
    """A model with these prices; ``request`` is dollars per call."""
    request = usd_per_million.pop("request", None)
    prices = {name: Decimal(str(usd)) * PER_MILLION for name, usd in usd_per_million.items()}
    per_call = None if request is None else Decimal(str(request))
    return ModelCard("some", "some", pricing=Pricing(**prices, request=per_call))


# --- real rows --------------------------------------------------------------------------------------------------------


def test_a_cached_prompt_costs_what_poe_charged_for_it() -> None:
    usage = Usage(prompt=7661, completion=5, cached=7424)
    assert estimate(cards()["gpt-5.4-mini"], usage) == pytest.approx(24, abs=1)


def test_an_uncached_prompt_costs_what_poe_charged_for_it() -> None:
    assert estimate(cards()["claude-haiku-4.5"], Usage(prompt=8369, completion=4)) == pytest.approx(239, abs=1)


def test_each_priced_model_of_the_catalogue_has_an_estimate() -> None:
    without = [card.name for card in cards().values() if estimate(card, Usage(1000, 100)) is None]
    listed = [card for card in cards().values() if card.pricing is not None]
    varying = [card for card in listed if card.pricing is not None and card.pricing.request == 0]
    assert len(without) == len(cards()) - len(listed) + len(varying)


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "usage", "points"),
    [
        pytest.param(priced(prompt=30, completion=60), Usage(10, 10), 30, id="a point is $0.00003"),
        pytest.param(priced(prompt=1, completion=1), Usage(1, 1), 2, id="each part is rounded up by itself"),
        pytest.param(priced(prompt=30, completion=30), Usage(0, 0), 0, id="nothing used, nothing paid"),
        pytest.param(priced(prompt=30, completion=0, cache_read=3), Usage(100, 0, 90), 19, id="cached tokens"),
        pytest.param(priced(prompt=30, completion=0), Usage(100, 0, 90), 100, id="no price for cached tokens"),
        pytest.param(priced(prompt=30, completion=0, cache_write=37.5), Usage(100, 0, written=100), 125, id="written"),
        pytest.param(priced(prompt=30, completion=0, cache_read=0), Usage(100, 0, 999), 0, id="more cached than sent"),
        pytest.param(priced(request=0.0042), Usage(9999, 9999), 140, id="a price per call"),
        pytest.param(priced(request=0.0042), None, 140, id="a price per call needs no usage"),
        pytest.param(priced(prompt=30, completion=60, request=0.003), Usage(10, 10), 130, id="both kinds"),
        pytest.param(priced(prompt=30, completion=60), None, None, id="no usage, no sum"),
        pytest.param(priced(prompt=30), Usage(10, 10), None, id="half a price is none"),
        pytest.param(priced(request=0), Usage(10, 10), None, id="0.00 a call stands for a price that varies"),
        pytest.param(priced(), Usage(10, 10), None, id="no prices"),
        pytest.param(ModelCard("a", "a"), Usage(10, 10), None, id="nothing known"),
    ],
)
def test_the_catalogues_prices(card: ModelCard, usage: Usage | None, points: int | None) -> None:
    assert estimate(card, usage) == points


@pytest.mark.parametrize(
    ("base", "per_1k", "usage", "points"),
    [
        (12, None, Usage(1000, 1000), 12),
        (12, None, None, 12),
        (0.5, None, None, 1),
        (None, 4, Usage(1000, 500), 6),
        (None, 0.1, Usage(30_000, 0), 3),
        (12, 4, Usage(1, 0), 13),
        (12, 4, None, None),
        (0, None, Usage(1, 1), 0),
    ],
)
def test_the_operators_points(base: float | None, per_1k: float | None, usage: Usage | None, points: int) -> None:
    assert estimate(ModelCard("a", "a", base=base, per_1k_tokens=per_1k), usage) == points


def test_the_catalogue_goes_before_the_operator() -> None:
    card = replace(priced(prompt=30, completion=30), base=999)
    assert estimate(card, Usage(1, 1)) == 2
    assert estimate(replace(card, pricing=Pricing()), Usage(1, 1)) == 999


# --- laws -------------------------------------------------------------------------------------------------------------

tokens = st.integers(0, 3_000_000)
price = st.none() | st.decimals(0, 1, places=8)
pricings = st.builds(Pricing, price, price, price, price, price, price)
models = st.builds(lambda pricing: ModelCard("a", "a", pricing=pricing), pricings)


@given(models, tokens, tokens, tokens, tokens)
def test_no_estimate_is_negative(card: ModelCard, prompt: int, completion: int, cached: int, written: int) -> None:
    assert (estimate(card, Usage(prompt, completion, cached, written=written)) or 0) >= 0


@given(models, tokens, tokens, tokens, tokens, tokens)
def test_more_tokens_never_cost_less(
    card: ModelCard, prompt: int, completion: int, cached: int, more_in: int, more_out: int
) -> None:
    cached = min(cached, prompt)
    less = estimate(card, Usage(prompt, completion, cached))
    more = estimate(card, Usage(prompt + more_in, completion + more_out, cached))
    assert (less is None) == (more is None)
    assert (less or 0) <= (more or 0)


@given(models, tokens, tokens)
def test_the_parts_are_rounded_up_by_themselves(card: ModelCard, prompt: int, completion: int) -> None:
    assert card.pricing is not None
    if card.pricing.prompt is None or card.pricing.completion is None:
        return
    parts = [prompt * card.pricing.prompt, completion * card.pricing.completion, card.pricing.request or Decimal(0)]
    assert estimate(card, Usage(prompt, completion)) == sum(math.ceil(part * 1_000_000 / 30) for part in parts)


# --- cheaper models ---------------------------------------------------------------------------------------------------

USAGE = Usage(1000, 1000)


def named(name: str, usd: float, **facts: Any) -> ModelCard:
    return replace(priced(prompt=usd, completion=usd), name=name, poe_name=name, **facts)


def names(card: ModelCard, among: list[ModelCard]) -> list[str]:
    points = estimate(card, USAGE)
    assert points is not None
    return [found.name for found, _ in cheaper(card, among, USAGE, points)]


def test_up_to_three_cheaper_models_are_named_the_cheapest_first() -> None:
    others = [named(f"at-{usd}", usd) for usd in (5, 9, 1, 20, 3)]
    assert names(named("dear", 10), others) == ["at-1", "at-3", "at-5"]


def test_each_comes_with_its_own_price() -> None:
    assert cheaper(named("dear", 10), [named("other", 3)], USAGE, 9999)[0][1] == 200


def test_a_model_is_not_cheaper_than_itself_under_another_name() -> None:
    card = named("dear", 10)
    assert names(card, [replace(card, name="alias", pricing=named("", 1).pricing)]) == []


@pytest.mark.parametrize(
    "other",
    [
        named("makes images", 1, modality=Modality.IMAGE),
        named("no tools", 1, features=(), input_modalities=("text", "image")),
        named("no images", 1, features=("tools",), input_modalities=("text",)),
        named("too small", 1, features=("tools",), input_modalities=("text", "image"), context=500),
        replace(named("no price", 1), pricing=None, features=("tools",), input_modalities=("text", "image")),
        named("as dear", 10, features=("tools",), input_modalities=("text", "image")),
    ],
    ids=lambda card: card.name,
)
def test_only_what_can_do_the_same_for_less_is_named(other: ModelCard) -> None:
    fit = named("fit", 2, features=("tools", "web_search"), input_modalities=("text", "image"), context=10_000)
    card = named("dear", 10, features=("tools",), input_modalities=("text", "image"))
    assert names(card, [other, fit]) == ["fit"]
