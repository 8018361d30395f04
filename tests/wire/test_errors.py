"""Poe's errors, whatever they look like, as ours; and ours as OpenAI's SDKs know them."""

import json
from typing import Any

import pytest

from poe_proxy.canonical.errors import (
    BadRequest,
    ContextTooLong,
    KeyRefused,
    ModelMissing,
    Moderated,
    NotStarted,
    OutOfPoints,
    PoeError,
    PoeFailed,
    RateLimited,
    Refused,
    Unfit,
)
from poe_proxy.wire.openai_chat.errors import read, read_in_stream, write


def error_of(status: int, message: str = "Words.", headers: dict[str, str] | None = None, **fields: Any) -> PoeError:
    return read(status, headers or {}, json.dumps({"error": {"message": message, **fields}}).encode())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, KeyRefused),
        (402, OutOfPoints),
        (403, KeyRefused),
        (404, ModelMissing),
        (408, NotStarted),
        (405, Unfit),
        (409, Unfit),
        (413, ContextTooLong),
        (418, Unfit),
        (422, Refused),
        (429, RateLimited),
        (500, PoeFailed),
        (502, PoeFailed),
        (503, PoeFailed),
        (520, PoeFailed),
        (529, PoeFailed),
        (302, PoeFailed),
    ],
)
def test_the_status_decides_the_kind(status: int, kind: type[PoeError]) -> None:
    error = error_of(status, type="something_else", code=1)
    assert type(error) is kind
    assert error.poe_status == status


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("invalid_request_error", Refused),
        ("authentication_error", KeyRefused),
        ("insufficient_credits", OutOfPoints),
        ("moderation_error", Moderated),
        ("not_found_error", ModelMissing),
        ("timeout_error", NotStarted),
        ("request_too_large", ContextTooLong),
        ("rate_limit_error", RateLimited),
        ("provider_error", PoeFailed),
        ("upstream_error", PoeFailed),
        ("overloaded_error", PoeFailed),
        ("odd_error", PoeFailed),
        (None, PoeFailed),
    ],
)
def test_inside_a_200_the_type_decides_the_kind(type_: str | None, kind: type[PoeError]) -> None:
    assert type(read_in_stream({"error": {"message": "Words.", "type": type_}})) is kind


@pytest.mark.parametrize(
    ("code", "kind"), [(429, RateLimited), ("rate_limit_exceeded", RateLimited), (True, PoeFailed)]
)
def test_inside_a_200_a_code_decides_where_the_type_does_not(code: Any, kind: type[PoeError]) -> None:
    assert type(read_in_stream({"error": {"message": "Words.", "code": code}})) is kind


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is too long for requested model.",
        "Please reduce the length of the messages or completion.",
        "Too many tokens in the request.",
        "Requested token count exceeds the model's maximum context length of 131072 tokens.",
        "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    ],
)
def test_too_much_text_is_told_by_its_words(message: str) -> None:
    error = error_of(400, message)
    assert type(error) is ContextTooLong
    assert (error.status, error.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    "message",
    [
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "Your request was rejected as a result of our safety system.",
        "This content may violate our content policy.",
        "The prompt was flagged.",
        "Output blocked by content filtering policy",
        "Model kimi-k2.5-fw does not support tool calling. Take another model.",
        "litellm.BadRequestError: OpenAIException - tools is not supported in this model.",
        "Invalid parameter: messages with role 'tool' must follow a message with tool_calls.",
        "tool_use ids were found without tool_result blocks immediately after.",
        "Function calling is not enabled for this model.",
        "tool_choice is set but tools are not.",
    ],
)
def test_moderation_and_tools_are_told_by_their_words(message: str) -> None:
    assert type(error_of(400, message)) is Unfit


@pytest.mark.parametrize(
    "message",
    [
        "Unrecognized request argument supplied: parallel_tool_calls",
        "Unknown parameter: 'max_tool_calls'.",
        "max_tokens is too large: 100000. This model supports at most 8192 completion tokens.",
        "Unsupported value: 'high' is not supported with this model. Supported values are: 'medium'.",
        "temperature: Input should be less than or equal to 1",
    ],
)
def test_a_parameter_is_no_matter_of_context_or_tools(message: str) -> None:
    assert type(error_of(400, message)) is Refused


def test_a_403_that_speaks_of_moderation_is_the_caller_s() -> None:
    assert type(error_of(403, "Flagged by moderation.")) is Moderated
    assert type(error_of(403, "Words.", type="moderation_error")) is Moderated


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_policy_violation", "tool_use_failed"])
def test_a_code_counts_like_words(code: str) -> None:
    assert type(error_of(400, "Words.", code=code)) is not Refused


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert error_of(429, headers=headers).retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'""',
        b'{"error": {}}',
        b'{"error": null}',
        b'{"error": []}',
        b'{"message": ""}',
    ],
)
def test_no_words_at_all_are_said_to_be_none(body: bytes) -> None:
    assert "500" in read(500, {}, body).message


@pytest.mark.parametrize("body", [b"\xff\xfe", b"<", b"<html>", b'{"error": {"message": {"deep": [1]}}}', b"[" * 5000])
def test_nonsense_is_an_error_like_any_other(body: bytes) -> None:
    error = read(500, {}, body)
    assert type(error) is PoeFailed
    assert error.message


def test_words_without_end_are_cut() -> None:
    assert len(error_of(400, "x" * 10_000).message) == 2000
    assert len(read(500, {}, b"y" * 100_000).message) == 2000


def test_our_key_s_fault_quotes_nothing() -> None:
    error = error_of(401, "Incorrect API key provided: sk-poe-secret", code="invalid_api_key")
    assert "sk-poe-secret" not in str(write(error))
    assert (error.status, error.code) == (502, "poe_key_refused")


def test_the_shape_is_always_the_same() -> None:
    assert write(BadRequest("Words.", param="model", code="odd")) == {
        "error": {"message": "Words.", "type": "invalid_request_error", "param": "model", "code": "odd"}
    }
    assert write(BadRequest("Words.")) == {
        "error": {"message": "Words.", "type": "invalid_request_error", "param": None, "code": None}
    }


def test_a_limit_of_the_output_is_no_full_context_though_it_is_named() -> None:
    message = (
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model"
    )
    assert type(error_of(400, message)) is Refused


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"metadata": {"parameter": "top_p"}}, "top_p"),
        ({"metadata": {"parameter": "top_p"}, "param": "stop"}, "stop"),
        ({"metadata": {"parameter": 3}}, None),
        ({"metadata": "odd"}, None),
    ],
)
def test_the_parameter_may_stand_in_the_metadata(fields: dict[str, Any], param: str | None) -> None:
    assert error_of(400, **fields).param == param
