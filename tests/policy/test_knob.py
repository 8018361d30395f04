"""One knob for how hard a model should think: every wish on every model of the real catalogue, in the model's words."""

from typing import Any

import pytest

import poe_sim.catalogue
import poe_sim.validation
from poe_proxy.canonical.card import ModelCard, Parameter
from poe_proxy.policy.knob import BUDGETS, LEVELS, level_of_budget, nearest_level
from poe_proxy.policy.parameters import fit
from tests.policy.declared import Json, cards, faults, schemas, takes_effort

EFFORTS = ("reasoning_effort", "output_effort", "effort", "thinking_level")
SWITCHES = ("enable_thinking", "enable_reasoning", "reasoning_enabled", "deep_thinking")
KNOBS = (*EFFORTS, "thinking_budget", *SWITCHES)

WISHES: list[tuple[Json, str]] = [
    *(({name: level}, level) for name in EFFORTS for level in LEVELS),
    *(({"reasoning": {"effort": level}}, level) for level in LEVELS),
    *(({"thinking_budget": tokens}, level) for level, tokens in BUDGETS.items()),
    ({"thinking_budget": 10**9}, "max"),
    ({"thinking_budget": 5000}, "low"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "minimal"),
    ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, "xhigh"),
    ({"thinking": {"type": "enabled"}}, "medium"),
    ({"thinking": {"type": "adaptive"}}, "medium"),
    ({"thinking": {"type": "disabled"}}, "none"),
    ({"reasoning": {"max_tokens": 16000}}, "high"),
    ({"reasoning": {"enabled": False}}, "none"),
    ({"reasoning": {"enabled": True}}, "medium"),
    *(({name: True}, "medium") for name in SWITCHES),
    *(({name: False}, "none") for name in SWITCHES),
    ({"reasoning_effort": "HIGH"}, "high"),
    ({"reasoning_effort": "off"}, "none"),
    ({"reasoning_effort": "auto"}, "medium"),
]
"""What callers say, and the level that it means."""
NONSENSE: list[Json] = [
    {"reasoning_effort": "ultra"},
    {"reasoning_effort": ""},
    {"thinking": "hard"},
    {"thinking": {"type": 3}},
    {"thinking": []},
    {"reasoning": "yes"},
    {"thinking_budget": "a lot"},
    {"thinking_budget": -1},
    {"thinking_budget": 1.5},
    {"enable_thinking": "yes"},
    {"enable_thinking": 1},
    {"effort": {"deep": 1}},
    {"thinking_level": ["high"]},
]
BOTH: list[Json] = [
    {"reasoning_effort": "low", "thinking_budget": 30000},
    {"reasoning_effort": "high", "enable_thinking": False},
    {"thinking_budget": 2000, "enable_thinking": True},
    {"output_effort": "max", "thinking": {"type": "disabled"}},
    {"effort": "low", "thinking_budget": 0, "enable_reasoning": True, "thinking_level": "high"},
]
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def fitted(wish: Json, card: ModelCard) -> Json:
    """What the model is sent beside model and messages."""
    body, _ = fit({**ASKED, **wish}, card, {})
    return {name: value for name, value in body.items() if name not in ASKED}


def card(*, takes: bool = False, **declared: Any) -> ModelCard:
    """A model that declares levels (a tuple), bounds (a range) or a switch (bool)."""
    parameters = {name: _parameter(name, what) for name, what in declared.items()}
    return ModelCard("m", "m", in_catalogue=True, parameters=parameters, takes_effort=takes)


def _parameter(name: str, what: Any) -> Parameter:
    if isinstance(what, range):
        return Parameter(name, "number", minimum=what.start, maximum=what.stop)
    return Parameter(name, "boolean") if what is bool else Parameter(name, "string", tuple(what))


def test_the_catalogue_is_the_real_one() -> None:
    assert len(cards()) == 362
    assert len([model for model in cards() if set(KNOBS) & schemas(model).keys()]) > 70


