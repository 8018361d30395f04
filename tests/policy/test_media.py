"""Media URLs once: each shape that was recorded, and what must stay as it is."""

import pytest

from poe_proxy.canonical.errors import StreamBroken
from poe_proxy.canonical.events import Event, Failed, Finished, Reasoning, Started, Text
from poe_proxy.policy.media import MediaOnce, once

A = "https://pfst.cf2.poecdn.net/base/image/681005bf?w=1024&h=1024"
B = "https://pfst.cf2.poecdn.net/base/image/4a327d81?w=1024&h=1024"
SIGNED = "https://blob.example.net/private/org-A/img-y.png?st=2026-03-25T19%3A37%3A58Z&sig=Pgr4e/1Sp%3D"
VIDEO = "https://pfst.cf2.poecdn.net/base/video/ec8fe5b6"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (f"![A cat.png]({A})\n\n{A}", f"![A cat.png]({A})"),
        (f"![A cat_image_1]({A})\n\n\n{A}", f"![A cat_image_1]({A})"),
        (f"![A cat]({SIGNED})\n\n{SIGNED}", f"![A cat]({SIGNED})"),
        (f"![A cat.png]({A})\n\n  {A}\t\n", f"![A cat.png]({A})\n"),
        (f"{A}\n\n![A cat.png]({A})", f"\n\n![A cat.png]({A})"),
        (f"![1.png]({A})\n![2.png]({B})\n\n{A}\n\n{B}", f"![1.png]({A})\n![2.png]({B})"),
        (f"![1.png]({A})\n\n{A}\n\n![2.png]({B})\n\n{B}", f"![1.png]({A})\n\n![2.png]({B})"),
        (f"![1.png]({A})\n\n{A}\n\n{B}", f"![1.png]({A})\n\n{B}"),
        (f"![A [big] (old) cat\nand a dog]({A})\n\n{A}", f"![A [big] (old) cat\nand a dog]({A})"),
        (f"![]({A})\n\n{A}", f"![]({A})"),
        (f"![{'long ' * 700}]({A})\n\n{A}", f"![{'long ' * 700}]({A})"),
        (f"Here:\n![1.png]({A})\n\n{A}\n\nBye.", f"Here:\n![1.png]({A})\n\nBye."),
        (f'![1.png]({A} "A cat")\n\n{A}', f'![1.png]({A} "A cat")'),
        (f"![1.png](<{A}> 'A cat' )\n{A}\n", f"![1.png](<{A}> 'A cat' )\n"),
        (f"![a [b](c) d]({A})\n\n{A}", f"![a [b](c) d]({A})"),
        (f"![1.png]({A})\n\n{A.partition('?')[0]}", f"![1.png]({A})"),
        (f"![1.png]({VIDEO})\n\n{VIDEO}?w=1\n", f"![1.png]({VIDEO})\n"),
    ],
)
@pytest.mark.parametrize("bare_repeats", [True, False])
def test_a_bare_line_that_repeats_an_image_goes(answer: str, shown: str, bare_repeats: bool) -> None:
    assert once(answer, bare_repeats=bare_repeats) == shown


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no URL",
        A,
        VIDEO,
        f"{A}\n{B}",
        f"![1.png]({A})",
        f"![1.png]({A})\n\n{B}",
        f"![1.png]({A})\n\nSee {A} for more.",
        f"![1.png]({A})\n\n- {A}",
        f"[a link]({A}) {A}",
        f"![not closed]({A}\n\n{B}",
        f"![1.png]({A})\n\nAlso:\n\n{A.partition('?')[0]}",
        f"![1.png]({A})\n\n{A}&more=1",
        f"![1.png]({B}) of [a cat]({A})\n\n{A}",
        f"[a cat]({A})\n\n{A}",
    ],
)
@pytest.mark.parametrize("bare_repeats", [True, False])
def test_all_else_stays(answer: str, bare_repeats: bool) -> None:
    assert once(answer, bare_repeats=bare_repeats) == answer


def test_a_media_model_s_bare_url_is_shown_once() -> None:
    assert once(f"{VIDEO}\n{VIDEO}\n\n{VIDEO}") == VIDEO


def test_a_text_model_may_repeat_a_bare_url() -> None:
    assert once(f"{VIDEO}\n{VIDEO}", bare_repeats=False) == f"{VIDEO}\n{VIDEO}"


@pytest.mark.parametrize(
    "answer",
    [
        "![" * 50_000,
        "![" * 50_000 + " http://a",
        "![a](" * 50_000,
        "![a](http://a" * 20_000,
        '![a](http://a "' * 20_000,
        "](http://a)" * 20_000,
        (" " * 2000 + "\n") * 100 + "http",
        f"![{A}\n" * 5_000,
        f"{A}\n" * 10_000,
    ],
)
def test_an_answer_of_nothing_but_beginnings_takes_no_time_to_speak_of(answer: str) -> None:
    """Within the test runner's patience: the text in brackets is bounded."""
    assert once(answer, bare_repeats=False) == answer


@pytest.mark.parametrize("is_media", [True, False])
def test_events_that_need_no_change_pass_as_the_same_objects(is_media: bool) -> None:
    events: list[Event] = [Reasoning(f"{A}\n{A}"), Text("hi", {"frame": 1}), Text(A, {"frame": 2}), Finished("stop")]
    passed = MediaOnce(is_media=is_media).push(events)
    assert all(after is before for before, after in zip(events, passed, strict=True))


def test_an_answer_of_nothing_but_repeats_takes_no_time_to_speak_of() -> None:
    assert once(f"![a]({A})\n" + f"{A}\n" * 10_000 + "Bye.") == f"![a]({A})\nBye."


STARTED = Started("1", 2, "m")


@pytest.mark.parametrize("end", [Finished("stop"), Failed(StreamBroken("It broke."))])
@pytest.mark.parametrize("length", [1, 7, 40])
def test_a_media_model_that_streams_shows_it_once_however_it_is_cut(length: int, end: Event) -> None:
    answer = f"![1.png]({A})\n\n{A}"
    texts: list[Event] = [Text(answer[at : at + length]) for at in range(0, len(answer), length)]
    media = MediaOnce(is_media=True)
    events = [event for one in [STARTED, *texts, end] for event in media.push([one])]
    assert events == [STARTED, Text(f"![1.png]({A})"), end]


def test_texts_of_a_media_model_that_need_no_change_are_the_same_once_it_is_done() -> None:
    texts: list[Event] = [Text("a ", {"frame": 1}), Text("b", {"frame": 2})]
    media = MediaOnce(is_media=True)
    assert media.push([STARTED, *texts]) == [STARTED]
    passed = media.push([Finished("stop")])
    assert all(after is before for before, after in zip(texts, passed, strict=False))


def test_a_media_model_s_attempt_that_is_repeated_begins_anew() -> None:
    media = MediaOnce(is_media=True)
    assert media.push([STARTED, Text("lost"), STARTED, Text("a"), Finished("stop")])[2:] == [
        Text("a"),
        Finished("stop"),
    ]


def test_a_changed_text_loses_its_frame() -> None:
    assert MediaOnce(is_media=True).push([Text(f"{A}\n{A}", {"frame": 1}), Finished("stop")])[0] == Text(A)
