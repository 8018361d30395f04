"""What a soak asks at random: who, in which dialect, for what, and what shall go wrong on the way; it sends nothing."""

import random
from dataclasses import dataclass
from typing import Literal

from benchmarks.soak.faults import ANSWER, CUT, FAULTS, QUICK, refused

Dialect = Literal["chat", "messages"]
Manner = Literal[
    "sdk",
    "raw",
    "half a body",
    "leaves before headers",
    "leaves in mid-stream",
    "reads slowly",
    "says nothing",
    "bad body",
]

PATHS: dict[Dialect, str] = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
MODELS = ("gpt-5.4-mini", "gpt-5.4", "gpt-5.4-nano", "claude-haiku-4.5", "claude-sonnet-4.6", "glm-5", "gemini-3.1-pro")
_MATTERS = (
    "words",
    "tool",
    "tools",
    "result",
    "reasoning",
    "long prompt",
    "long answer",
    "slow answer",
    "picture",
    "talk",
)
_MANNERS: dict[Manner, float] = {
    "sdk": 62,
    "raw": 10,
    "leaves before headers": 6,
    "leaves in mid-stream": 8,
    "half a body": 2,
    "reads slowly": 3,
    "says nothing": 3,
    "bad body": 6,
}
_BAD_BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"model": 5, "messages": []}',
    b'{"model": "gpt-5.4-mini"}',
    b'{"model": "no-such-model", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}',
    b'{"model": "gpt-5.4-mini", "max_tokens": 5, "messages": [{"role": "nobody", "content": 7}]}',
    b"\xff\xfe\x00" * 20,
    b"[" * 5000,
)
_FAULTY = 0.35
"""The share of requests with a fault of Poe's."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request. ``tag`` names it everywhere; ``fault`` is a directive of the stand-in, or empty.

    ``chance`` is between 0 and 1: when a client leaves, how slowly it reads, which words it says.
    """

    tag: str
    manner: Manner
    dialect: Dialect
    stream: bool
    model: str
    matter: str
    fault: str
    chance: float
    bad: bytes = b""

    @property
    def kind(self) -> str:
        """What it is counted under."""
        if self.manner in ("half a body", "says nothing", "bad body"):
            return self.manner
        maker = "Claude" if self.model.startswith("claude") else "others"
        return f"{self.dialect}, {maker}, {'stream' if self.stream else 'whole'}: {self.manner}"

    @property
    def expected(self) -> frozenset[str]:
        """The outcomes that are right."""
        match self.manner:
            case "half a body":
                return refused(408) | {"left"}
            case "leaves before headers" | "leaves in mid-stream" | "says nothing":
                return frozenset({"left"})
            case "bad body":
                return refused(400, 404)
            case _ if not self.fault:
                return ANSWER
            case _:
                return FAULTS[self.fault] | (CUT if self.stream else frozenset())  # tries may outlast the status line


def wish(chance: random.Random, tag: str, *, hurried: bool = False) -> Wish:
    """The next request of one client; ``hurried``: none that only the proxy's patience ends.

    It takes the same draws each time, so that one seed is one sequence.
    """
    (manner,) = chance.choices(list(_MANNERS), list(_MANNERS.values()))
    dialect, stream, model = chance.choice(list(PATHS)), chance.random() < 0.6, chance.choice(MODELS)
    is_faulty, fault, matter = (
        chance.random() < _FAULTY,
        chance.choice(list(QUICK if hurried else FAULTS)),
        chance.choice(_MATTERS),
    )
    moment, bad = chance.random(), chance.choice(_BAD_BODIES)
    match manner:
        case "leaves before headers":
            return Wish(tag, manner, dialect, stream, model, "words", "slow_headers seconds=30", moment)
        case "leaves in mid-stream":
            return Wish(tag, manner, dialect, True, model, "slow answer", "", moment)
        case "reads slowly":
            return Wish(tag, manner, dialect, True, model, "long answer", "", moment)
        case "half a body":
            return Wish(tag, manner, dialect, stream, model, matter, "", moment / 2 if hurried else moment)
        case "bad body":
            return Wish(tag, manner, dialect, stream, model, matter, "", moment, bad)
        case _:
            return Wish(tag, manner, dialect, stream, model, matter, fault if is_faulty else "", moment)
