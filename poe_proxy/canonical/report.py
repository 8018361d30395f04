"""What became of one request: the facts that the log, the metrics and (later) the ledger are written from."""

from dataclasses import dataclass, field

from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.usage import Usage


@dataclass(slots=True)
class Report:
    """Filled in along the way and handed over once, whatever happened. Times are seconds of a monotonic clock."""

    request_id: str
    route: str
    started: float
    address: str = ""  # the caller's
    model: str = ""  # as asked for
    poe_model: str = ""  # as sent to Poe
    in_catalogue: bool = False  # whether that is a name of Poe's catalogue, and not one that a caller made up
    stream: bool = False
    status: int = 0
    outcome: str = "ok"  # ok, error, cut (after the first byte), client_left, shutdown, paused (no model was asked)
    error: str = ""  # the error's class and code; its words may quote what the caller sent
    attempts: int = 0
    changes: list[str] = field(default_factory=list)
    clipped: tuple[int, int] | None = None  # tokens before and after, where the conversation was too long
    usage: Usage | None = None
    first_event_s: float | None = None
    ended: float = 0.0
    notes: list[str] = field(default_factory=list)
    estimate: int | None = None  # points, by prices and tokens
    cost: Cost | None = None  # as the caller was told it, or would have been
