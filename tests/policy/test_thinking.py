"""Thinking written into an answer becomes reasoning, however the stream is cut; other answers pass untouched."""

import pytest

from poe_proxy.canonical.answer import Answer, fold
from poe_proxy.canonical.events import Event, Finished, Started, Text
from poe_proxy.policy.thinking import ThinkingOut

START = Started("id", 1, "m")


def told(pieces: list[str]) -> Answer:
    stage = ThinkingOut()
    events: list[Event] = [START, *(Text(piece) for piece in pieces), Finished("stop")]
    return fold([told for event in events for told in stage.push([event])])


def said(answer: Answer) -> tuple[str, str]:
    return (answer.reasoning or "").strip(), answer.text or ""


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        ("*Thinking...*\n\n> First this.\n> Then that.\n\nSo 42.", "First this.\nThen that.", "So 42."),
        ("*Thinking…*\n> One.\n>\n> Two.\n\n\nSo 42.\n> A real quote.", "One.\n\nTwo.", "So 42.\n> A real quote."),
        ("**Thinking...**\n\n> Only this.\n\n", "Only this.", ""),
        ("*Thinking...*\n\n> Cut in the last line", "Cut in the last line", ""),
        ("Thinking... (1s elapsed)\nThinking... (2s elapsed)\n\nSo 42.", "", "So 42."),
        ("Thinking... (12s elapsed)\n\n*Thinking...*\n> Now.\n\nSo 42.", "Now.", "So 42."),
        ("Thinking... (3s elapsed)", "", ""),
        ("*Thinking...*\n\nSo 42.", "", "So 42."),
    ],
)
def test_a_beginning_of_that_shape_is_reasoning_at_every_cut(text: str, thoughts: str, answer: str) -> None:
    for cut in range(len(text) + 1):
        assert said(told([text[:cut], text[cut:]])) == (thoughts, answer), cut
    assert said(told(list(text))) == (thoughts, answer)


@pytest.mark.parametrize(
    "text",
    [
        "Thinking about it, 42.",
        "Thinking... I would say 42.",
        "*Thinking* is hard.",
        "> A quote first.\n\nThen words.",
        "The answer is\n*Thinking...*\n> no",
        "  leading space stays",
        "*",
        "T",
        "Thinking...",
        "",
    ],
)
def test_any_other_answer_is_left_as_it_is(text: str) -> None:
    for cut in range(len(text) + 1):
        answer = told([text[:cut], text[cut:]])
        assert (answer.text or "", answer.reasoning) == (text, None), cut


def test_events_of_an_ordinary_answer_are_the_same_events() -> None:
    stage, events = ThinkingOut(), [Text("Hello"), Text(" there")]
    assert [stage.push([event])[0] for event in events] == events
    assert stage.push([events[0]])[0] is events[0]


@pytest.mark.parametrize("piece", ["*", " ", "\n"])
def test_an_answer_of_nothing_but_beginnings_takes_no_time_to_speak_of(piece: str) -> None:
    assert told([piece] * 20_000).text == piece * 20_000
