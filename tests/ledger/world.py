"""An imagined Poe account: what was asked, the rows that came of it, and the private truth about which is whose."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from poe_proxy.canonical.history import HistoryRow
from poe_proxy.ledger.evidence import Claim, Experience, Tokens
from poe_proxy.ledger.settle import settle

OUR_KEY = "Default API Key"


@dataclass(frozen=True, slots=True)
class Model:
    """``direct`` models tell real tokens, ``fee`` is for those without a price by the token; points a token."""

    name: str
    direct: bool = False
    fee: int | None = None
    per_input: float = 0.03
    per_output: float = 0.15

    def points(self, prompt: int, completion: int) -> int:
        return self.fee if self.fee is not None else -int(-prompt * self.per_input) - int(-completion * self.per_output)


MODELS = (
    Model("gpt-5.4-mini", direct=True),
    Model("Claude-Opus-4.6", direct=True, per_input=0.14, per_output=0.7),
    Model("glm-5"),
    Model("kimi-k2.5", per_input=0.2, per_output=1.0),
    Model("imagen-4", fee=220),
)


@dataclass(slots=True)
class Call:
    """One call: when, what it said of itself, and its row (None where Poe did not charge it)."""

    claim: Claim
    ended: float
    row: HistoryRow | None
    final_at: float = 0.0


@dataclass(slots=True)
class World:
    """Everything that happened on the account."""

    chance: random.Random
    calls: list[Call] = field(default_factory=list)
    foreign: list[tuple[HistoryRow, float]] = field(default_factory=list)
    jitter_s: float = 0.05

    def row(self, model: Model, created: float, prompt: int, completion: int, key: str | None) -> HistoryRow:
        counted = None if model.fee is not None else prompt
        return HistoryRow(
            id=f"row{len(self.calls)}-{self.chance.getrandbits(60):x}",
            created=created,
            model=model.name.title(),
            usage_type="API" if key else "Chat",
            key_name=key,
            points=model.points(prompt, completion),
            tokens_in=counted,
            tokens_out=None if counted is None else completion,
        )

    def ask(self, model: Model, at: float, *, prompt: int, completion: int, seconds: float = 1.0) -> None:
        """A request of ours that was answered."""
        told = Tokens(prompt, completion, 0) if model.direct else Tokens(max(1, prompt - 7), completion)
        created = at + self.chance.uniform(0.005, self.jitter_s)
        ended = created + seconds
        claim = Claim(f"req{len(self.calls)}", 1, model.name, at, min(ended, at + 10), told, exact=model.direct)
        row = self.row(model, created, prompt, completion, OUR_KEY)
        self.calls.append(Call(claim, ended, row, ended + self.chance.uniform(1, 2)))

    def others(self, model: Model, at: float, key: str | None, *, prompt: int = 50, completion: int = 20) -> None:
        """Somebody else's call: another key's, or chat on poe.com."""
        self.foreign.append((self.row(model, at, prompt, completion, key), at + self.chance.uniform(1, 13)))

    def claims(self, now: float, done: set[str]) -> list[Claim]:
        """Our calls as the proxy knows them at ``now``."""
        known = [call for call in self.calls if call.claim.sent <= now and call.claim.request not in done]
        return [
            replace(call.claim, age=now - call.ended)
            if call.ended <= now
            else replace(call.claim, running=True, tokens=None, latest=now)
            for call in known
        ]

    def history(self, now: float) -> list[HistoryRow]:
        """Poe's rows at ``now``: at once there, final later."""
        own = [(call.row, call.final_at) for call in self.calls if call.row is not None]
        return [
            row if final <= now else replace(row, points=None, tokens_in=None, tokens_out=None)
            for row, final in [*own, *self.foreign]
            if row.created <= now
        ]

    def settled(self, seconds: float = 20, step_s: float = 1.0) -> Iterator[tuple[Call, int, tuple[HistoryRow, ...]]]:
        """Poll until ``seconds`` after the last answer; each call with the points and rows it was given."""
        experience, done, used = Experience(), set[str](), set[str]()
        now, end = min(call.claim.sent for call in self.calls), max(call.ended for call in self.calls) + seconds
        by_request = {call.claim.request: call for call in self.calls}
        while now <= end:
            rows = [row for row in self.history(now) if row.id not in used]
            for verdict in settle(self.claims(now, done), rows, experience):
                done.add(verdict.request)
                given = tuple(row for _, row in verdict.pairs)
                assert not used & {row.id for row in given}, "a row was used twice"
                used |= {row.id for row in given}
                experience.learn(verdict.pairs)
                yield by_request[verdict.request], verdict.points, given
            now += step_s
