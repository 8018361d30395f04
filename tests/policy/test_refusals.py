"""Reading a 400: what OpenAI, Anthropic, Google, litellm, pydantic, vLLM and other providers say, and what is changed.

The texts are in the styles of those providers; each is read beside a body, and the body that is tried next is checked.
"""

from typing import Any

import pytest

from poe_proxy.canonical.errors import Refused
from poe_proxy.canonical.json import Json
from poe_proxy.policy.parameters import PROTECTED
from poe_proxy.policy.refusals import Repair, repair

SHELL: Json = {
    "model": "some-model",
    "messages": [{"role": "user", "content": "How do I stop a stream?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
GONE = object()


def repaired(message: str, fields: Json, **error: Any) -> Json | None:
    """The fields after the repair, or None where there is none."""
    body = {**SHELL, **fields}
    found = repair(Refused(message, poe_status=400, **error), body)
    if found is None:
        return None
    after = found.apply(body)
    assert {name: value for name, value in after.items() if name in SHELL} == SHELL
    return {name: value for name, value in after.items() if name not in SHELL}


UNSUPPORTED = [
    # OpenAI
    ("Unknown parameter: 'top_k'.", "top_k"),
    ("Unrecognized request argument supplied: top_k", "top_k"),
    ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
    ("Unrecognized request arguments supplied: top_k", "top_k"),
    ("Invalid parameter: 'logprobs' is not supported with this model.", "logprobs"),
    # Anthropic
    ("top_k: Extra inputs are not permitted", "top_k"),
    ("`temperature` is not supported for this model.", "temperature"),
    # litellm
    ("litellm.BadRequestError: OpenAIException - Unknown parameter: 'top_k'.", "top_k"),
    (
        "litellm.UnsupportedParamsError: some-model does not support parameters: ['top_k'], for model=some-model.",
        "top_k",
    ),
    # pydantic and FastAPI
    ("body.top_k: Extra inputs are not permitted", "top_k"),
    (
        "[{'type': 'extra_forbidden', 'loc': ('body', 'top_k'), 'msg': 'Extra inputs are not permitted', 'input': 5}]",
        "top_k",
    ),
    ("1 validation error for ChatCompletionRequest top_k Extra inputs are not permitted", "top_k"),
    # JSON schema
    ("Additional properties are not allowed ('top_k' was unexpected)", "top_k"),
    # Google
    ('Invalid JSON payload received. Unknown name "top_k": Cannot find field.', "top_k"),
    ("Unknown name 'top_k' at 'generation_config': Cannot find field.", "top_k"),
    # xAI, Mistral, Together, Fireworks, Novita, Groq styles
    ("Argument not supported on this model: top_k", "top_k"),
    ("Model some-model does not support parameter top_k.", "top_k"),
    ("Unsupported field: top_k", "top_k"),
    ("property 'top_k' is unsupported", "top_k"),
    ("The parameter `top_k` specified in the request is not supported.", "top_k"),
    ("unexpected keyword argument 'top_k'", "top_k"),
    ("Completions.create() got an unexpected keyword argument 'top_k'", "top_k"),
    ("'top_k' is not a valid parameter", "top_k"),
    ("Parameter top_k is not allowed for this bot.", "top_k"),
    ("Invalid request: unknown field `top_k`", "top_k"),
    ('json: unknown field "top_k"', "top_k"),
    ('Unrecognized field "top_k" (class Request), not marked as ignorable', "top_k"),
    ("Extra parameters not allowed: top_k", "top_k"),
    ("Unknown parameter: 'reasoning.effort'.", "reasoning"),
    ("Unknown parameter: 'logit_bias[50256]'.", "logit_bias"),
]


@pytest.mark.parametrize(("message", "name"), UNSUPPORTED)
def test_a_name_that_is_refused_is_dropped_and_nothing_else(message: str, name: str) -> None:
    assert repaired(message, {name: 1, "presence_penalty": 0.5}) == {"presence_penalty": 0.5}


@pytest.mark.parametrize(("message", "name"), UNSUPPORTED)
def test_a_name_that_is_not_in_the_body_is_none_of_its_faults(message: str, name: str) -> None:
    assert repaired(message, {"presence_penalty": 0.5}) is None


@pytest.mark.parametrize(("message", "name"), UNSUPPORTED)
def test_what_is_not_supported_is_worth_remembering(message: str, name: str) -> None:
    found = repair(Refused(message, poe_status=400), {**SHELL, name: 1})
    assert found is not None
    assert found.unsupported == {name: None}


@pytest.mark.parametrize(
    "message",
    [
        "Invalid 'logit_bias': something is wrong with it.",
        "Something about logit_bias went wrong.",
        "The logit bias is broken.",
    ],
)
def test_what_is_only_named_is_dropped_this_once(message: str) -> None:
    assert repair(Refused(message, poe_status=400), {**SHELL, "logit_bias": {}}) == Repair(drop=("logit_bias",))


@pytest.mark.parametrize(
    "message",
    [
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        "Only one of the parameters 'temperature' and 'top_p' may be given.",
        "temperature and top_p are mutually exclusive: 'temperature', 'top_p'",
    ],
)
def test_of_two_that_exclude_each_other_the_second_goes_this_once(message: str) -> None:
    found = repair(Refused(message, poe_status=400), {**SHELL, "temperature": 1, "top_p": 1})
    assert found == Repair(drop=("top_p",))


def test_several_names_go_together() -> None:
    assert repaired("Unrecognized request arguments supplied: top_k, min_p", {"top_k": 1, "min_p": 2, "n": 1}) == {
        "n": 1
    }
    assert repaired("Extra inputs are not permitted: 'top_k', 'min_p'", {"top_k": 1, "min_p": 2}) == {}


@pytest.mark.parametrize(
    "message",
    [
        "Unknown parameters: 'top_p', 'temperature'.",
        "Unsupported parameters: `top_p` and `temperature`.",
        "The parameters 'top_p', and 'temperature' are not supported.",
    ],
)
def test_quoted_names_in_a_row_go_together(message: str) -> None:
    assert repaired(message, {"top_p": 1, "temperature": 2, "n": 1}) == {"n": 1}


@pytest.mark.parametrize(
    ("message", "fields", "after"),
    [
        ("`temperature` may only be set to 1 when thinking is enabled.", {"temperature": 0.7}, {"temperature": 1}),
        ("`temperature` may only be set to 1 when thinking is enabled.", {"temperature": 1}, {}),
        ("temperature is required to be 1.0 with this model", {"temperature": 0.7}, {"temperature": 1.0}),
        ("top_p must be exactly 0.95.", {"top_p": 1}, {"top_p": 0.95}),
        ("'parallel_tool_calls' must be false", {"parallel_tool_calls": True}, {"parallel_tool_calls": False}),
        ("`effort` has to be set to 'low' here", {"effort": "high"}, {"effort": "low"}),
        ("n must be 1", {"n": 3}, {"n": 1}),
        ("`stop` must be set to 'END'", {"stop": ["x"]}, {}),
        ("`logprobs` must be set when top_logprobs is", {"logprobs": False}, {}),
        ("temperature: range: 0..1", {"temperature": 1.5}, {"temperature": 1}),
    ],
)
def test_the_one_value_that_may_be_is_set_and_not_remembered(message: str, fields: Json, after: Json) -> None:
    assert repaired(message, fields) == after
    found = repair(Refused(message, poe_status=400), {**SHELL, **fields})
    assert found is not None
    assert found.unsupported == {}


def test_the_nearest_level_of_little_thinking_is_not_none() -> None:
    message = "Unsupported value: 'minimal' is not supported. Supported values are: 'none', 'low', 'medium'."
    assert repaired(message, {"reasoning_effort": "minimal"}) == {"reasoning_effort": "low"}


def test_the_param_of_the_error_is_the_surest() -> None:
    assert repaired("This is not supported.", {"top_k": 1, "min_p": 2}, param="top_k") == {"min_p": 2}


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "litellm.BadRequestError: Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
    ],
)
def test_a_new_name_takes_the_value_over(message: str) -> None:
    assert repaired(message, {"max_tokens": 5}) == {"max_completion_tokens": 5}
    assert repaired(message, {"max_tokens": 5, "max_completion_tokens": 6}) == {"max_completion_tokens": 6}


@pytest.mark.parametrize(
    ("message", "fields", "after"),
    [
        (
            "Unsupported value: 'high' is not supported with the "
            "'gpt-5.2-chat-latest' model. Supported values are: 'medium'.",
            {"reasoning_effort": "high"},
            {"reasoning_effort": "medium"},
        ),
        (
            "Unsupported value: 'reasoning_effort' does not support 'xhigh' with "
            "this model. Supported values are: 'low', 'medium', and 'high'.",
            {"reasoning_effort": "xhigh"},
            {"reasoning_effort": "high"},
        ),
        (
            "Invalid value: 'max'. Supported values are: 'none', 'minimal', 'low', 'medium', 'high', and 'xhigh'.",
            {"reasoning_effort": "max"},
            {"reasoning_effort": "xhigh"},
        ),
        (
            "reasoning_effort: Input should be 'low', 'medium' or 'high'",
            {"reasoning_effort": "none"},
            {"reasoning_effort": "low"},
        ),
        (
            "thinking_level must be one of: 'low', 'high'",
            {"thinking_level": "medium"},
            {"thinking_level": "low"},
        ),
        ("Invalid value for 'size'. Must be one of '1024x1024', '512x512'.", {"size": "1x1"}, {"size": "1024x1024"}),
        (
            "Unsupported value: 'temperature' does not support 0.2 with this "
            "model. Only the default (1) value is supported.",
            {"temperature": 0.2},
            {},
        ),
        (
            "max_tokens is too large: 100000. This model supports at most 16384 "
            "completion tokens, whereas you provided 100000.",
            {"max_tokens": 100000},
            {"max_tokens": 16384},
        ),
        (
            "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for some-model",
            {"max_tokens": 64000},
            {"max_tokens": 8192},
        ),
        (
            "`max_tokens` must be less than or equal to `8192`, the maximum value "
            "for `max_tokens` is less than the context",
            {"max_tokens": 9000},
            {"max_tokens": 8192},
        ),
        (
            "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
            {"max_tokens": 9000},
            {"max_tokens": 8192},
        ),
        (
            "The maximum number of output tokens for this model is 4,096.",
            {"max_completion_tokens": 9000},
            {"max_completion_tokens": 4096},
        ),
        (
            "Invalid 'max_completion_tokens': integer below minimum value. Expected a value >= 16, but got 5 instead.",
            {"max_completion_tokens": 5},
            {"max_completion_tokens": 16},
        ),
        (
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
            {"temperature": 2.5},
            {"temperature": 2},
        ),
        ("temperature: Input should be less than or equal to 1", {"temperature": 1.5}, {"temperature": 1}),
        ("temperature must be between 0 and 1", {"temperature": 1.5}, {"temperature": 1}),
        ("top_p must be between 0.1 and 1.0, got 0", {"top_p": 0}, {"top_p": 0.1}),
        (
            "thinking_budget: Input should be greater than or equal to 1024",
            {"thinking_budget": 100},
            {"thinking_budget": 1024},
        ),
        (
            "The thinking budget 50000 is invalid. Please choose a value between 512 and 24576.",
            {"thinking_budget": 50000},
            {"thinking_budget": 24576},
        ),
    ],
)
def test_a_value_that_is_refused_is_moved_to_the_nearest_allowed_one(message: str, fields: Json, after: Json) -> None:
    assert repaired(message, {**fields, "presence_penalty": 0.5}) == {**after, "presence_penalty": 0.5}


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("Unsupported value: 'high' is not supported. Supported values are: 'medium'.", {"reasoning_effort": "high"}),
        ("temperature must be between 0 and 1", {"temperature": 1.5}),
        ("max_tokens is too large: 9. This model supports at most 5 completion tokens.", {"max_tokens": 9}),
        (
            "Unsupported value: 'temperature' does not support 0.2 with this "
            "model. Only the default (1) value is supported.",
            {"temperature": 0.2},
        ),
    ],
)
def test_a_refused_value_is_nothing_to_remember(message: str, fields: Json) -> None:
    found = repair(Refused(message, poe_status=400), {**SHELL, **fields})
    assert found is not None
    assert found.unsupported == {}


