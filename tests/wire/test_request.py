"""A client's body: refused with the field's name, or passed on as it was said; never a crash, never a quotation."""

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.request import Request
from poe_proxy.wire.openai_chat.request import build, encode, parse
from tests.wire.chunks import Json

USER = {"role": "user", "content": "hi"}
CARD = ModelCard("shown", "Poe-Name")
SECRET = "what-nobody-should-read-in-a-log"


def request(**fields: Any) -> Request:
    return parse(orjson.dumps({"model": "m", "messages": [USER], **fields}))


def refusal(body: Any) -> BadRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(BadRequest) as caught:
        parse(data)
    return caught.value


def told(*messages: Json, **fields: Any) -> Json:
    return {"model": "m", "messages": list(messages or (USER,)), **fields}


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"messages": [USER]}, "model"),
            (told(model=None), "model"),
            (told(model=" "), "model"),
            (told(model=["m"]), "model"),
            ({"model": "m"}, "messages"),
            (told(messages=[]), "messages"),
            (told(messages={}), "messages"),
            (told(USER, 3), "messages[1]"),  # type: ignore[arg-type]
            (told(USER, {"content": "hi"}), "messages[1].role"),
            (told({"role": "robot", "content": "hi"}), "messages[0].role"),
            (told({"role": ["user"], "content": "hi"}), "messages[0].role"),
            (told({"role": "user"}), "messages[0].content"),
            (told({"role": "user", "content": None}), "messages[0].content"),
            (told({"role": "user", "content": {"text": "hi"}}), "messages[0].content"),
            (told({"role": "user", "content": [USER, "hi"]}), "messages[0].content[0].type"),
            (told({"role": "user", "content": ["hi"]}), "messages[0].content[0]"),
            (told({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
            (told({"role": "user", "content": [{"type": "image_url"}]}), "messages[0].content[0].image_url"),
            (told({"role": "tool", "content": "18 degrees"}), "messages[0].tool_call_id"),
            (told({"role": "assistant", "tool_calls": {}}), "messages[0].tool_calls"),
            (told({"role": "assistant", "tool_calls": ["x"]}), "messages[0].tool_calls[0]"),
            (told({"role": "assistant", "tool_calls": [{"function": "f"}]}), "messages[0].tool_calls[0].function"),
            (told(stream="yes"), "stream"),
            (told(stream=1), "stream"),
            (told(stream_options=[]), "stream_options"),
            (told(temperature="hot"), "temperature"),
            (told(temperature=True), "temperature"),
            (told(top_p=[]), "top_p"),
            (told(max_tokens=0), "max_tokens"),
            (told(max_tokens=1.5), "max_tokens"),
            (told(max_completion_tokens="many"), "max_completion_tokens"),
            (told(n=0), "n"),
            (told(stop=3), "stop"),
            (told(stop=["a", 3]), "stop"),
            (told(tools="f"), "tools"),
            (told(tools=["f"]), "tools[0]"),
            (told(tools=[{"type": "function"}]), "tools[0].function"),
            (told(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
            (told(tools=[{"type": "function", "function": {"name": ""}}]), "tools[0].function.name"),
            (
                told(tools=[{"type": "function", "function": {"name": "f", "parameters": []}}]),
                "tools[0].function.parameters",
            ),
            (told(tool_choice=3), "tool_choice"),
            (told(response_format="json"), "response_format"),
            (told(response_format={}), "response_format.type"),
            (told(response_format={"type": "json_schema"}), "response_format.json_schema"),
            (told(extra_body=[]), "extra_body"),
            (told(user=3), "user"),
            (told(reasoning_effort=3), "reasoning_effort"),
        ],
    )
    def test_the_field_is_named(self, body: Json, param: str) -> None:
        error = refusal(body)
        assert error.param == param
        assert f"`{param}`" in error.message

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b" \n",
            b"{",
            b"hi",
            b"[]",
            b"null",
            b'"m"',
            b"3",
            b"\xff\xfe",
            b'{"model": "\xff"}',
            b'{"model": "\\ud800"}',
            b'{"model": NaN}',
            b'{"model": "m",}',
            b"[" * 100_000,
        ],
    )
    def test_what_is_no_object_is_refused_as_a_whole(self, data: bytes) -> None:
        assert refusal(data).param is None

    def test_depth_is_refused(self) -> None:
        deep = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "odd": %b}' % (b"[" * 400 + b"]" * 400)
        assert refusal(deep).status == 400

    @pytest.mark.parametrize(
        "body",
        [
            told(SECRET),  # type: ignore[arg-type]
            told({"role": SECRET, "content": SECRET}),
            told({"role": "user", "content": {SECRET: SECRET}}),
            told({"role": "user", "content": [SECRET]}),
            told({"role": "user", "content": [{"type": SECRET, "text": SECRET}, {"type": "text", "text": [SECRET]}]}),
            told(temperature=SECRET),
            told(tools=[SECRET]),
            told(response_format=SECRET),
            SECRET,
        ],
    )
    def test_no_content_is_quoted(self, body: Any) -> None:
        error = refusal(body)
        assert SECRET not in f"{error.message} {error.param} {error.detail}"


