"""What a test or a newcomer may choose about the stand-in, and the keys that it knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KEYS: tuple[str, ...] = tuple(f"poe-sim-key-{n:04d}" for n in range(1, 9))
"""Accepted keys; the first is the account's default one."""


def _key_names() -> Mapping[str, str]:
    names = {key: f"Key {n}" for n, key in enumerate(KEYS, 1)}
    names[KEYS[0]] = "Default API Key"
    return MappingProxyType(names)


@dataclass(frozen=True, slots=True)
class Settings:
    """All choices, with the behaviour closest to the real service as the default."""

    keys: Mapping[str, str] = field(default_factory=_key_names)
    """Key -> its name in usage rows."""
    fast: bool = False
    """Benchmarks: chat completions from prebuilt bytes, unchecked and unbooked."""
    strict: bool = True
    """Refuse parameters that are neither OpenAI's nor the model's own."""
    refusal_style: str = "openai"
    """Spelling of a refused parameter, a key of `refusals.PARAMETER_STYLES`."""
    refuse_tools: bool = True
    """Refuse tools for models whose catalogue entry lists no such feature."""
    context_status: int = 413
    """Status of a prompt beyond the context window: 413 as documented, or 400."""
    direct: Mapping[str, bool] = field(default_factory=dict)
    """Model id -> True for the direct backend, False for the bot backend; overrides the catalogue's hint."""
    requests_per_minute: int | None = None
    """Enforced limit per key; None enforces nothing (headers still speak of 500)."""
    settle_scale: float = 1.0
    """Multiplies the 1-2 s (messages: 5-13 s) that a usage row takes to become final."""
    off_catalogue: bool = True
    """Let some models cost other than the catalogue says."""
    balance: int = 1_000_000
    """Points on the account at the start."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
