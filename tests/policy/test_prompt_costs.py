"""What of an Anthropic prompt is counted, and what the rest is charged at."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy.prompt_costs import has_media, weigh
from tests.policy import pictures

Json = dict[str, Any]
CLAUDE, GPT = "claude-opus-4.5", "gpt-5.4"
MESSAGE = 3 + 4  # the prompt and one message


def asked(*content: Json, **more: Any) -> Json:
    return {"messages": [{"role": "user", "content": list(content)}], **more}


def text(said: str) -> Json:
    return {"type": "text", "text": said, "cache_control": {"type": "ephemeral"}}


def texts(body: Json) -> list[str]:
    return weigh(body, GPT)[1]


def fixed(body: Json, model: str = GPT) -> int:
    return weigh(body, model)[0]


def image(data: str) -> Json:
    return {"type": "image", "source": {"type": "base64", "data": data, "media_type": "image/png"}}


def tool(name: str, **more: Any) -> Json:
    return {"name": name, "description": f"does {name}", "input_schema": {"type": "object"}, **more}


class TestTexts:
    def test_of_system_and_messages_in_either_form(self) -> None:
        body = {
            "system": [text("be good"), {"type": "text", "text": "be brief"}],
            "messages": [{"role": "system", "content": "# Environment"}, {"role": "user", "content": [text("hi")]}],
        }
        assert weigh(body, GPT) == (3 + 2 * 4, ["be good", "be brief", "# Environment", "hi"])
        assert texts({"system": "be good", "messages": [{"role": "user", "content": "hi"}]}) == ["be good", "hi"]

    def test_claude_codes_billing_header_is_for_no_model(self) -> None:
        header = text("x-anthropic-billing-header: cc_version=2.1.329.272; cc_entrypoint=sdk-cli;")
        assert texts(asked(text("hi"), system=[header, text("be good")])) == ["be good", "hi"]
        prompt = {**header, "text": header["text"] + "\nYou are Claude Code."}
        assert texts(asked(text("hi"), system=[prompt])) == [prompt["text"], "hi"], "a prompt counts"

    def test_of_a_call_and_its_result(self) -> None:
        call = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "/a"}}
        result = {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": [text("done"), image(pictures.png(75, 100))],
        }
        body = asked(call, result, {**result, "content": "again", "is_error": True})
        assert weigh(body, GPT) == (MESSAGE + 3 * 4 + 10, ["Read", '{"path":"/a"}', "done", "again"])

    def test_thinking_is_counted_without_its_signature(self) -> None:
        block = {"type": "thinking", "thinking": "hm", "signature": "x" * 1000}
        assert weigh(asked(block), GPT) == (MESSAGE, ["hm"])

    def test_what_only_the_maker_can_read_is_charged_by_its_length(self) -> None:
        assert weigh(asked({"type": "redacted_thinking", "data": "x" * 1000}), GPT) == (MESSAGE + 4 + 200, [])

    def test_what_nobody_knows_yet_is_counted_as_it_is_written(self) -> None:
        assert texts(asked({"type": "new", "said": "hi", "cache_control": {}, "content": [text("within")]})) == [
            "within",
            '{"said":"hi"}',
        ]

    def test_of_documents(self) -> None:
        document = {"type": "document", "title": "T", "context": "C"}
        assert texts(asked({**document, "source": {"type": "text", "data": "all of it"}})) == ["T", "C", "all of it"]
        assert texts(asked({**document, "source": {"type": "content", "content": [text("a")]}})) == ["T", "C", "a"]
        assert texts(asked({**document, "source": {"type": "content", "content": "b"}})) == ["T", "C", "b"]

    def test_the_format_of_the_answer_is_shown_to_the_model_too(self) -> None:
        assert texts(asked(output_config={"effort": "high", "format": {"type": "json_schema"}})) == [
            '{"type":"json_schema"}'
        ]


class TestImagesAndDocuments:
    @pytest.mark.parametrize(
        ("width", "height", "model", "tokens"),
        [
            (75, 10, CLAUDE, 1),
            (32, 32, CLAUDE, 2),
            (1000, 1000, CLAUDE, 1334),
            (3136, 100, CLAUDE, 105),  # made as small as 1568 × 50
            (4000, 4000, CLAUDE, 1600),
            (4000, 4000, "claude-opus-4.7", 4784),
            (2000, 1000, "claude-opus-4.7", 2667),
            (4000, 4000, GPT, 1600),
        ],
    )
    def test_750_pixels_are_a_token_once_it_is_small_enough(
        self, width: int, height: int, model: str, tokens: int
    ) -> None:
        assert fixed(asked(image(pictures.png(width, height))), model) == MESSAGE + tokens

    @pytest.mark.parametrize(
        "source",
        [{"type": "url", "url": "http://x/y.png"}, {"type": "base64", "data": "?"}, {"type": "file"}, None, []],
    )
    def test_an_image_that_cannot_be_looked_into_is_as_dear_as_any(self, source: Any) -> None:
        assert weigh(asked({"type": "image", "source": source}), GPT) == (MESSAGE + 1600, [])

    @pytest.mark.parametrize(
        ("source", "tokens"),
        [
            ({"type": "base64", "data": "x" * 720}, 250),
            ({"type": "base64", "data": "x" * 128_000}, 3000),
            ({"type": "base64", "data": "x" * 10_000_000}, 50_000),
            ({"type": "url", "url": "http://x/y.pdf"}, 2000),
            ({"type": "file", "file_id": "file_1"}, 2000),
            (None, 2000),
        ],
    )
    def test_a_document_goes_by_its_size(self, source: Any, tokens: int) -> None:
        assert weigh(asked({"type": "document", "source": source}), GPT) == (MESSAGE + tokens, [])

    def test_both_are_guesses(self) -> None:
        within = {"type": "tool_result", "content": [image("")]}
        assert has_media(asked(within))
        assert has_media(asked({"type": "document"}))
        assert not has_media(asked(text("hi")))
        assert not has_media({"messages": [{"content": "hi"}]})


class TestTools:
    def test_are_shown_with_name_description_and_schema(self) -> None:
        assert weigh(asked(tools=[tool("Read", cache_control={"type": "ephemeral"})]), GPT) == (
            MESSAGE + 13,
            ["Read", "does Read", '{"input_schema":{"type":"object"}}'],
        )

    @pytest.mark.parametrize(
        ("model", "choice", "tokens"),
        [
            ("claude-opus-4.6", "auto", 497),
            ("claude-opus-4.5", None, 346),
            ("claude-opus-4.5", "none", 346),
            ("claude-opus-4.5", "any", 313),
            ("claude-sonnet-3.7", "tool", 313),
            ("claude-haiku-3.5", "auto", 264),
            ("claude-haiku-3", "any", 340),
            ("claude-code", "auto", 0),
            (GPT, "any", 0),
        ],
    )
    def test_claude_gets_a_prompt_of_its_own_for_them(self, model: str, choice: str | None, tokens: int) -> None:
        body = asked(tools=[tool("a"), tool("b")], tool_choice=choice and {"type": choice})
        assert fixed(body, model) == MESSAGE + 2 * 13 + tokens

    def test_without_tools_there_is_no_prompt_for_them(self) -> None:
        assert (
            fixed(asked(tools=[]), CLAUDE) == fixed(asked(tools=[tool("DeferredToolPlaceholder")]), CLAUDE) == MESSAGE
        )

    def test_deferred_ones_count_once_they_are_referred_to(self) -> None:
        tools = [
            tool("ToolSearch"),
            tool("Fetch", defer_loading=True),
            tool("DeferredToolPlaceholder", defer_loading=True),
        ]
        assert "Fetch" not in texts(asked(tools=tools))
        found = {"type": "tool_result", "content": [{"type": "tool_reference", "tool_name": "Fetch"}]}
        assert texts(asked(found, tools=tools)).count("Fetch") == 1
        searched = {"type": "tool_search_tool_search_result", "tool_references": found["content"]}
        assert "Fetch" in texts(asked({"type": "tool_search_tool_result", "content": searched}, tools=tools))

    def test_a_deferred_one_that_is_asked_about_alone_is_counted(self) -> None:
        assert "Fetch" in texts(asked(tools=[tool("Fetch", defer_loading=True)]))

    @pytest.mark.parametrize(("kind", "tokens"), [("bash_20250124", 245), ("text_editor_20250728", 700)])
    def test_anthropics_own_have_a_price(self, kind: str, tokens: int) -> None:
        assert weigh(asked(tools=[{"type": kind, "name": "x"}]), GPT) == (MESSAGE + tokens, [])


def test_thinking_costs_claude_a_few_tokens() -> None:
    for kind, tokens in (("enabled", 26), ("adaptive", 26), ("disabled", 0)):
        assert fixed(asked(thinking={"type": kind}), CLAUDE) == MESSAGE + tokens
        assert fixed(asked(thinking={"type": kind}), GPT) == MESSAGE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "content", "source", "data", "name", "text", "tools", "input"]), inner
        )
    ),
    max_leaves=20,
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("system", "messages", "tools", "thinking", "output_config"), JSON)
    ),
    st.sampled_from(["text", "image", "document", "tool_use", "tool_result", "tool_reference", "redacted_thinking"]),
    st.dictionaries(st.sampled_from(["content", "source", "data", "name", "text", "tool_name", "input"]), JSON),
)
def test_nothing_that_can_be_sent_breaks_it(body: Json, kind: str, block: Json) -> None:
    for sent in (body, {**body, **asked({"type": kind, **block})}):
        tokens, found = weigh(sent, CLAUDE)
        assert tokens >= 3
        assert all(isinstance(one, str) for one in found)


def test_content_within_content_is_followed_for_a_while_only() -> None:
    content: Any = "the end"
    for _ in range(100):
        content = [{"type": "tool_result", "content": content}]
    _tokens, found = weigh({"messages": [{"role": "user", "content": content}]}, GPT)
    assert "the end" in found[-1]
    with pytest.raises(orjson.JSONEncodeError):
        weigh(asked({"type": "tool_use", "input": orjson.loads("[" * 300 + "]" * 300)}), GPT)
