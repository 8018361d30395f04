"""JSON from models that ignore response_format: asked for in words, and unwrapped however the answer is cut."""

import json
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from poe_proxy.canonical.errors import StreamBroken
from poe_proxy.canonical.events import Event, Failed, Finished, Reasoning, Started, Text, ToolCall, Used
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.usage import Usage
from poe_proxy.policy.structured import Unwrapper, say_it_in_words, wants_json

STARTED = Started("1", 2, "m")
USER: Json = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "description": "é"}}}
FORM: Json = {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}}
JSON = '{"a": ["```", "\\n", {"b": "}"}], "é": "👩"}'
BARE = [JSON, "[1, 2]", "[]", "{}", '{\n  "a": "one line\\nand ``` another"\n}', '{"a": "\\\\", "b": "\\"}{"}']
SCALARS = ['"text"', "true", "-1.5", "null", '"{"']
WRAPPED = [
    (" " + JSON, JSON),
    ("\n\n  " + JSON, JSON),
    (f"```json\n{JSON}\n```", JSON),
    (f"```\n{JSON}\n```", JSON),
    (f"```JSON\r\n{JSON}\r\n```", JSON),
    (f"\n ```json  \n\n{JSON}\n```\n", JSON),
    (f"```json\n{JSON}\n```\nThat is all.", JSON),
    (f"```json\n{JSON}", JSON),
    (f"```json\n{JSON}\n``", JSON),
    (f"Here it is:\n```json\n{JSON}\n```\nThat is all.", JSON),
    (f"Here it is: {JSON} That is all.", JSON),
    (f"Here it is:\n{JSON}", JSON),
    ('```json\n{\n  "a": 1\n}\n```', '{\n  "a": 1\n}'),
    ("Sorry, I cannot say.", "Sorry, I cannot say."),
    ("Either {this} or {that}", "Either {this} or {that}"),
    (f"the JSON you asked for:\n```json\n{JSON}\n```", JSON),
    (f"no problem! {JSON}", JSON),
    (f"1. Answer: {JSON}", JSON),
    (f"- {JSON}", JSON),
    (f'"Answer": {JSON}', JSON),
    (f'<think>Is it {{x}} or {{}}?\n{{"a": 0}}</think>\n{JSON}', JSON),
    (f"<think>hm</think> {JSON} That is all.", JSON),
    (f"{JSON}\n\nThat is {{all}}.", JSON),
    (f"{JSON}\n{JSON}", JSON),
    (f"Sure: {JSON} or once more {JSON}", JSON),
    (f"Use {{braces}} or {{}}: {JSON}", JSON),
    (f"```\n```json\n{JSON}\n```\n```", JSON),
    (f"~~~json\n{JSON}\n~~~", JSON),
    (f"```json {JSON} ```", JSON),
    (f"\ufeff{JSON}", JSON),
    ("Sure:\n```json\n{}\n```", "{}"),
    ("<think>{x}</think>Sorry.", "<think>{x}</think>Sorry."),
    ("``", "``"),
    ("", ""),
    ("  ", ""),
]


def unwrapped(*texts: str, end: Event | None = None, form: Any = None) -> str:
    """The text that is left of ``texts``; the last event stays the last."""
    last = end or Finished("stop")
    unwrapper = Unwrapper(form)
    events = unwrapper.push([STARTED])
    for text in texts:
        events += unwrapper.push([Text(text)])
    events += unwrapper.push([last])
    assert events[0] is STARTED
    assert events[-1] is last
    return "".join(event.text for event in events if isinstance(event, Text))


@pytest.mark.parametrize(("answer", "left"), [*WRAPPED, *((bare, bare) for bare in (*BARE, *SCALARS))])
class TestEveryWrapping:
    def test_at_once(self, answer: str, left: str) -> None:
        assert unwrapped(answer) == left

    def test_character_by_character(self, answer: str, left: str) -> None:
        assert unwrapped(*answer) == left

    def test_cut_at_every_character(self, answer: str, left: str) -> None:
        for cut in range(len(answer) + 1):
            assert unwrapped(answer[:cut], answer[cut:]) == left, cut

    def test_cut_twice_around_every_character(self, answer: str, left: str) -> None:
        for start, end in pairwise(range(len(answer) + 1)):
            assert unwrapped(answer[:start], answer[start:end], answer[end:]) == left, start


