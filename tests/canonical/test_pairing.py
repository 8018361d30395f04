"""Calls and results brought together: each call has one result, right after it, in the order of the calls."""

from poe_proxy.canonical.conversation import CallPart, Message, ResultPart, TextPart
from poe_proxy.canonical.pairing import UNANSWERED, paired

HI = TextPart("hi")
A, B = CallPart("a", "f", "{}"), CallPart("b", "f", "{}")


def done(id_: str, text: str = "done") -> ResultPart:
    return ResultPart(id_, (TextPart(text),))


def said(*parts: object) -> Message:
    return Message("assistant", parts)  # type: ignore[arg-type]


def user(*parts: object) -> Message:
    return Message("user", parts)  # type: ignore[arg-type]


def test_a_conversation_in_order_stays_as_it_is() -> None:
    messages = (user(HI), said(HI, A, B), user(done("a"), done("b"), HI), said(HI))
    assert paired(messages) == messages


def test_results_come_to_their_calls() -> None:
    later = Message("system", (HI,))
    messages = (said(A, B), later, user(HI), user(done("b"), done("a"), HI))
    assert paired(messages) == (said(A, B), user(done("a"), done("b")), later, user(HI), user(HI))


def test_assistant_messages_in_a_row_are_one_with_its_calls_last() -> None:
    assert paired((said(A), said(HI), user(done("a")))) == (said(HI, A), user(done("a")))


def test_an_id_that_is_used_again_means_the_newest_call() -> None:
    messages = (said(A), user(done("a", "1")), said(A), user(done("a", "2")))
    assert paired(messages) == messages


def test_calls_that_share_an_id_are_answered_in_order() -> None:
    messages = (said(A, A), user(done("a", "1"), done("a", "2")))
    assert paired(messages) == messages


def test_a_call_without_a_result_is_answered() -> None:
    answer = ResultPart("a", (TextPart(UNANSWERED),), is_error=True)
    assert paired((said(A), user(HI))) == (said(A), user(answer, HI))


def test_a_result_given_twice_or_before_its_call_is_told_as_text() -> None:
    first, *_, last = paired((user(done("a", "1")), said(A), user(done("a", "2"), done("a", "3"))))
    assert first.parts[-1] == TextPart("1")
    assert (last.parts[0], last.parts[-1]) == (done("a", "2"), TextPart("3"))


def test_messages_without_parts_are_gone() -> None:
    assert paired((user(), said(), user(HI))) == (user(HI),)
