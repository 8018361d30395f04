"""Waiting for the proxy that Claude Code needs: for one that gets ready, and not for one that cannot."""

from pathlib import Path

import pytest

from poe_proxy.cli import companion
from poe_proxy.cli.address import Address

HERE = Address("http://127.0.0.1:9999", "key")
LOG = Path("proxy.log")


def told(monkeypatch: pytest.MonkeyPatch, *answers: companion._Answer) -> str:
    """What is told of a proxy that answers so, one after the other."""
    following = iter(answers)
    monkeypatch.setattr(companion, "_LOOK_AGAIN_S", 0)
    monkeypatch.setattr(companion, "_get", lambda *_: next(following))
    return companion._wait_until_ready(HERE, LOG)


def not_ready(words: str) -> companion._Answer:
    return companion._Answer(503, {"key": words, "catalogue": "362 models"})


def test_a_poe_that_refuses_a_connection_may_take_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    unreached = not_ready("the Poe key could not be checked: Poe cannot be reached (connection refused)")
    assert told(monkeypatch, unreached, unreached, companion._Answer(200, {})) == ""


def test_a_key_that_poe_refuses_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    words = told(monkeypatch, not_ready("Poe refuses the key (401)"), companion._Answer(200, {}))
    assert words.startswith("the proxy is not ready: Poe refuses the key (401); 362 models")
