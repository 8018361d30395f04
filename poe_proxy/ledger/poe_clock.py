"""How far Poe's clock is ahead of ours, from the ``Date`` headers of its answers. Pure."""

from collections import deque
from email.utils import parsedate_to_datetime

from poe_proxy.canonical.report import Sent

_KEPT = 64
_COARSE_S = 2.0  # a Date is in whole seconds, and servers renew theirs once a second


def bounds(sent: Sent) -> tuple[float, float] | None:
    """The least and the most that Poe's clock can have been ahead at this call; None where Poe did not say."""
    if not sent.date or sent.answered_at is None:
        return None
    try:
        date = parsedate_to_datetime(sent.date).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return date - sent.answered_at, date + _COARSE_S - sent.sent_at


class PoeClock:
    """Each answer says: at some moment between sending and answer it was about ``Date`` at Poe."""

    def __init__(self) -> None:
        self._bounds: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def heard(self, sent: Sent) -> None:
        """Learn from one answered call; nonsense is no news."""
        if (said := bounds(sent)) is not None:
            self._bounds.append(said)

    @property
    def offset_s(self) -> float:
        """Seconds to add to our clock to get Poe's; 0 as long as our clocks may well agree."""
        for newest in (_KEPT, 8, 1):  # clocks are set now and then: what contradicts the newest is of no more use
            bounds = list(self._bounds)[-newest:]
            low = max((low for low, _ in bounds), default=0.0)
            high = min((high for _, high in bounds), default=0.0)
            if low <= high:
                return 0.0 if low <= 0.0 <= high else (low + high) / 2
        return 0.0
