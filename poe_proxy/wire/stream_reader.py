"""What reading a stream of Poe's is in every dialect: frames to events, until it is over, and what its end means."""

from abc import ABC, abstractmethod

from poe_proxy import sse
from poe_proxy.canonical.errors import ProxyError, StreamBroken
from poe_proxy.canonical.events import Event, Failed


class StreamReader(ABC):
    """Reads one stream; nothing counts after ``done``, and ``garbled`` frames were no JSON."""

    __slots__ = ("_failed", "_frames", "done", "garbled")

    def __init__(self) -> None:
        self._frames = sse.Decoder()
        self._failed = False
        self.done = False
        self.garbled = 0

    @property
    @abstractmethod
    def _started(self) -> bool:
        """Whether an answer has begun."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the answer said that it is finished."""

    @abstractmethod
    def _read(self, frame: sse.Frame) -> list[Event]:
        """The events of one frame; sets ``done`` where it is the last."""

    @abstractmethod
    def _unclosed(self) -> list[Event] | None:
        """The end of an answer that is over and did not say so, where it is whole all the same."""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that ``data`` completes."""
        if self.done:
            return []
        try:
            frames = self._frames.feed(data)
        except sse.FrameTooLarge as error:
            return self._fail(StreamBroken(f"Poe sent {error}; the answer is not complete."))
        return self._events(frames)

    def close(self) -> list[Event]:
        """The stream ended: return what its end means. An answer without a finish is never passed off as whole."""
        events = self._events(self._frames.close())
        if self.finished or self._failed:
            return events
        if self.done and (unclosed := self._unclosed()) is not None:
            return [*events, *unclosed]
        return [*events, *self._fail(StreamBroken(self._how_it_broke()))]

    def _events(self, frames: list[sse.Frame]) -> list[Event]:
        events: list[Event] = []
        for frame in frames:
            if self.done:
                break
            events += self._read(frame)
        return events

    def _how_it_broke(self) -> str:
        if not self._started:
            return "Poe ended the stream without an answer."
        if self.done:
            return "Poe ended the answer without saying that it is finished; it may not be complete."
        return "Poe cut the stream in the middle of the answer."

    def _fail(self, error: ProxyError) -> list[Event]:
        self.done = self._failed = True
        return [Failed(error)]
