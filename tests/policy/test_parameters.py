"""A body fitted to what a model declares: each rule by name, and every model of the real catalogue against them all."""

from typing import Any

import pytest

from poe_proxy.canonical.card import ModelCard, Parameter
from poe_proxy.policy.parameters import IGNORED, fit
from tests.policy.declared import Json, cards, faults

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
UNHEARD_OF = ModelCard("m", "m")


def card(*parameters: Parameter) -> ModelCard:
    return ModelCard("m", "m", in_catalogue=True, parameters={declared.name: declared for declared in parameters})


def fitted(fields: Json, model: ModelCard | None = None, unsupported: dict[str, str | None] | None = None) -> Json:
    """What is sent beside model and messages."""
    body, _ = fit({**ASKED, **fields}, model or card(), unsupported or {})
    return {name: value for name, value in body.items() if name not in ASKED}


def changes(fields: Json, model: ModelCard | None = None) -> list[str]:
    return fit({**ASKED, **fields}, model or card(), {})[1]


class TestWhatPasses:
    @pytest.mark.parametrize(
        "fields",
        [
            {"temperature": 0.5, "top_p": 1, "max_tokens": 5},
            {"max_completion_tokens": 5, "stop": ["a", " b"], "n": 1},
            {
                "tools": [{"type": "function", "function": {"name": "f"}}],
                "tool_choice": "auto",
                "parallel_tool_calls": False,
            },
            {"logprobs": True, "top_logprobs": 2},
            {"response_format": {"type": "json_object"}},
            {"stream": True, "stream_options": {"include_usage": True}},
        ],
    )
    def test_standard_fields_pass_untouched(self, fields: Json) -> None:
        assert fitted(fields) == fields
        assert changes(fields) == []

    def test_a_declared_field_passes(self) -> None:
        fields = {"aspect": "1:1", "quality": 3, "web_search": True}
        declared = (Parameter("aspect", "string"), Parameter("quality", "number"), Parameter("web_search", "boolean"))
        assert fitted(fields, card(*declared)) == fields

    @pytest.mark.parametrize("name", sorted(IGNORED))
    def test_what_poe_ignores_is_dropped_unless_the_model_names_it(self, name: str) -> None:
        assert fitted({name: 1}) == {}
        assert fitted({name: 1}, UNHEARD_OF) == {}
        assert fitted({name: 1}, card(Parameter(name, "number"))) == {name: 1}
        assert changes({name: 1}) == [f"dropped {name}"]

    def test_an_object_for_a_switch_of_the_same_name_is_dropped(self) -> None:
        model = card(Parameter("audio", "boolean"))
        assert fitted({"audio": {"voice": "alloy", "format": "wav"}}, model) == {}
        assert fitted({"audio": True}, model) == {"audio": True}

    def test_an_unknown_field_is_dropped_for_a_model_that_is_known(self) -> None:
        assert fitted({"odd": 1, "top_k": 5}) == {}
        assert changes({"odd": 1, "top_k": 5}) == ["dropped odd", "dropped top_k"]

    def test_an_unknown_field_is_kept_for_a_model_that_nobody_knows(self) -> None:
        assert fitted({"odd": 1, "top_k": 5}, UNHEARD_OF) == {"odd": 1, "top_k": 5}

    def test_null_says_nothing(self) -> None:
        assert fitted({"temperature": None, "tools": None, "seed": None, "odd": None}) == {}
        assert changes({"temperature": None, "tools": None, "seed": None, "odd": None}) == []

    def test_the_caller_s_body_is_not_changed(self) -> None:
        tools = [{"type": "function", "function": {"name": "f", "strict": True}}]
        body = {**ASKED, "n": 3, "stop": ["", "a"], "seed": 1, "extra_body": {"odd": 1}, "tools": tools}
        before = repr(body)
        fit(body, card(), {"temperature": None})
        assert repr(body) == before


def test_auto_manage_context_is_taken_and_not_sent() -> None:
    assert fitted({"auto_manage_context": True}, UNHEARD_OF) == {}