FIELDS: Json = {
    "user": "me",
    "stop": ["END"],
    "n": 1,
    "store": False,
    "seed": 1,
    "metadata": {},
    "temperature": 1,
    "max_tokens": 5,
    "size": "1024x1024",
    "quality": "high",
    "style": "vivid",
    "reasoning": {},
    "audio": {},
}


@pytest.mark.parametrize(
    "message",
    [
        "Something is wrong with it.",
        "Please stop and try again: the user did too much.",
        "The user is not allowed to do that.",
        "Invalid generation request. Try another prompt.",
        'messages: roles must alternate between "user" and "assistant"',
        "The last message must be from the user.",
        "Error in stream: n tokens were lost.",
        "The image size was reduced, the quality is low and so is the style.",
        "Your store of points is empty; a seed will not help.",
        "messages.1.role: Input should be 'user' or 'assistant'",
        "Invalid 'messages[0].content': string too long.",
        "litellm.BadRequestError: OpenAIException - This model does not chat.",
        "Request failed... This generation request is invalid.",
        "Audio is not supported by this model.",
        "The model's reasoning was interrupted.",
    ],
)
def test_words_of_plain_english_name_no_parameter(message: str) -> None:
    after = repaired(message, FIELDS)
    assert after is None


@pytest.mark.parametrize("name", sorted(PROTECTED))
@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: '{}' is not supported with this model.",
        "Unknown parameter: '{}'.",
        "{}: Extra inputs are not permitted",
        "Invalid value for '{}'. Supported values are: 'other'.",
        "{} must be one of 'a', 'b'",
    ],
)
def test_what_the_request_is_stays_whatever_an_error_says(name: str, message: str) -> None:
    body = {**SHELL, "tools": [{}], "tool_choice": "auto", "response_format": {"type": "json_object"}}
    found = repair(Refused(message.format(name), poe_status=400, param=name), body)
    assert found is None or {one: found.apply(body).get(one) for one in PROTECTED} == {
        one: body[one] for one in PROTECTED
    }


def test_the_words_of_a_repair() -> None:
    found = Repair(values={"a": 1}, drop=("b",), unsupported={"c": None, "d": "e"})
    assert found.words() == ["dropped c", "d became e", "dropped b", "a set to 1"]
    assert found.apply({"a": 0, "b": 0, "c": 0, "d": 2, "f": 3}) == {"a": 1, "e": 2, "f": 3}
    assert found.apply({"f": 3}) == {"f": 3}


@pytest.mark.parametrize(
    "message",
    [
        one * (200_000 // len(one))
        for one in (
            *(
                "'",
                "parameter ",
                "a, ",
                "must be one of ",
                "<=",
                "9",
                "un",
                "'a'",
                "'a', ",
                ": a",
                "maximum ",
                "range ",
            ),
            *(
                "supported values ",
                "between ",
                "option ",
                " is: ",
                "a is not ",
                "must be ",
                "unun'a' ",
                "1 > ",
                " ",
                "(",
            ),
        )
    ],
)
def test_words_without_sense_are_read_in_no_time(message: str) -> None:
    assert repaired(message, FIELDS) is None
