"""Cache marks: on what stays the same from request to request, four at most, and never beside the client's own."""

from copy import deepcopy
from typing import Any

import pytest

from poe_proxy.policy.caching import marked

Json = dict[str, Any]
MARK = {"type": "ephemeral"}


def turns(count: int) -> list[Json]:
    return [{"role": ("user", "assistant")[n % 2], "content": [{"type": "text", "text": str(n)}]} for n in range(count)]


def places(body: Any, path: str = "") -> list[str]:
    """Where marks stand."""
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    here = [path] if isinstance(body, dict) and body.get("cache_control") == MARK else []
    return here + [place for name, value in inner for place in places(value, f"{path}/{name}")]


def test_tools_system_and_the_last_two_user_turns() -> None:
    body = {"messages": turns(5), "system": [{"type": "text", "text": "s"}], "tools": [{"name": "f"}, {"name": "g"}]}
    before = deepcopy(body)
    assert places(marked(body)) == ["/messages/2/content/0", "/messages/4/content/0", "/system/0", "/tools/1"]
    assert body == before


def test_strings_become_blocks() -> None:
    body = marked({"messages": [{"role": "user", "content": "hi"}], "system": "s"})
    assert body["system"] == [{"type": "text", "text": "s", "cache_control": MARK}]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "hi", "cache_control": MARK}]


def test_the_newest_prefix_of_one_request_is_found_by_the_next() -> None:
    assert "/messages/2/content/0" in set(places(marked({"messages": turns(3)}))) & set(
        places(marked({"messages": turns(5)}))
    )


@pytest.mark.parametrize("last", [{"type": "text", "text": " "}, {"type": "thinking", "thinking": "x"}])
def test_never_on_empty_text_or_thinking(last: Json) -> None:
    content = [{"type": "tool_result", "tool_use_id": "a"}, last]
    assert places(marked({"messages": [{"role": "user", "content": content}]})) == ["/messages/0/content/0"]
    assert places(marked({"messages": [{"role": "user", "content": [last]}]})) == []


@pytest.mark.parametrize(
    "own",
    [
        {"tools": [{"name": "f", "cache_control": MARK}]},
        {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "s", "cache_control": MARK}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "tool_result", "content": [{"text": "", "cache_control": MARK}]}]}
            ]
        },
        {"cache_control": MARK},
    ],
)
def test_marks_of_the_clients_own_are_left_alone(own: Json) -> None:
    body = {"messages": turns(1), **own}
    assert marked(body) is body


def test_of_too_many_marks_of_the_clients_own_the_last_four_stay() -> None:
    content = [{"type": "text", "text": "t", "cache_control": MARK} for _ in range(3)]
    body = {
        "tools": [{"name": "f", "cache_control": MARK}],
        "system": [{"type": "text", "text": "s", "cache_control": MARK}],
        "messages": [{"role": "user", "content": content}],
    }
    before = deepcopy(body)
    kept = [f"/messages/0/content/{place}" for place in range(3)]
    assert sorted(places(marked(body))) == [*kept, "/system/0"]
    assert body == before
