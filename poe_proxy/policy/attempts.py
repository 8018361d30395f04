"""Which attempts to make, and when to give up: a generator that yields attempts and is sent their errors.

It knows no network and no clock of its own. A 400 is answered with another body, in layers; a context that is too long
with fewer messages; a passing failure with the same body after a wait; a request that may have been charged is repeated
once at most; all else is final.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from poe_proxy.canonical.errors import (
    CallerError,
    ContextTooLong,
    Garbled,
    Internal,
    KeyRefused,
    Misdirected,
    ModelMissing,
    Moderated,
    NoAccess,
    NotReached,
    NotStarted,
    OutOfPoints,
    PoeError,
    PoeFailed,
    ProxyError,
    RateLimited,
    Refused,
    ShuttingDown,
    StreamBroken,
    TimedOut,
    Unanswered,
    Unavailable,
    Unfit,
)
from poe_proxy.canonical.json import Json
from poe_proxy.policy import as_messages, native, refusals
from poe_proxy.policy.clipping import SHARES
from poe_proxy.policy.refusals import Memory, is_same

AGAIN = (RateLimited, NotStarted, PoeFailed, NotReached)
"""Poe did not take the request on: the same body again, after a wait, within the budget."""
ONCE_MORE = (Unanswered, StreamBroken, Garbled)
"""The request was sent and no content came: it may have been charged, so it is repeated once at most."""
OTHERWISE = (Refused,)
"""A 400: the layers."""
SHORTER = (ContextTooLong,)
"""Fewer messages, in steps, as long as there are some that can go."""
FINAL = (
    CallerError,
    Unfit,
    OutOfPoints,
    Moderated,
    NoAccess,
    ModelMissing,
    Misdirected,
    KeyRefused,
    TimedOut,
    ShuttingDown,
    Unavailable,
    Internal,
)
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 8.0
_MAX_LAYERS = 10
_MAX_TOKENS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to make after ``wait_s`` seconds; ``changes`` tells in words what differs from the planned body."""

    number: int
    body: Json
    wait_s: float = 0.0
    changes: tuple[str, ...] = ()
    fresh: bool = False  # over a new connection: the last one was closed without an answer, and others may be as stale


@dataclass(frozen=True, slots=True)
class Means:
    """What the plan needs from outside: a monotonic clock, a random number in [0, 1), seconds of budget, the memory."""

    clock: Callable[[], float]
    random: Callable[[], float]
    budget_s: float
    memory: Memory


@dataclass(frozen=True, slots=True)
class Shorten:
    """No attempt but a question: ``body`` with its messages clipped to ``share`` of what they may be, or None.

    None says that no message can go, or that none needs to.
    """

    body: Json
    share: float


