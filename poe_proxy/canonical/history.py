"""One row of Poe's usage history, whatever form Poe gave it. It does not know which request it belongs to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What one call cost. ``created`` is Unix seconds, close to the moment at which Poe received the call.

    ``points`` is None as long as the row is not settled. Tokens are None where the row does not tell them;
    ``tokens_cached`` are those read from a cache. ``key_name`` is the Poe key's name, None where Poe gives none.
    """

    id: str
    created: float
    model: str
    usage_type: str = "API"
    key_name: str | None = None
    points: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
