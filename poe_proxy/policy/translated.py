"""An answer on its way into another dialect: its events without the frames that only its own dialect can use."""

from dataclasses import replace

from poe_proxy.canonical.events import Event, Failed, Opaque, Started, Text


class Translated:
    """The stage that all events pass through first."""

    def push(self, events: list[Event]) -> list[Event]:
        """The events with nothing in them but what every dialect knows."""
        return [_bare(event) for event in events if not isinstance(event, Opaque)]


def _bare(event: Event) -> Event:
    if isinstance(event, Text):  # nearly every one
        return Text(event.text)
    if isinstance(event, Started):
        return replace(event, frame=None, answer=None)
    if isinstance(event, Failed | Opaque) or event.frame is None:
        return event
    return replace(event, frame=None)
