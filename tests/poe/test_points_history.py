"""The usage history: rows as Poe writes them and as it might, pages to the end that is needed, and lies."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.points_history import UsageApiError, points_history, read_row, read_rows

CLAUDE = {
    "creation_time": 1776123189878077,
    "bot_name": "Claude-Haiku-4.5",
    "query_id": "ahb9qdmlplk8rt2v62",
    "usage_type": "API",
    "cost_usd": "0.0072",
    "cost_points": 239,
    "cost_breakdown_in_points": {
        "Input": "238 points (8369 tokens)",
        "Output": "1 point (4 tokens)",
        "Total": "239 points",
    },
    "api_key_name": "Default API Key",
}
GPT = CLAUDE | {
    "bot_name": "GPT-5.4-Mini",
    "query_id": "ahb6ftjfnsekqlyxuq",
    "cost_points": 24,
    "cost_breakdown_in_points": {
        "Input": "173 points (7661 tokens)",
        "Output": "1 point (5 tokens)",
        "Cache discount": "-150 points (7424 tokens)",
        "Total": "24 points",
    },
}


def read(**changes: Any) -> Any:
    return read_row(CLAUDE | changes)


def test_a_row_as_poe_writes_it() -> None:
    row = read()
    assert (row.id, row.model, row.key_name) == ("ahb9qdmlplk8rt2v62", "Claude-Haiku-4.5", "Default API Key")
    assert row.created == pytest.approx(1776123189.878077)
    assert (row.points, row.tokens_in, row.tokens_out, row.tokens_cached) == (239, 8369, 4, None)


def test_a_cache_discount_is_read_tokens_and_changes_no_points() -> None:
    row = read_row(GPT)
    assert row is not None
    assert (row.points, row.tokens_in, row.tokens_cached) == (24, 7661, 7424)


def test_writing_a_cache_is_not_reading_it() -> None:
    assert read(cost_breakdown_in_points={"Cache write": "9 points (500 tokens)"}).tokens_cached is None


def test_no_cost_and_no_breakdown_is_not_settled() -> None:
    assert read(cost_points=0, cost_breakdown_in_points={}).points is None
    assert read(cost_points=None, cost_breakdown_in_points=None).points is None


def test_no_cost_with_a_breakdown_was_free() -> None:
    assert read(cost_points=0, cost_breakdown_in_points={"Total": "0 points"}).points == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"cost_breakdown_in_points": {"Whatever": "3 doubloons", "Input": "238 points (8,369 tokens)"}},
        {"cost_breakdown_in_points": {"input": "238 points (8369 token)", "Output": None}},
        {"cost_breakdown_in_points": {"Input": "238 points (8369 tokens)", "Discount": "-0 points"}},
    ],
)
def test_unknown_lines_and_spellings_do_no_harm(odd: dict[str, Any]) -> None:
    row = read(**odd)
    assert (row.points, row.tokens_in) == (239, 8369)


@pytest.mark.parametrize(
    "time",
    [
        1776123189878077,
        1776123189878.077,
        1776123189.878077,
        1776123189878077000,
        "1776123189878077",
        "2026-04-13T23:33:09.878077Z",
    ],
)
def test_times_in_other_units_are_understood(time: object) -> None:
    assert read(creation_time=time).created == pytest.approx(1776123189.878, abs=0.01)


@pytest.mark.parametrize(
    "missing", [{"creation_time": None}, {"creation_time": "soon"}, {"bot_name": None}, {"query_id": ""}]
)
def test_a_row_that_makes_no_sense_is_left_out(missing: dict[str, Any]) -> None:
    assert read(**missing) is None


def test_what_is_missing_is_not_told() -> None:
    row = read_row({name: CLAUDE[name] for name in ("creation_time", "bot_name", "query_id")})
    assert row is not None
    assert (row.points, row.key_name, row.usage_type, row.tokens_in) == (None, None, "API", None)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CLAUDE, "Input"]), inner, max_size=8),
    max_leaves=12,
)


@given(st.lists(_JSON, max_size=4))
def test_whatever_poe_says_is_no_crash(data: list[Any]) -> None:
    read_rows(data)


@pytest.mark.parametrize("lie", [-7, -0.6, 5e19, 10**30, "-3", float("inf"), True])
def test_points_that_nobody_can_have_paid_are_not_told(lie: object) -> None:
    assert read(cost_points=lie).points is None


def test_a_count_of_thousands_of_digits_is_no_count() -> None:
    row = read(cost_breakdown_in_points={"Input": f"1 point ({'9' * 5000} tokens)", "Output": "1 point (4 tokens)"})
    assert (row.points, row.tokens_in, row.tokens_out) == (239, None, 4)


# --- pages ----------------------------------------------------------------------------------------------------------


class Account:
    """A history of rows, a second apart, newest first; ``answer`` may lie about it."""

    def __init__(self, rows: int, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        self.rows = [
            CLAUDE | {"query_id": f"q{n}", "creation_time": (10_000 - n) * 10**6 + 10**15} for n in range(rows)
        ]
        self.asked: list[str] = []
        self._answer = answer or self._honest

    def _honest(self, request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("starting_after")
        start = next((n + 1 for n, row in enumerate(self.rows) if row["query_id"] == after), 0)
        limit = int(request.url.params["limit"])
        page = self.rows[start : start + limit]
        return httpx.Response(200, json={"has_more": start + limit < len(self.rows), "length": len(page), "data": page})

    def read(self, newest: int | None = None) -> list[str]:
        """Ids of the rows since the ``newest``-th; of all without."""

        def handle(request: httpx.Request) -> httpx.Response:
            self.asked.append(str(request.url))
            return self._answer(request)

        async def no_wait() -> None:
            return

        since = 0.0 if newest is None else 10**9 + 10_000 - newest
        poe = PoeClient("http://poe", "key", httpx.MockTransport(handle))
        return [row.id for row in asyncio.run(points_history(poe, since, before_page=no_wait))]


def test_pages_are_read_to_the_end() -> None:
    account = Account(250)
    assert account.read() == [f"q{n}" for n in range(250)]
    assert len(account.asked) == 3


def test_a_full_page_goes_on_where_poe_does_not_say_whether_there_is_more() -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        said = account._honest(request).json()
        return httpx.Response(200, json={"data": said["data"]})

    account = Account(150, silent)
    assert len(account.read()) == 150


def test_half_an_emoji_in_one_row_takes_no_other_away() -> None:
    data = b'{"data": [' + orjson.dumps(GPT) + b', {"bot_name": "\xff\xfe"}]}'
    assert Account(1, lambda _: httpx.Response(200, content=data)).read() == [GPT["query_id"]]


def test_pages_are_read_no_further_than_needed() -> None:
    account = Account(1000)
    assert account.read(newest=20) == [f"q{n}" for n in range(21)]
    assert len(account.asked) == 1


def test_a_poe_that_says_the_same_page_for_ever_is_asked_twice() -> None:
    page = orjson.dumps({"has_more": True, "data": [CLAUDE]})
    account = Account(0, lambda _: httpx.Response(200, content=page))
    assert account.read() == [CLAUDE["query_id"]]
    assert len(account.asked) == 2


def test_an_empty_page_is_the_end_whatever_it_says() -> None:
    assert Account(0, lambda _: httpx.Response(200, json={"has_more": True, "data": []})).read() == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(401, json={"error": {}}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"data": None}),
        httpx.Response(200, json={"data": {"a": 1}}),
    ],
)
def test_anything_but_a_page_is_an_error(answer: httpx.Response) -> None:
    with pytest.raises(UsageApiError):
        Account(0, lambda _: answer).read()


def test_a_link_that_fails_is_an_error() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    with pytest.raises(UsageApiError):
        Account(0, refuse).read()


def test_how_long_to_wait_is_told() -> None:
    with pytest.raises(UsageApiError) as caught:
        Account(0, lambda _: httpx.Response(429, headers={"retry-after": "7"})).read()
    assert caught.value.retry_after == 7
