"""What became of one request: the facts that the log, the metrics and the ledger are written from."""

from dataclasses import dataclass, field

from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.usage import Usage


@dataclass(slots=True)
class Sent:
    """One call to Poe for a request. Times are Unix seconds; an empty text or 0 means that Poe did not say."""

    model: str
    sent_at: float
    answered_at: float | None = None  # when Poe's headers were here
    status: int = 0
    date: str = ""  # Poe's ``Date`` header, which tells how far our clocks are apart
    poe_id: str = ""  # Poe's own ``x-request-id``
    answer_id: str = ""  # the answer's ``id``, whose form tells which backend answered
    ended_at: float | None = None  # when Poe's answer was here as a whole
    failure: str = ""  # the class of the error that this call ended with before any content


@dataclass(slots=True)
class Report:
    """Filled in along the way and handed over once, whatever happened. Times are seconds of a monotonic clock."""

    request_id: str
    route: str
    started: float
    time: float = 0.0  # arrival, in Unix seconds
    caller: str = ""  # the name of the key that the caller sent, never the key
    address: str = ""  # the caller's
    session: str = ""  # as the client's own header names it
    agent: str = ""  # the subagent within the session, likewise
    dialect: str = ""  # set for model calls, which are what the ledger keeps
    way: str = ""  # the endpoint of Poe's that is asked: chat or messages
    passed: dict[str, str] = field(default_factory=dict)  # headers of Poe's answer that are the caller's too
    model: str = ""  # as asked for
    poe_model: str = ""  # as sent to Poe
    in_catalogue: bool = False  # whether that is a name of Poe's catalogue, and not one that a caller made up
    stream: bool = False
    status: int = 0
    outcome: str = "ok"  # ok, error, cut (after the first byte), client_left, shutdown, paused (no model was asked);
    # in the ledger alone: open, while it runs, and for good where the proxy was killed
    error: str = ""  # the error's class and code; its words may quote what the caller sent
    attempts: int = 0
    body_bytes: int = 0  # of its body, in memory until it is over
    sent: list[Sent] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    clipped: tuple[int, int] | None = None  # tokens before and after, where the conversation was too long
    usage: Usage | None = None
    first_event_s: float | None = None
    ended: float = 0.0
    notes: list[str] = field(default_factory=list)
    estimate: int | None = None  # points, by prices and tokens
    cost: Cost | None = None  # as the caller was told it, or would have been