class TestToolsThatAreNone:
    @pytest.mark.parametrize(
        "fields",
        [
            {"tools": []},
            {"functions": []},
            {"tool_choice": "none"},
            {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
        ],
    )
    def test_what_providers_refuse_and_says_nothing_is_dropped(self, fields: Json) -> None:
        assert fitted(fields) == {}

    def test_a_choice_that_says_something_stays(self) -> None:
        assert fitted({"tool_choice": "required"}) == {"tool_choice": "required"}


class TestChoicesAndStops:
    @pytest.mark.parametrize("n", [2, 5])
    def test_n_becomes_1(self, n: int) -> None:
        assert fitted({"n": n}) == {"n": 1}
        assert changes({"n": n}) == ["n set to 1"]

    @pytest.mark.parametrize(
        ("stop", "sent"),
        [
            ("\n", {}),
            (" ", {}),
            ("", {}),
            (["\n", "\t "], {}),
            ([], {"stop": []}),
            (["\n", "END", ""], {"stop": ["END"]}),
            (["\nEND"], {"stop": ["\nEND"]}),
            ("END", {"stop": "END"}),
        ],
    )
    def test_stops_of_nothing_but_white_space_go(self, stop: Any, sent: Json) -> None:
        assert fitted({"stop": stop}) == sent


class TestWebSearch:
    @pytest.mark.parametrize("name", ["web_search", "enable_web_search", "tool_web_search"])
    def test_the_options_become_the_model_s_own_switch(self, name: str) -> None:
        assert fitted({"web_search_options": {}}, card(Parameter(name, "boolean"))) == {name: True}

    def test_size_and_place_are_kept_where_they_are_declared(self) -> None:
        place = {"type": "approximate", "approximate": {"country": "DE", "city": "Ulm", "region": None}}
        options = {"search_context_size": "low", "user_location": place}
        model = card(
            Parameter("web_search", "boolean"),
            Parameter("search_context_size", "string", ("low", "high")),
            Parameter("country", "string"),
            Parameter("region", "string"),
        )
        sent = {"web_search": True, "search_context_size": "low", "country": "DE"}
        assert fitted({"web_search_options": options}, model) == sent

    def test_what_the_caller_says_in_the_model_s_words_goes_first(self) -> None:
        model = card(Parameter("web_search", "boolean"))
        assert fitted({"web_search_options": {}, "web_search": False}, model) == {"web_search": False}

    @pytest.mark.parametrize("options", [{}, {"search_context_size": "low"}, True, "yes"])
    def test_a_model_that_cannot_search_is_not_asked_to(self, options: Any) -> None:
        assert fitted({"web_search_options": options}) == {}


class TestTypes:
    @pytest.mark.parametrize(
        ("declared", "value", "sent"),
        [
            (Parameter("x", "string", ("1", "5", "10")), 5, "5"),
            (Parameter("x", "string", ("1", "5", "10")), 6, "5"),
            (Parameter("x", "string", ("1", "5", "10")), 100, "10"),
            (Parameter("x", "string", ("1.5", "2.5")), 1.6, "1.5"),
            (Parameter("x", "string", ("Low", "High")), "high", "High"),
            (Parameter("x", "string", ("low", "high")), "low", "low"),
            (Parameter("x", "string"), 5, "5"),
            (Parameter("x", "number"), "5", 5),
            (Parameter("x", "number"), "5.5", 5.5),
            (Parameter("x", "number"), "many", "many"),
            (Parameter("x", "boolean"), "TRUE", True),
            (Parameter("x", "boolean"), "false", False),
            (Parameter("x", "boolean"), "maybe", "maybe"),
        ],
    )
    def test_a_value_is_said_in_the_declared_type(self, declared: Parameter, value: Any, sent: Any) -> None:
        told = fitted({"x": value}, card(declared))["x"]
        assert (told, type(told)) == (sent, type(sent))

    def test_it_is_told(self) -> None:
        assert changes({"x": "5"}, card(Parameter("x", "number"))) == ["x retyped"]


class TestTools:
    def test_strict_goes_and_all_else_stays(self) -> None:
        function = {"name": "f", "parameters": {"type": "object"}, "odd": 1}
        tools = [{"type": "function", "function": {**function, "strict": True}, "odd": 2}, {"type": "odd"}]
        assert fitted({"tools": tools}) == {
            "tools": [{"type": "function", "function": function, "odd": 2}, {"type": "odd"}]
        }
        assert changes({"tools": tools}) == ["dropped tools[].function.strict"]

    def test_a_media_model_s_own_model_parameter_never_hides_the_model(self) -> None:
        body, _ = fit(ASKED, card(Parameter("model", "string", ("fast", "slow"))), {})
        assert body["model"] == "m"


class TestWhatPoeRefusedBefore:
    def test_is_dropped(self) -> None:
        assert fitted({"temperature": 1, "top_p": 1}, unsupported={"temperature": None, "stop": None}) == {"top_p": 1}

    def test_is_renamed_where_poe_said_how(self) -> None:
        assert fitted({"max_tokens": 5}, unsupported={"max_tokens": "max_completion_tokens"}) == {
            "max_completion_tokens": 5
        }

    def test_is_dropped_where_the_other_name_is_taken(self) -> None:
        both = {"max_tokens": 5, "max_completion_tokens": 6}
        assert fitted(both, unsupported={"max_tokens": "max_completion_tokens"}) == {"max_completion_tokens": 6}

    @pytest.mark.parametrize("name", ["tools", "tool_choice", "response_format", "stream"])
    def test_what_the_request_is_stays(self, name: str) -> None:
        assert fitted({name: {}}, unsupported={name: None}) == {name: {}}


EVERYTHING: Json = {
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 100,
    "n": 2,
    "stop": ["\n"],
    "seed": 1,
    "user": "me",
    "store": True,
    "metadata": {"a": "b"},
    "logit_bias": {"1": 2},
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "service_tier": "auto",
    "modalities": ["text"],
    "prediction": {"type": "content", "content": "x"},
    "audio": {"voice": "x"},
    "verbosity": "low",
    "top_k": 5,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "prompt_cache_key": "x",
    "safety_identifier": "x",
    "chat_template_kwargs": {"enable_thinking": False},
    "web_search_options": {"search_context_size": "medium"},
    "reasoning": {"effort": "high", "exclude": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "extra_body": {"google": {"thinking_config": {}}},
    "cache_control": {"type": "ephemeral"},
    "odd": [1],
}


@pytest.mark.parametrize("model", sorted(cards()))
def test_everything_that_clients_send_is_made_to_pass(model: str) -> None:
    body, _ = fit({**ASKED, **EVERYTHING}, cards()[model], {})
    assert list(faults(body, model)) == []
    assert body["messages"] == ASKED["messages"]
