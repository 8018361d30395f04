"""One request as a caller made it: what every dialect can say of it, and the caller's own JSON beside it."""

from dataclasses import dataclass

from poe_proxy.canonical.json import Json


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request.

    ``body`` is the caller's own JSON in ``dialect``; it is never changed in place, so that what was said can be edited
    on the way to Poe instead of being rebuilt. ``stream`` is None where the caller left it open; ``version`` is that of
    the dialect, where the caller names one.
    """

    dialect: str
    model: str
    body: Json
    stream: bool | None = None
    include_usage: bool = False
    version: str = ""