class Repair(Protocol):
    """What to change in a body; ``unsupported`` is worth remembering."""

    @property
    def unsupported(self) -> Mapping[str, str | None]: ...

    def apply(self, body: Json) -> Json: ...

    def words(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How a 400 is dealt with: what its words ask to change, what is guessed where they ask for nothing, and, put
    behind the model's name, what is remembered apart."""

    repair: Callable[[Refused, Json], Repair | None]
    guesses: "tuple[_Guess, ...]"
    apart: str = ""


Plan = Generator[Attempt | Shorten, ProxyError | Json | None, None]
"""Sent the error of an attempt, and the body (or None) that a question asked for."""


def plan(body: Json, means: Means, manner: "Manner | None" = None) -> Plan:
    """Yield attempts until one is not answered with an error. Raises the error that the caller should see."""
    attempt = Attempt(1, body)
    layers = _Layers(body, means.memory, manner or AS_CHAT)
    waits = _Waits(means)
    shares = iter(SHARES)
    while True:
        error = yield attempt
        assert isinstance(error, ProxyError)
        if isinstance(error, FINAL):
            raise error
        if isinstance(error, SHORTER):
            attempt = yield from _shorter(error, attempt, shares)
            layers.shortened(attempt)
            continue
        ask = layers if isinstance(error, OTHERWISE) else waits
        attempt = ask.after(error, attempt)


def _shorter(
    error: ProxyError, attempt: Attempt, shares: Iterator[float]
) -> Generator[Shorten, ProxyError | Json | None, Attempt]:
    for share in shares:
        body = yield Shorten(attempt.body, share)
        if isinstance(body, dict):
            return Attempt(attempt.number + 1, body, 0.0, (*attempt.changes, f"clipped to {share:.0%} of the context"))
    raise error


@dataclass(slots=True)
class _Waits:
    """Exponential back-off with jitter; Poe's own ``Retry-After`` goes first."""

    means: Means
    failures: int = 0
    maybe_charged: int = 0
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = self.means.clock() + self.means.budget_s

    def after(self, error: ProxyError, attempt: Attempt) -> Attempt:
        if isinstance(error, ONCE_MORE):
            self.maybe_charged += 1
            if self.maybe_charged > 1:
                raise error
        if isinstance(error, PoeError) and error.may_retry is False:
            raise error  # Poe's own x-should-retry
        wait_s = self._wait_s(error)
        if self.means.clock() + wait_s > self.deadline:
            raise error
        self.failures += 1
        return Attempt(attempt.number + 1, attempt.body, wait_s, attempt.changes, fresh=isinstance(error, ONCE_MORE))

    def _wait_s(self, error: ProxyError) -> float:
        longest = min(_FIRST_WAIT_S * 2.0**self.failures, _LONGEST_WAIT_S)
        wait_s = float(longest * (0.5 + self.means.random() / 2))
        if error.retry_after is None:
            return wait_s
        return max(error.retry_after + self.means.random() * _FIRST_WAIT_S, wait_s)  # "0" is no leave to hammer


class _Layers:
    """Other bodies to try after a 400, none of them twice.

    First what the error names, as long as it names something; then, from the body so far: without an output limit,
    with the model's name in lower case, with both. If guessing does not help, the caller sees the error from before
    the guesses.
    """

    def __init__(self, body: Json, memory: Memory, manner: Manner) -> None:
        self._memory = memory
        self._manner = manner
        self._name = f"{body.get('model')}{manner.apart}"
        self._base = body
        self._base_changes: tuple[str, ...] = ()
        self._tried: list[Json] = [body]
        self._guesses: Iterator[_Guess] | None = None
        self._before_guessing: Refused | None = None
        self._learned: list[tuple[Refused, Repair]] = []

    def after(self, error: ProxyError, attempt: Attempt) -> Attempt:
        assert isinstance(error, Refused)
        if len(self._tried) >= _MAX_LAYERS:
            raise self._before_guessing or error
        self._unlearn(error)
        found = self._manner.repair(error, attempt.body)
        if found is not None:
            self._learn(error, found)
            repaired = self._repaired(found, attempt)
            if repaired is not None:
                return repaired
        return self._guessed(error, attempt)

    def shortened(self, attempt: Attempt) -> None:
        """Whatever is guessed from now on has the messages of ``attempt``."""
        self._base = {**self._base, "messages": attempt.body["messages"]}
        self._base_changes = (*self._base_changes, attempt.changes[-1])

    def _learn(self, error: Refused, found: Repair) -> None:
        self._memory.learn(self._name, found.unsupported)
        self._learned.append((error, found))

    def _unlearn(self, error: Refused) -> None:
        """The same error to a repaired body: what it named was not the reason, and nothing to remember."""
        for before, found in self._learned:
            if is_same(before, error):
                self._memory.forget(self._name, found.unsupported)

    def _repaired(self, found: Repair, attempt: Attempt) -> Attempt | None:
        body = found.apply(attempt.body)
        if body in self._tried:
            return None
        self._tried.append(body)
        self._base = found.apply(self._base)
        self._base_changes = (*self._base_changes, *found.words())
        return Attempt(attempt.number + 1, body, 0.0, (*attempt.changes, *found.words()))

    def _guessed(self, error: Refused, attempt: Attempt) -> Attempt:
        if self._guesses is None:
            self._guesses, self._before_guessing = iter(self._manner.guesses), error
        for guess in self._guesses:
            body, words = guess(self._base)
            if body not in self._tried:
                self._tried.append(body)
                return Attempt(attempt.number + 1, body, 0.0, (*self._base_changes, *words))
        raise self._before_guessing or error


_Guess = Callable[[Json], tuple[Json, tuple[str, ...]]]


def _without_limit(body: Json) -> tuple[Json, tuple[str, ...]]:
    gone = tuple(f"dropped {name}" for name in _MAX_TOKENS if name in body)
    return {name: value for name, value in body.items() if name not in _MAX_TOKENS}, gone


def _lower_cased(body: Json) -> tuple[Json, tuple[str, ...]]:
    name = str(body["model"])
    return {**body, "model": name.lower()}, (f"model became {name.lower()}",)


def _both(body: Json) -> tuple[Json, tuple[str, ...]]:
    without, gone = _without_limit(body)
    lower, renamed = _lower_cased(without)
    return lower, gone + renamed


AS_CHAT = Manner(refusals.repair, (_without_limit, _lower_cased, _both))
NATIVE = Manner(native.repair, (), apart=" on messages")
AS_MESSAGES = Manner(as_messages.repair, AS_CHAT.guesses)
