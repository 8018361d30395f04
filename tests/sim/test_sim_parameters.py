"""Which requests Poe takes: the catalogue decides, model by model."""

from __future__ import annotations

from typing import Any

import pytest

from poe_sim import catalogue
from poe_sim.validation import check

HELLO = [{"role": "user", "content": "hello"}]
STANDARD = {
    "max_tokens": 100,
    "max_completion_tokens": 100,
    "temperature": 1.5,
    "top_p": 0.9,
    "stop": ["\n\nHuman"],
    "n": 1,
    "seed": 7,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "logit_bias": {"50256": -100},
    "user": "u",
    "metadata": {"a": "b"},
    "store": False,
    "prediction": None,
    "service_tier": "auto",
    "modalities": ["text"],
    "response_format": {"type": "json_object"},
    "parallel_tool_calls": True,
}


def test_each_model_of_the_catalogue_answers_a_plain_request(chat: Any) -> None:
    refused = {name: chat(model=name).text for name in catalogue.cards() if chat(model=name).status_code != 200}
    assert len(catalogue.cards()) == 362
    assert refused == {}


def test_the_catalogue_is_served_without_a_key(http: Any) -> None:
    body = http("GET", "/v1/models", {"authorization": ""}).json()
    haiku = next(model for model in body["data"] if model["id"] == "claude-haiku-4.5")
    assert len(body["data"]) == 362
    assert haiku["pricing"]["prompt"] == "0.00000085"
    assert haiku["created"] > 10**12, "milliseconds"


@pytest.mark.parametrize("name", STANDARD)
def test_openais_own_fields_pass(chat: Any, name: str) -> None:
    assert chat(**{name: STANDARD[name]}).status_code == 200


@pytest.mark.parametrize("name", ["auto_manage_context", "extra_body", "top_k", "thinking", "enable_web_search"])
def test_fields_that_the_model_does_not_list_are_refused(chat: Any, name: str) -> None:
    refused = chat(model="gpt-5.1", **{name: True})
    assert refused.status_code == 400
    assert refused.json() == {
        "error": {"message": f"Unrecognized request argument supplied: {name}", "type": "invalid_request_error"}
    }


@pytest.mark.parametrize(
    ("model", "name", "right", "wrong"),
    [
        ("glm-5", "enable_thinking", True, "true"),
        ("claude-opus-4.6", "output_effort", "max", "minimal"),
        ("claude-haiku-4.5", "thinking_budget", 4096, 64_000),
        ("gpt-5.4", "reasoning_effort", "xhigh", "minimal"),
        ("gpt-5.4", "verbosity", "low", "loud"),
        ("veo-3.1-lite", "duration", "4", 4),
    ],
)
def test_fields_that_the_model_lists_must_hold_what_it_declares(
    chat: Any, model: str, name: str, right: Any, wrong: Any
) -> None:
    assert chat(model=model, **{name: right}).status_code == 200
    refused = chat(model=model, **{name: wrong})
    assert refused.status_code == 400
    assert str(wrong) in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("style", "words", "has_param"),
    [
        ("openai", "Unrecognized request argument supplied: foo", False),
        ("openai_param", "Unrecognized request argument supplied: foo", True),
        ("unsupported", "Unsupported parameter: 'foo' is not supported with this model.", True),
        ("unsupported_bare", "Unsupported parameter: 'foo' is not supported with this model.", False),
        ("pydantic", "foo: Extra inputs are not permitted", False),
        ("unknown", "Unknown parameter: 'foo'.", True),
        ("documented", "Parameter 'foo' is not supported.", False),
        ("param_only", "Invalid request.", True),
    ],
)
def test_the_refusal_is_spelt_as_wished(chat: Any, style: str, words: str, has_param: bool) -> None:
    error = chat(foo=1, headers={"x-sim-style": style}).json()["error"]
    assert error["message"] == words
    assert (error.get("param") == "foo") is has_param


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 2},
        {"stop": [" \n"]},
        {"stop": "\t"},
        {"temperature": 2.1},
        {"max_tokens": 0},
        {"messages": []},
        {"messages": "hello"},
        {"messages": [{"role": "developer", "content": "be kind"}]},
        {"messages": [*HELLO, {"role": "narrator", "content": "x"}]},
        {"messages": ["hello"]},
        {"model": None},
    ],
    ids=str,
)
def test_wrong_values_are_refused(chat: Any, wrong: dict[str, Any]) -> None:
    refused = chat(**wrong)
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff"])
def test_what_is_no_json_object_is_refused(http: Any, raw: bytes) -> None:
    assert http("POST", "/v1/chat/completions", content=raw).status_code == 400


@pytest.mark.parametrize("model", ["gpt-5.1-instant", "gpt-5.3-instant", "gpt-5-chat", "assistant"])
def test_chat_tuned_models_take_only_medium_effort(chat: Any, model: str) -> None:
    assert chat(model=model, reasoning_effort="medium").status_code == 200
    error = chat(model=model, reasoning_effort="high").json()["error"]
    assert error["message"].startswith("Unsupported value: 'high' is not supported with the 'gpt-5")
    assert error["message"].endswith("-chat-latest' model. Supported values are: 'medium'.")


@pytest.mark.parametrize("name", ["gpt-4-0314", "xai/grok-4", "openai/gpt-5.1", ""])
def test_unknown_and_prefixed_names_are_not_found(chat: Any, name: str) -> None:
    missing = chat(model=name)
    assert missing.status_code == 404
    assert missing.json()["error"] == {
        "message": f"The model `{name}` does not exist or you do not have access to it.",
        "type": "invalid_request_error",
    }


def test_names_match_in_any_casing(chat: Any) -> None:
    assert chat(model="Claude-Haiku-4.5").status_code == 200
    assert chat(model="KIMI-K2.5").json()["model"] == "KIMI-K2.5"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("kimi-k2.5-fw", "Model kimi-k2.5-fw does not support tool calling."),
        ("gpt-4o-search", "litellm.BadRequestError: OpenAIException - tools is not supported in this model."),
        ("gpt-3.5-turbo-instruct", "litellm.BadRequestError: OpenAIException - This is not a chat model"),
    ],
)
def test_tools_are_refused_as_recorded(chat: Any, weather: Any, model: str, words: str) -> None:
    assert chat(model=model, tools=[weather]).json()["error"]["message"].startswith(words)


def test_a_prompt_beyond_the_context_window_is_refused(http: Any, chat: Any) -> None:
    far_too_much = "word " * 60_000
    refused = chat(far_too_much, model="gpt-3.5-turbo")
    assert (refused.status_code, refused.json()["error"]["type"]) == (413, "request_too_large")
    http("POST", "/_sim/settings", json={"context_status": 400})
    assert chat(far_too_much, model="gpt-3.5-turbo").status_code == 400


def test_leniency_can_be_chosen(http: Any, chat: Any) -> None:
    http("POST", "/_sim/settings", json={"strict": False})
    assert chat(foo=1).status_code == 200


def test_each_declared_value_of_each_model_is_accepted() -> None:
    for card in catalogue.cards().values():
        for name, schema in card.parameters.items():
            for value in schema.get("enum", ()) if name not in {"model"} else ():
                body = {"model": card.id, "messages": HELLO, name: value}
                assert check(body, card, style="openai") is None, (card.id, name, value)