@pytest.mark.parametrize("bare", BARE)
def test_bare_json_streams_through_as_the_same_events(bare: str) -> None:
    unwrapper = Unwrapper()
    unwrapper.push([STARTED, Text(bare[0])])
    events: list[Event] = [Text(piece, {"frame": n}) for n, piece in enumerate(bare[1:])]
    assert [unwrapper.push([event]) for event in events] == [[event] for event in events]
    assert all(after is before for before in events for after in unwrapper.push([before]))


def test_json_in_a_fence_streams_without_waiting_for_its_end() -> None:
    unwrapper = Unwrapper()
    pushed = [unwrapper.push([Text(piece)]) for piece in ("```json\n", '{"a": ', '"b', '"}', "\n```")]
    assert pushed == [[], [Text('{"a": ')], [Text('"b')], [Text('"}')], []]


def test_the_first_event_of_bare_json_is_the_same_too() -> None:
    told: Event = Text('{"a', {"frame": 1})
    assert Unwrapper().push([told])[0] is told


def test_what_follows_the_json_is_dropped() -> None:
    unwrapper = Unwrapper()
    assert unwrapper.push([STARTED, Text('{"a": 1'), Text("}\nThat", {"frame": 1})])[-1] == Text("}")
    assert unwrapper.push([Text("is"), Text(" {}"), Finished("stop")]) == [Finished("stop")]


def _asked(schema: Json) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


class TestTheSchemaSaysHowTheJsonBegins:
    OBJECTS: ClassVar = [{"type": "json_object"}, _asked(SCHEMA), _asked({"properties": {}}), {"type": "json_schema"}]

    @pytest.mark.parametrize("form", OBJECTS)
    @pytest.mark.parametrize("before", ["[Note] ", "[1] ", "[] ", "true: ", "1 "])
    def test_where_it_is_an_object_only_a_brace_begins_one(self, form: Json, before: str) -> None:
        answer = f"{before}{JSON}"
        assert unwrapped(answer, form=form) == unwrapped(*answer, form=form) == JSON

    @pytest.mark.parametrize(
        ("answer", "left"),
        [
            ("[1, 2]", "[1, 2]"),
            ("Here: [1, 2]. Done.", "[1, 2]"),
            ("```json\n[1, 2]\n```", "[1, 2]"),
            ('[Note] of {}: [{"a": 1}]', '[{"a": 1}]'),
            ('[{"a": 1}] and more', '[{"a": 1}]'),
        ],
    )
    @pytest.mark.parametrize("form", [_asked({"type": "array"})])
    def test_where_it_is_an_array(self, form: Json, answer: str, left: str) -> None:
        if answer.startswith("[Note]"):
            answer = "A " + answer
        assert unwrapped(answer, form=form) == unwrapped(*answer, form=form) == left

    @pytest.mark.parametrize("answer", [*SCALARS, "Sorry, {} it is."])
    @pytest.mark.parametrize("kind", ["string", "number", "boolean", "null"])
    def test_where_it_is_neither(self, kind: str, answer: str) -> None:
        form = _asked({"type": kind})
        assert unwrapped(f" {answer}\n", form=form) == (answer if answer in SCALARS else f"{answer}\n")
        if answer in SCALARS:
            assert unwrapped(*f"```json\n{answer}\n```", form=form) == answer

    @pytest.mark.parametrize("answer", [JSON, "[1]", '"a"', f"Sure: {JSON}", "Sure: [1]"])
    @pytest.mark.parametrize("schema", [{"$ref": "#/$defs/A"}, {"anyOf": []}, {"type": ["object", "array"]}])
    def test_where_nothing_tells(self, schema: Json, answer: str) -> None:
        assert unwrapped(answer, form=_asked(schema)) == answer.removeprefix("Sure: ")


