"""Errors as clients of messages know them: Poe's in its own words, ours in Anthropic's shape."""

import json
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic, APIStatusError, BadRequestError

from poe_proxy.canonical import errors as canonical
from poe_proxy.canonical.errors import (
    BadRequest,
    BodyTooLarge,
    ContextTooLong,
    Garbled,
    Internal,
    KeyRefused,
    OutOfPoints,
    PoeFailed,
    ProxyError,
    RateLimited,
    Refused,
    TimedOut,
    TooExpensive,
    TooManyRequests,
    Unauthorized,
    UnknownModel,
)
from poe_proxy.wire.anthropic_messages.errors import encoded, read, write
from poe_proxy.wire.openai_chat import errors as chat_errors

Json = dict[str, Any]


def error(type_: str, message: str, **more: Any) -> Json:
    return {"type": "error", "error": {"type": type_, "message": message}, **more}


def nested(inner: Json, **more: Any) -> bytes:
    """The provider's body inside a message of Poe's, as it was recorded."""
    return json.dumps(error("invalid_request_error", json.dumps(inner), **more)).encode()


class TestPoes:
    def test_the_provider_s_body_is_unwrapped_and_kept(self) -> None:
        inner = error("invalid_request_error", "'claude-3-haiku' does not support thinking.", request_id="req_vrtx_1")
        told = read(400, {}, nested(inner))
        assert isinstance(told, Refused)
        assert told.message == "'claude-3-haiku' does not support thinking."
        assert write(told) == inner

    def test_poe_s_request_id_is_kept_where_the_provider_has_none(self) -> None:
        inner = error("invalid_request_error", "Words.")
        assert write(read(400, {}, nested(inner, request_id="req_poe_1")))["request_id"] == "req_poe_1"

    def test_fields_that_we_do_not_know_are_kept(self) -> None:
        body = error("invalid_request_error", "Words.")
        body["error"]["details"] = {"error_code": "odd"}
        assert write(read(400, {}, json.dumps(body).encode())) == body

    @pytest.mark.parametrize(
        "message",
        [
            "messages.1.role: Input should be 'user' or 'assistant'",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
        ],
    )
    def test_words_that_claude_code_acts_on_are_kept(self, message: str) -> None:
        body = error("invalid_request_error", message)
        assert write(read(400, {}, json.dumps(body).encode())) == body

    def test_too_long_with_413_is_told_as_anthropic_does(self) -> None:
        """Claude Code takes 413 for a request of too many bytes, and compacts at these words only."""
        told = read(413, {}, json.dumps(error("request_too_large", "Too many tokens.")).encode())
        assert told.status == 400
        assert write(told) == error("invalid_request_error", "prompt is too long: Too many tokens.")

    def test_what_is_said_of_our_key_is_not_the_caller_s(self) -> None:
        told = read(401, {}, json.dumps(error("authentication_error", "Incorrect API key sk-…")).encode())
        assert isinstance(told, KeyRefused)
        assert told.original is None
        assert write(told)["error"]["type"] == "api_error"
        assert "POE_API_KEY" in write(told)["error"]["message"]

    @pytest.mark.parametrize("body", [b"", b"<html><title>502</title>", b"[]", b'"words"', b'{"error": "words"}'])
    def test_what_is_no_body_of_anthropic_s_becomes_one(self, body: bytes) -> None:
        told = write(read(502, {}, body))
        assert told["error"]["type"] == "api_error"
        assert told["error"]["message"]

    def test_how_long_to_wait_and_whether_to_try_again_are_kept(self) -> None:
        body = json.dumps(error("overloaded_error", "Overloaded")).encode()
        told = read(529, {"retry-after": "7", "x-should-retry": "false"}, body)
        assert isinstance(told, PoeFailed)
        assert (told.status, told.retry_after, told.may_retry) == (529, 7.0, False)
        assert read(529, {"x-should-retry": "true"}, body).may_retry is True
        assert read(529, {"x-should-retry": "maybe"}, body).may_retry is None

    def test_what_may_not_be_repeated_stays_so(self) -> None:
        assert read(402, {"x-should-retry": "true"}, b"{}").may_retry is False

    @pytest.mark.parametrize(
        ("message", "told"),
        [
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
                "prompt is too long: 9000 tokens > 8192 maximum",
            ),
            (
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                "prompt is too long: 1200000 tokens > 1048576 maximum",
            ),
            (
                "This model's maximum context length is 8,192 tokens. However, you requested 9,500 tokens (9,000 in "
                "the messages, 500 in the completion).",
                "prompt is too long: 9500 tokens > 8192 maximum",
            ),
            (
                "The context window of gpt-5.1 is exceeded by 2000 tokens.",
                "prompt is too long: The context window of gpt-5.1 is exceeded by 2000 tokens.",
            ),
            (
                "Your input exceeds the context window of this model.",
                "prompt is too long: Your input exceeds the context window of this model.",
            ),
            (
                "gpt-4-0314: the context length is 8,192 tokens.",
                "prompt is too long: gpt-4-0314: the context length is 8,192 tokens.",
            ),
        ],
    )
    def test_too_long_on_chat_is_told_as_anthropic_does(self, message: str, told: str) -> None:
        body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
        assert write(chat_errors.read(400, {}, body)) == error("invalid_request_error", told)


