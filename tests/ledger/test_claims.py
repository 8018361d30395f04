"""Which calls of a request may have been charged, and what is known of each."""

from dataclasses import replace

import pytest

from poe_proxy.canonical.report import Report, Sent
from poe_proxy.canonical.usage import Usage
from poe_proxy.ledger.claims import claims
from poe_proxy.ledger.evidence import Claim, Tokens
from poe_proxy.ledger.poe_clock import PoeClock
from tests.ledger.rows import NOW, report

BOT_ID = "chatcmpl-0123456789abcdef01234567"


def made(of: Report, *, offset_s: float = 0.0, ended: float | None = NOW + 2) -> list[Claim]:
    return claims(of, "a", offset_s, NOW + 10, ended)


def sent(at: float = NOW, **changes: object) -> Sent:
    return replace(Sent("gpt-5.4-mini", at, at + 0.5, 200, answer_id="chatcmpl-uuid"), **changes)  # type: ignore[arg-type]


def test_an_answered_call_is_sure_and_knows_its_tokens() -> None:
    (claim,) = made(report())
    assert (claim.sure, claim.exact, claim.tokens) == (True, True, Tokens(100, 20, 8, 4))
    assert (claim.sent, claim.latest, claim.age) == (NOW, NOW + 0.5, 8)


def test_the_form_of_the_answers_id_tells_estimates_from_counts() -> None:
    assert not made(report(sent=[sent(answer_id=BOT_ID)]))[0].exact
    assert made(report(sent=[sent(answer_id="chatcmpl-CXYZabc")]))[0].exact
    assert not made(report(sent=[sent(answer_id="")]))[0].exact


def test_a_call_whose_answer_is_here_may_have_its_row_however_slowly_the_client_reads() -> None:
    assert made(report(), ended=None)[0].running
    assert not made(report(sent=[sent(ended_at=NOW + 1)]), ended=None)[0].running


def test_times_are_poes() -> None:
    (claim,) = made(report(), offset_s=3.5)
    assert (claim.sent, claim.latest) == (NOW + 3.5, NOW + 4.0)


@pytest.mark.parametrize(
    "free", [sent(status=400, failure="Refused"), sent(status=429, failure="RateLimited"), sent(failure="NotReached")]
)
def test_what_poe_refused_or_never_saw_makes_no_claim(free: Sent) -> None:
    assert made(report(sent=[free], usage=None, first_event_s=None)) == []
    assert [claim.number for claim in made(report(sent=[free, sent(NOW + 1)]))] == [1]


def test_what_poe_refused_makes_no_claim_while_its_request_waits_to_try_again_either() -> None:
    assert (
        made(report(sent=[sent(status=429, failure="RateLimited")], usage=None, first_event_s=None), ended=None) == []
    )


def test_a_lost_call_does_not_run_while_its_request_waits_to_try_again() -> None:
    lost = sent(failure="Unanswered", status=0, answered_at=None)
    (claim,) = made(report(sent=[lost], usage=None, first_event_s=None), ended=None)
    assert (claim.running, claim.sure) == (False, False), "its row may well be final"


@pytest.mark.parametrize("failure", ["Unanswered", "StreamBroken", "Garbled", "PoeFailed"])
def test_what_may_have_been_charged_is_a_claim_without_being_sure(failure: str) -> None:
    lost, again = made(report(sent=[sent(failure=failure, status=0, answered_at=None), sent(NOW + 1)]))
    assert (lost.sure, again.sure) == (False, True)
    assert lost.tokens == Tokens(100), "the prompt was the same; how far the answer got is not known"


def test_a_client_that_left_before_the_answer_leaves_a_claim_that_is_not_sure() -> None:
    (claim,) = made(report(sent=[sent(answered_at=None, status=0, answer_id="")], usage=None, first_event_s=None))
    assert (claim.sure, claim.running, claim.tokens) == (False, False, None)


def test_a_running_call_claims_without_tokens() -> None:
    (claim,) = made(report(usage=Usage(1, 1)), ended=None)
    assert (claim.running, claim.tokens, claim.age) == (True, None, 0)


# --- Poe's clock ----------------------------------------------------------------------------------------------------


def clock(*heard: tuple[float, str]) -> PoeClock:
    told = PoeClock()
    for at, date in heard:
        told.heard(Sent("m", at, at + 0.2, 200, date=date))
    return told


def test_clocks_that_may_agree_do() -> None:
    assert clock().offset_s == 0
    assert clock((1_776_123_189.9, "Mon, 13 Apr 2026 23:33:09 GMT")).offset_s == 0


def test_a_clock_that_is_off_is_corrected_the_better_the_more_is_heard() -> None:
    ahead = 30
    told = clock(*((1_776_123_189.0 - ahead + n + 0.9, f"Mon, 13 Apr 2026 23:33:{9 + n:02d} GMT") for n in range(9)))
    assert told.offset_s == pytest.approx(ahead, abs=1.1)


def test_a_clock_that_was_set_is_believed() -> None:
    told = clock(
        *((1_776_123_100.0 + n, "Mon, 13 Apr 2026 22:00:00 GMT") for n in range(1)),
        *((1_776_123_189.0 + n, f"Mon, 13 Apr 2026 23:33:{9 + n:02d} GMT") for n in range(9)),
    )
    assert told.offset_s == 0


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Apr 2026 99:00:00 GMT"])
def test_a_date_that_makes_no_sense_is_no_news(date: str) -> None:
    assert clock((NOW, date)).offset_s == 0


def test_a_lost_call_no_longer_runs_while_its_request_does() -> None:
    lost, again = made(report(sent=[sent(failure="Unanswered", status=0), sent(NOW + 1)], usage=None), ended=None)
    assert (lost.running, again.running) == (False, True), "the row of the lost call may well be final"
