"""An answer is the fold of its events, and nothing that came before a failure is lost."""

from poe_proxy.canonical.answer import Answer, Call, fold
from poe_proxy.canonical.errors import StreamBroken
from poe_proxy.canonical.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    Reasoning,
    Refusal,
    Started,
    Text,
    ToolArguments,
    ToolCall,
    Used,
)
from poe_proxy.canonical.usage import Usage


def test_no_events_are_an_empty_answer() -> None:
    assert fold([]) == Answer()


def test_pieces_add_up() -> None:
    answer = fold([Text("a"), Reasoning("b"), Text("c"), Refusal("d"), Reasoning("e"), Refusal("f")])
    assert (answer.text, answer.reasoning, answer.refusal) == ("ac", "be", "df")


def test_a_text_that_never_came_is_none_and_one_that_came_empty_is_not() -> None:
    assert fold([Started("1", 2, "m")]).text is None
    assert fold([Text("")]).text == ""


def test_arguments_go_to_their_call() -> None:
    told: list[Event] = [ToolCall(0, "a", "f", "{"), ToolCall(1, "b", "g")]
    told += [ToolArguments(0, "}"), ToolArguments(1, "[]")]
    assert fold(told).calls == [Call("a", "f", "{}"), Call("b", "g", "[]")]


def test_a_name_in_pieces_adds_up_and_every_frame_is_kept() -> None:
    told: list[Event] = [ToolCall(0, "a", "get_", "", {"odd": 1}), ToolArguments(0, "{}", {"odd": 2}, "it")]
    assert fold(told).calls == [Call("a", "get_it", "{}", [{"odd": 1}, {"odd": 2}])]


def test_a_signature_is_kept_whenever_it_comes() -> None:
    late: list[Event] = [
        ToolCall(0, "a", "f"),
        ToolArguments(0, "{}", signature="S"),
        ToolArguments(0, "", signature="T"),
    ]
    assert [call.signature for call in fold(late).calls] == ["S"]
    assert [call.signature for call in fold([ToolCall(0, "a", "f", signature="S")]).calls] == ["S"]


def test_start_finish_and_usage_are_kept() -> None:
    body = {"id": "1"}
    answer = fold([Started("1", 2, "m", answer=body), Finished("length"), Used(Usage(7, 4), {"usage": {}})])
    assert (answer.id, answer.created, answer.model, answer.body) == ("1", 2, "m", body)
    assert (answer.finish, answer.usage, answer.usage_frame) == ("length", Usage(7, 4), {"usage": {}})


def test_the_last_usage_counts() -> None:
    assert fold([Used(Usage(7, 1)), Used(Usage(7, 4))]).usage == Usage(7, 4)


def test_what_only_a_dialect_knows_is_kept_for_it() -> None:
    assert fold([Opaque({"odd": 1}), Opaque({"odd": 2})]).opaque == [{"odd": 1}, {"odd": 2}]


def test_what_came_before_a_failure_is_kept_beside_it() -> None:
    error = StreamBroken("It broke.")
    answer = fold([Started("1", 2, "m"), Text("a"), Failed(error)])
    assert (answer.text, answer.error, answer.finish) == ("a", error, None)
