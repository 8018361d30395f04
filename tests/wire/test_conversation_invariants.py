"""Whatever a conversation holds, what is written of it is legal; and what is legal survives the way there and back."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from poe_proxy.canonical.conversation import (
    EFFORTS,
    CallPart,
    Choice,
    Conversation,
    FilePart,
    Format,
    ImagePart,
    Message,
    Part,
    ResultPart,
    TextPart,
    ThinkingPart,
    Tool,
)
from poe_proxy.wire.anthropic_messages import conversation as messages
from poe_proxy.wire.openai_chat import conversation as chat
from tests.wire.request_grammar import check_chat, check_messages

_RUNS = settings(max_examples=60, deadline=None, derandomize=True)
_word = st.sampled_from(["hi", "two words", "ümlaut", "{}"])
_any_text = st.sampled_from(["", " ", "\n", "hi", "hi \n", "x-anthropic"])
_id = st.sampled_from(["a", "b", "toolu_1", "functions.f:0", "", "x" * 3000])
_image = st.sampled_from(
    ["data:image/png;base64,aGk=", "https://example.org/a.png", "data:image/tiff;base64,aGk=", "?"]
)
_file = st.sampled_from(["data:application/pdf;base64,aGk=", "data:text/plain,hi", "data:audio/wav;base64,aGk=", "?"])
_mark = st.sampled_from([None, {"type": "ephemeral"}])
_shown = st.one_of(
    st.builds(TextPart, _any_text, _mark), st.builds(ImagePart, _image, _mark), st.builds(FilePart, _file, _any_text)
)
_result = st.builds(ResultPart, _id, st.lists(_shown, max_size=3).map(tuple), st.booleans())
_arguments = st.sampled_from(["{}", "", "[1]", "{", '{"a": "b"}', "null"])
_call = st.builds(CallPart, _id, st.just("f"), _arguments, _any_text)
_thinking = st.builds(ThinkingPart, _any_text, st.sampled_from(["", "cG9lLXByb3h5", "EuUD"]))


def _message(role: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    return st.builds(Message, st.just(role), st.lists(st.one_of(*parts), max_size=4).map(tuple))


_messages = st.lists(
    st.one_of(
        _message("system", st.builds(TextPart, _any_text)),
        _message("user", _shown, _result),
        _message("assistant", st.builds(TextPart, _any_text), _thinking, _call),
    ),
    max_size=8,
).map(tuple)
_tools = st.lists(st.builds(Tool, st.sampled_from(["f", "g"]), _any_text), max_size=2).map(tuple)
_knobs: dict[str, st.SearchStrategy[Any]] = {
    "tools": _tools,
    "choice": st.sampled_from([None, Choice("auto"), Choice("any"), Choice("none"), Choice("tool", "f")]),
    "parallel": st.sampled_from([None, True, False]),
    "max_tokens": st.sampled_from([None, 1, 1025, 9000]),
    "temperature": st.sampled_from([None, 0, 0.5, 2]),
    "top_p": st.sampled_from([None, 0.5]),
    "stop": st.sampled_from([(), ("END", " ")]),
    "effort": st.sampled_from([None, *EFFORTS]),
    "budget": st.sampled_from([None, 0, 5, 2000, 31999]),
}
_anything = st.builds(Conversation, _messages, **_knobs)


@_RUNS
@given(_anything)
def test_every_messages_body_is_legal(said: Conversation) -> None:
    check_messages(messages.write(said, max_tokens=4096, max_output=32768)[0])


@_RUNS
@given(_anything, st.booleans())
def test_every_chat_body_is_legal(said: Conversation, returns_reasoning: bool) -> None:
    check_chat(chat.write(said, returns_reasoning=returns_reasoning)[0])


@st.composite
def _legal(draw: st.DrawFn) -> Conversation:
    """A conversation as both dialects can say it."""
    told = [Message("system", (TextPart(draw(_word)),)), Message("user", (TextPart(draw(_word)),))]
    for number in range(draw(st.integers(0, 3))):
        ids = [f"call_{number}_{place}" for place in range(draw(st.integers(0, 2)))]
        calls: tuple[Part, ...] = tuple(CallPart(id_, "f", '{"a":1}') for id_ in ids)
        told.append(Message("assistant", (TextPart(draw(_word)), *calls)))
        results: tuple[Part, ...] = tuple(ResultPart(id_, (TextPart(draw(_word)),)) for id_ in ids)
        told.append(Message("user", (*results, TextPart(draw(_word)))))
    return Conversation(tuple(told), **draw(_legal_knobs))


_tool = Tool("f", "does it", {"type": "object", "properties": {}}, True)
_legal_knobs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "tools": st.just((_tool,)),
        "choice": st.sampled_from([Choice("auto"), Choice("none"), Choice("any"), Choice("tool", "f")]),
        "max_tokens": st.sampled_from([1, 9000]),
        "stop": st.sampled_from([(), ("END", "x")]),
        "user": st.sampled_from(["", "me"]),
    }
)


@_RUNS
@given(_legal(), st.sampled_from([None, Format({"type": "object"}, "n", True), Format()]))
def test_chat_and_back(said: Conversation, form: Format | None) -> None:
    said = Conversation(
        said.messages, said.tools, said.choice, True, said.max_tokens, 0.5, 0.5, user=said.user, format=form
    )
    assert chat.read(chat.write(said, returns_reasoning=False)[0]) == said


@_RUNS
@given(_legal())
def test_messages_and_back(said: Conversation) -> None:
    assert messages.read(messages.write(said, max_tokens=1)[0]) == said


@_RUNS
@given(_legal())
def test_from_one_dialect_to_the_other_and_back(said: Conversation) -> None:
    as_messages = messages.write(said, max_tokens=1)[0]
    as_chat = chat.write(messages.read(as_messages), returns_reasoning=False)[0]
    assert messages.write(chat.read(as_chat), max_tokens=1)[0] == as_messages
