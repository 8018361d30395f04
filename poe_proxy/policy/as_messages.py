"""What Poe's Messages refuses of a chat body that was put into Anthropic's words: found again in the client's words.

Whether Poe takes ``output_config`` and adaptive thinking is not known of each model, and the catalogue's limits are not
always those of Anthropic: a client who never named these fields cannot be told to leave them out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from poe_proxy.canonical.errors import Refused
from poe_proxy.canonical.json import Json
from poe_proxy.policy import refusals

_SAID_AS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"\bthinking\b|\boutput_config\b|\beffort\b"),
        ("reasoning_effort", "output_effort", "thinking_budget"),
    ),
    (re.compile(r"\bstop_sequences\b"), ("stop",)),
    (re.compile(r"\bmetadata\b"), ("user",)),
    (re.compile(r"\bdisable_parallel_tool_use\b"), ("parallel_tool_calls",)),
)
_LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Addition:
    """Values for fields that the client left to us; nothing that a later request would need to be told."""

    values: Mapping[str, Any]
    unsupported: Mapping[str, str | None] = field(default_factory=dict)

    def apply(self, body: Json) -> Json:
        """A copy of ``body`` with them."""
        return {**body, **self.values}

    def words(self) -> list[str]:
        """The change in words for ``x-poe-changes``."""
        return [f"{name} set to {value}" for name, value in self.values.items()]


def repair(error: Refused, body: Json) -> Addition | refusals.Repair | None:
    """What ``error`` asks to change in ``body``, or None where it names nothing that may be changed."""
    if not any(name in body for name in _LIMITS):
        found = refusals.repair(error, {**body, "max_tokens": 2**31})
        if found is not None and "max_tokens" in found.values:
            return Addition({"max_tokens": found.values["max_tokens"]})
    for pattern, names in _SAID_AS:
        if pattern.search(error.message) and (said := [name for name in names if name in body]):
            return refusals.Repair(unsupported=dict.fromkeys(said))
    return refusals.repair(error, body)