@pytest.mark.parametrize(
    "answer",
    [
        "Here:\n```json\n" + "\n" * 200_000,
        "Here:\n```json\n" + " " * 200_000,
        "Here:\n" + "```\nx\n" * 40_000,
        "Here: " + '{"a":' * 40_000,
        "Here: " + "{ " * 100_000,
        "Here: " + '{"a": "b", ' * 20_000,
        "Here: " + "[" * 200_000,
        "```\n" * 50_000,
        "</think>" * 20_000,
    ],
)
def test_an_answer_of_nothing_but_beginnings_takes_no_time_to_speak_of(answer: str) -> None:
    """Within the test runner's patience."""
    assert unwrapped(answer) == answer


@pytest.mark.parametrize("chunk", [" ", "`", "```\n", "x", "{", '"'])
def test_many_small_pieces_take_no_time_to_speak_of(chunk: str) -> None:
    assert unwrapped(*[chunk] * 20_000).strip() in ("", chunk * 20_000, (chunk * 20_000).strip())


@pytest.mark.parametrize("end", [Finished("stop"), Failed(StreamBroken("It broke.")), ToolCall(0, "a", "f")])
def test_what_is_held_back_goes_before_whatever_follows(end: Event) -> None:
    assert unwrapped("Sorry.", end=end) == "Sorry."


def test_usage_with_every_chunk_ends_nothing() -> None:
    unwrapper = Unwrapper()
    used = Used(Usage(7, 4))
    events = unwrapper.push([STARTED, Text("Sure: "), used, Text(JSON), used, Text("!"), Finished("stop"), used])
    assert events == [STARTED, used, used, Text(JSON), Finished("stop"), used]


def test_reasoning_is_not_touched() -> None:
    unwrapper = Unwrapper()
    told = Reasoning("```json\n{}\n```")
    assert unwrapper.push([told]) == [told]


def test_an_attempt_that_is_repeated_begins_anew() -> None:
    unwrapper = Unwrapper()
    unwrapper.push([STARTED, Text("Well")])
    assert unwrapper.push([STARTED, Text("{}"), Finished("stop")]) == [STARTED, Text("{}"), Finished("stop")]


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ({"type": "json_object"}, True),
        ({"type": "json_schema", "json_schema": {}}, True),
        ({"type": "text"}, False),
        ({"type": "odd"}, False),
        (None, False),
        ("json_object", False),
    ],
)
def test_json_is_wanted_where_the_format_says_so(form: object, wanted: bool) -> None:
    assert wants_json({"response_format": form}) is wanted


class TestSayingItInWords:
    def test_without_a_system_message_it_becomes_one(self) -> None:
        line, *rest = say_it_in_words([USER], FORM)
        assert line["role"] == "system"
        assert rest == [USER]

    def test_the_schema_is_said_whole(self) -> None:
        text = say_it_in_words([USER], FORM)[0]["content"]
        assert json.loads(text[text.index("{") :]) == SCHEMA

    def test_it_stands_at_the_end_of_the_first_system_message(self) -> None:
        first, *rest = say_it_in_words([{"role": "system", "content": "Be brief.", "odd": 1}, USER], FORM)
        assert first["content"].startswith("Be brief.\n\n")
        assert first["odd"] == 1
        assert rest == [USER]

    def test_a_system_message_in_parts_gets_one_more(self) -> None:
        part = {"type": "text", "text": "Be brief."}
        first, *_ = say_it_in_words([{"role": "system", "content": [part]}, USER], FORM)
        assert first["content"][0] == part
        assert "JSON" in first["content"][1]["text"]

    def test_an_object_without_a_schema_is_asked_for_as_one(self) -> None:
        first, *_ = say_it_in_words([USER], {"response_format": {"type": "json_object"}})
        assert "one JSON object" in first["content"]

    def test_the_messages_are_not_changed(self) -> None:
        messages = [{"role": "system", "content": "Be brief."}, USER]
        before = json.dumps(messages)
        say_it_in_words(messages, FORM)
        assert json.dumps(messages) == before
