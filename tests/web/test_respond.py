"""Our own answers as JSON."""

import json
from typing import Any

import pytest

from poe_proxy.web.respond import json_response


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize("content", [nested(3), nested(300), {"a": 10**30}])
def test_what_one_encoder_refuses_another_writes(content: Any) -> None:
    assert json.loads(bytes(json_response(content).body)) == content