@pytest.mark.parametrize(
    ("said", "type_"),
    [
        (BadRequest("Words."), "invalid_request_error"),
        (Unauthorized("Words."), "authentication_error"),
        (TooExpensive("Words."), "billing_error"),
        (OutOfPoints("Words.", poe_status=402, poe_type="insufficient_credits"), "billing_error"),
        (canonical.Forbidden("Words."), "permission_error"),
        (canonical.Moderated("Words.", poe_status=403, poe_type="moderation_error"), "permission_error"),
        (UnknownModel("Words."), "not_found_error"),
        (canonical.MethodNotAllowed("Words."), "invalid_request_error"),
        (canonical.NotStarted("Words.", poe_status=408), "timeout_error"),
        (BodyTooLarge("Words."), "request_too_large"),
        (TooManyRequests("Words."), "rate_limit_error"),
        (RateLimited("Words.", poe_status=429), "rate_limit_error"),
        (Internal("Words."), "api_error"),
        (Garbled("Words."), "api_error"),
        (TimedOut("Words."), "timeout_error"),
        (PoeFailed("Words.", poe_status=529, poe_type="overloaded_error"), "overloaded_error"),
        (PoeFailed("Words.", poe_status=500, poe_type="provider_error"), "api_error"),
    ],
)
def test_the_type_follows_the_status(said: ProxyError, type_: str) -> None:
    assert write(said) == error(type_, "Words.")


def test_details_are_told_to_programs() -> None:
    details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert write(BadRequest("Words.", details=details))["error"]["details"] == details


def test_a_request_id_of_ours_is_told() -> None:
    assert write(Internal("Words."), "req_1") == error("api_error", "Words.", request_id="req_1")


def test_an_error_nested_too_deep_is_told_in_its_words() -> None:
    deep: Any = "x"
    for _ in range(3000):
        deep = [deep]
    told = PoeFailed("Words.", poe_status=500)
    told.original = {"type": "error", "error": {"deep": deep}}
    assert json.loads(encoded(told)) == error("api_error", "Words.")


def test_the_sdk_raises_what_it_raises_at_anthropic_s() -> None:
    def answered(request: httpx2.Request) -> httpx2.Response:
        too_long = ContextTooLong("Your input exceeds the context window.", poe_status=413)
        return httpx2.Response(too_long.status, json=write(too_long), request=request)

    http = httpx2.Client(transport=httpx2.MockTransport(answered))
    client = Anthropic(api_key="k", base_url="http://127.0.0.1:9", http_client=http, max_retries=0)
    with pytest.raises(BadRequestError, match="prompt is too long") as raised:
        client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert isinstance(raised.value, APIStatusError)
    assert raised.value.type == "invalid_request_error"