class TestEveryModel:
    @pytest.mark.parametrize("wish", [*(wish for wish, _ in WISHES), *NONSENSE, *BOTH], ids=str)
    def test_what_is_sent_is_declared_and_valid(self, wish: Json) -> None:
        assert [fault for model, one in cards().items() for fault in faults(fitted(wish, one), model)] == []

    @pytest.mark.parametrize("wish", [wish for wish, _ in WISHES], ids=str)
    def test_the_stand_in_s_strict_validator_lets_it_pass(self, wish: Json) -> None:
        known = poe_sim.catalogue.cards()
        refused = {
            model: refusal.error["message"]
            for model, one in cards().items()
            if (refusal := poe_sim.validation.check({**ASKED, **fitted(wish, one)}, known[model], style="openai"))
        }
        assert refused == {}

    @pytest.mark.parametrize("wish", [wish for wish, _ in WISHES], ids=str)
    def test_a_declared_knob_is_really_sent(self, wish: Json) -> None:
        able = [model for model in cards() if set(KNOBS) & schemas(model).keys() or takes_effort(model)]
        assert [model for model in able if not set(KNOBS) & fitted(wish, cards()[model]).keys()] == []

    @pytest.mark.parametrize(("wish", "level"), WISHES, ids=str)
    def test_the_level_goes_to_the_nearest_declared_one_and_of_two_to_the_cheaper(self, wish: Json, level: str) -> None:
        for model, one in cards().items():
            for name, value in fitted(wish, one).items():
                levels = [allowed for allowed in schemas(model).get(name, {}).get("enum", ()) if allowed in LEVELS]
                if name in EFFORTS and levels:
                    assert value == _nearest(level, levels), (model, name)

    @pytest.mark.parametrize("wish", [wish for wish, _ in WISHES], ids=str)
    def test_an_effort_wins_over_a_second_knob(self, wish: Json) -> None:
        for model, one in cards().items():
            sent = fitted(wish, one)
            if set(EFFORTS) & schemas(model).keys() and not set(wish) & set(KNOBS) - set(EFFORTS):
                assert set(EFFORTS) & sent.keys(), model

    @pytest.mark.parametrize("wish", [{"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}], ids=str)
    def test_no_thinking_turns_every_other_knob_off(self, wish: Json) -> None:
        for model, one in cards().items():
            sent = fitted(wish, one)
            declared = schemas(model)
            assert [name for name in SWITCHES if name in declared and sent.get(name) is not False] == [], model
            budget = declared.get("thinking_budget")
            assert budget is None or sent["thinking_budget"] == budget.get("minimum", 0), model

    @pytest.mark.parametrize("model", sorted(cards()))
    def test_no_wish_sends_no_knob(self, model: str) -> None:
        assert not set(KNOBS) & fitted({"temperature": 1}, cards()[model]).keys()


def _nearest(level: str, levels: list[str]) -> str:
    """Written down once more: by distance, then by price, and only none means none."""
    place = LEVELS.index(level)
    if level != "none" and set(levels) != {"none"}:
        levels = [one for one in levels if one != "none"]
    for distance in range(len(LEVELS)):
        for candidate in (place - distance, place + distance):
            if 0 <= candidate < len(LEVELS) and LEVELS[candidate] in levels:
                return LEVELS[candidate]
    raise AssertionError(levels)


@pytest.mark.parametrize(
    ("wish", "model", "sent"),
    [
        # in the model's own words it stays as it is
        ({"effort": "max"}, card(effort=("max", "high")), {"effort": "max"}),
        ({"thinking_budget": 5000}, card(thinking_budget=range(0, 24576)), {"thinking_budget": 5000}),
        ({"enable_thinking": True}, card(enable_thinking=bool), {"enable_thinking": True}),
        # a budget is cut to what is declared, and a level becomes the table's
        ({"thinking_budget": 50000}, card(thinking_budget=range(1024, 24576)), {"thinking_budget": 24576}),
        ({"thinking_budget": 10}, card(thinking_budget=range(1024, 24576)), {"thinking_budget": 1024}),
        ({"reasoning_effort": "high"}, card(thinking_budget=range(0, 24576)), {"thinking_budget": 16384}),
        ({"reasoning_effort": "max"}, card(thinking_budget=range(0, 61440)), {"thinking_budget": 61440}),
        ({"thinking": {"budget_tokens": 3000}}, card(thinking_budget=range(0, 24576)), {"thinking_budget": 3000}),
        # a tie goes to the cheaper
        ({"reasoning_effort": "medium"}, card(thinking_level=("low", "high")), {"thinking_level": "low"}),
        # only none means none
        ({"reasoning_effort": "minimal"}, card(output_effort=("none", "low")), {"output_effort": "low"}),
        ({"thinking_budget": 100}, card(output_effort=("none", "high")), {"output_effort": "high"}),
        ({"thinking": {"budget_tokens": 1}}, card(effort=("none", "low", "high")), {"effort": "low"}),
        ({"thinking_budget": 100}, card(thinking_budget=range(0, 24576)), {"thinking_budget": 100}),
        ({"thinking_budget": 0}, card(output_effort=("none", "low")), {"output_effort": "none"}),
        ({"reasoning_effort": "minimal"}, card(output_effort=("none",)), {"output_effort": "none"}),
        # an effort wins
        (
            {"reasoning_effort": "low", "thinking_budget": 30000},
            card(output_effort=("low", "high"), thinking_budget=range(0, 31999)),
            {"output_effort": "low"},
        ),
        ({"reasoning_effort": "low"}, card(effort=("low",), thinking_budget=range(0, 31999)), {"effort": "low"}),
        (
            {"reasoning_effort": "high"},
            card(reasoning_effort=("high",), enable_thinking=bool),
            {"reasoning_effort": "high"},
        ),
        # the caller's own words for the second knob stand, unless an effort came too
        (
            {"thinking_budget": 3000},
            card(output_effort=("low", "high"), thinking_budget=range(0, 31999)),
            {"thinking_budget": 3000},
        ),
        # none turns both off
        (
            {"reasoning_effort": "none"},
            card(output_effort=("none", "high"), thinking_budget=range(0, 31999)),
            {"output_effort": "none", "thinking_budget": 0},
        ),
        (
            {"reasoning_effort": "none"},
            card(thinking_level=("low", "high"), enable_thinking=bool),
            {"thinking_level": "low", "enable_thinking": False},
        ),
        # a model that takes an effort and declares none
        ({"thinking_budget": 9000}, card(takes=True), {"reasoning_effort": "medium"}),
        ({"reasoning_effort": "xhigh"}, card(takes=True), {"reasoning_effort": "xhigh"}),
        # a model without a knob
        ({"reasoning_effort": "high", "thinking": {"type": "enabled"}}, card(), {}),
        # a model that nobody knows
        ({"reasoning_effort": "odd", "thinking": 3}, ModelCard("m", "m"), {"reasoning_effort": "odd", "thinking": 3}),
        # a declared `thinking` that is an enumeration
        ({"thinking": "auto"}, card(thinking=("auto", "enabled", "disabled")), {"thinking": "auto"}),
    ],
)
def test_the_rules_by_example(wish: Json, model: ModelCard, sent: Json) -> None:
    assert fitted(wish, model) == sent


def test_what_was_changed_is_told() -> None:
    body = {**ASKED, "reasoning_effort": "medium"}
    assert fit(body, card(thinking_level=("low", "high")), {})[1] == ["reasoning_effort became thinking_level=low"]
    assert fit(body, card(reasoning_effort=("high",)), {})[1] == ["reasoning_effort set to high"]
    assert fit(body, card(), {})[1] == ["dropped reasoning_effort"]
    assert fit(body, card(reasoning_effort=("medium",)), {})[1] == []


@pytest.mark.parametrize(
    ("tokens", "level"), [(-5, "none"), (0, "none"), (1, "minimal"), (6000, "low"), (10**9, "max")]
)
def test_tokens_stand_for_a_level(tokens: int, level: str) -> None:
    assert level_of_budget(tokens) == level


def test_what_is_no_level_has_no_nearest() -> None:
    assert nearest_level("ultra", LEVELS) is None
    assert nearest_level("high", ["fast", "slow"]) is None
    assert nearest_level("high", []) is None