class TestWhatIsTaken:
    @pytest.mark.parametrize(
        "fields",
        [
            {"stream": None, "temperature": None, "tools": None, "response_format": None, "stop": None},
            {"temperature": 0, "top_p": 1, "max_tokens": 1, "n": 2, "stop": "x", "logprobs": True, "top_logprobs": 5},
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}]},
            {"messages": [{"role": "assistant"}, {"role": "assistant", "content": ""}]},
            {"messages": [{"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "18"}]}]},
            {"messages": [{"role": "tool", "tool_call_id": "a", "content": None}]},
            {"messages": [{"role": "function", "name": "f", "content": "18"}]},
            {"messages": [{"role": "system", "content": []}, USER, USER, {"role": "assistant", "content": "{"}]},
            {"messages": [{"role": "user", "name": "me", "content": [{"type": "odd", "odd": 1}]}]},
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://example.org/a"}]}]},
            {"tools": [], "tool_choice": "auto"},
            {"tools": [{"type": "web_search"}], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tools": [{"function": {"name": "f"}}]},
            {"odd": {"deep": [1, 2.5, None, "x"]}, "thinking": {"type": "enabled"}},
            {"max_tokens": 2**60, "seed": -1, "temperature": 1e300},
        ],
    )
    def test_the_client_s_own_json_is_kept(self, fields: Json) -> None:
        body = {"model": "m", "messages": [USER], **fields}
        assert parse(orjson.dumps(body)).body == body

    @pytest.mark.parametrize(
        ("extra", "flat"),
        [
            ({"aspect": "1:1"}, {"aspect": "1:1"}),
            ({"temperature": 0}, {"temperature": 0}),
            ({"tools": [], "response_format": {"type": "text"}}, {"tools": [], "response_format": {"type": "text"}}),
            ({"extra_body": {"aspect": "1:1"}}, {"aspect": "1:1"}),
            ({}, {}),
        ],
    )
    def test_extra_body_is_flattened(self, extra: Json, flat: Json) -> None:
        assert request(temperature=1, extra_body=extra).body == request(**{"temperature": 1, **flat}).body

    @pytest.mark.parametrize("name", ["model", "messages", "stream", "stream_options"])
    def test_extra_body_cannot_replace_what_the_request_is(self, name: str) -> None:
        assert request(extra_body={name: {"include_usage": True}}).body == request().body

    @pytest.mark.parametrize("extra", [{"stop": [1]}, {"stop": 5}, {"max_tokens": "abc"}, {"tools": {}}])
    def test_extra_body_is_looked_at_like_everything_else(self, extra: Json) -> None:
        with pytest.raises(BadRequest) as caught:
            request(extra_body=extra)
        assert caught.value.param in extra

    def test_what_the_proxy_wants_to_know_is_read(self) -> None:
        taken = request(model=" gpt ", stream=True, stream_options={"include_usage": True})
        assert (taken.model, taken.stream, taken.include_usage) == ("gpt", True, True)

    def test_a_missing_stream_is_left_open(self) -> None:
        assert (request().stream, request().include_usage) == (None, False)

    @pytest.mark.parametrize(
        "asked", [None, {}, {"include_usage": None}, {"include_usage": "yes"}, {"include_usage": 1}]
    )
    def test_usage_is_asked_for_with_true_alone(self, asked: Any) -> None:
        assert request(stream_options=asked).include_usage is False


class TestWhatPoeIsSent:
    def test_the_model_and_the_switches_are_ours(self) -> None:
        body = build(request(stream=True, odd=1), CARD, stream=True)
        assert body == {
            "model": "Poe-Name",
            "messages": [USER],
            "stream": True,
            "stream_options": {"include_usage": True},
            "odd": 1,
        }

    def test_without_a_stream_there_are_no_options(self) -> None:
        asked = request(stream=True, stream_options={"include_usage": True})
        assert build(asked, CARD, stream=False) == {"model": "Poe-Name", "messages": [USER], "stream": False}

    def test_the_client_s_json_is_not_changed(self) -> None:
        part = {"type": "image_url", "image_url": "https://example.org/a"}
        asked = request(messages=[{"role": "developer", "content": [part]}])
        before = orjson.dumps(asked.body)
        build(asked, CARD, stream=True)
        assert orjson.dumps(asked.body) == before

    @pytest.mark.parametrize(
        ("message", "sent"),
        [
            ({"role": "developer", "content": "x", "odd": 1}, {"role": "system", "content": "x", "odd": 1}),
            (
                {"role": "user", "content": [{"type": "image_url", "image_url": "https://example.org/a", "odd": 1}]},
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a"}, "odd": 1}],
                },
            ),
            (
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "file",
                            "file": {"filename": "audio.mp3", "file_data": "data:audio/mpeg;base64,QUJD"},
                        }
                    ],
                },
            ),
            (
                {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [{"id": "a" * 3000}]},
                {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [{"id": "a" * 3000}]},
            ),
        ],
    )
    def test_messages_are_edited_only_where_they_must(self, message: Json, sent: Json) -> None:
        assert build(request(messages=[message]), CARD, stream=False)["messages"] == [sent]

    def test_what_cannot_be_written_is_refused(self) -> None:
        deep: Any = 1
        for _ in range(300):
            deep = [deep]
        with pytest.raises(BadRequest):
            encode({"odd": deep})


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = (
    "role",
    "content",
    "type",
    "text",
    "image_url",
    "input_audio",
    "tool_calls",
    "tool_call_id",
    "function",
    "name",
)
_odd = _json | st.dictionaries(st.sampled_from(_NAMES), _json, max_size=4)
_message = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]) | _json},
    optional={
        "content": st.text(max_size=8) | st.lists(_odd, max_size=3) | _odd,
        "tool_calls": st.lists(_odd),
        "tool_call_id": _odd,
    },
)
_FIELDS = (
    "stream",
    "stream_options",
    "temperature",
    "max_tokens",
    "n",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
)
_body = st.fixed_dictionaries(
    {"model": st.just("m") | _json, "messages": st.lists(_message | _odd, max_size=3) | _json},
    optional={name: _odd | st.lists(_odd, max_size=2) for name in _FIELDS},
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(_body | _json)
def test_any_json_is_refused_with_a_field_or_can_be_sent(body: Any) -> None:
    try:
        taken = parse(orjson.dumps(body))
    except BadRequest:
        field = refusal(orjson.dumps(body)).param
        assert not isinstance(body, dict) or re.split(r"[.\[]", field or "")[0] in {"model", "messages", *_FIELDS}
    else:
        assert orjson.loads(encode(build(taken, CARD, stream=True)))["model"] == "Poe-Name"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    assert refusal(data).status == 400
