"""The log: one line per request, written from its Report. It is never handed a key, a header or a message."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO, cast

import orjson
import structlog

from poe_proxy.canonical.report import Report

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_LONGEST = 200  # characters of a name that a caller or Poe made up
_MOST = 30

log: Any = structlog.get_logger()


class _Sink:
    """Where lines go. It never fails: a full disk, or a reader who is gone, must cost neither an answer nor a row. (One
    who holds the pipe open and does not read holds us up, as whoever writes to it.)
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._missed = 0

    def write(self, text: str) -> None:
        """Write, or note that it could not be."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._missed += text.count("\n")
        else:
            self._tell()

    def flush(self) -> None:
        """Nothing is left to be written."""

    def _tell(self) -> None:
        missed, self._missed = self._missed, 0
        if missed:
            self.write(f"poe-proxy: {missed} lines of this log could not be written\n")


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging: ``form`` is ``text`` or ``json``, one line per event."""
    stream = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _printable,
            _renderer(form, stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Sink(stream))),
        cache_logger_on_first_use=True,
    )
    others = logging.StreamHandler(stream)
    others.setFormatter(_Wordless("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[others], level=max(_LEVELS[level], logging.WARNING))
    # aiohttp and uvicorn write exceptions with their values, which may hold what a client said
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def _renderer(form: str, stream: TextIO) -> Any:
    if form == "json":
        return structlog.processors.JSONRenderer(
            serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
        )
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, pad_level=False)


class _Wordless(logging.Formatter):
    """For what libraries write: of an exception its kind and where it was raised, but not its words."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  # as logging has it
        kind, _, trace = ei
        return " < ".join([kind.__name__ if kind else "no exception", *reversed(_where(trace))])


def _printable(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Names that callers and Poe made up cannot steer a terminal, begin a line or turn its direction."""
    for name, said in event.items():
        if isinstance(said, str):
            event[name] = _escaped(said)
        elif isinstance(said, list):
            event[name] = [_escaped(each) if isinstance(each, str) else each for each in said]
    return event


def _escaped(said: str) -> str:
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)


def write(report: Report) -> None:
    """The line of one request."""
    method = log.warning if report.status >= 500 or report.outcome in ("cut", "shutdown") else log.info
    method("request", **facts(report))


def facts(report: Report) -> dict[str, Any]:
    """What the line says: ids, names, numbers; fields that mean nothing for this request are left out."""
    said: dict[str, Any] = {
        "request_id": report.request_id,
        "route": report.route,
        "status": report.status,
        "outcome": report.outcome,
        "seconds": round(report.ended - report.started, 4),
    }
    if report.model:
        said |= {
            "model": report.model[:_LONGEST],
            "poe_model": report.poe_model[:_LONGEST],
            "stream": report.stream,
            "attempts": report.attempts,
        }
    if report.first_event_s is not None:
        said["first_event_s"] = round(report.first_event_s, 4)
    if report.clipped is not None:
        said["clipped"] = "{}/{}".format(*report.clipped)
    if report.usage is not None:
        said |= {"tokens_in": report.usage.prompt, "tokens_out": report.usage.completion, "cached": report.usage.cached}
    if report.estimate is not None:
        said["estimate"] = report.estimate
    if report.cost is not None and report.cost.points is not None:
        said |= {"points": report.cost.points, "points_source": report.cost.source}
    for name in ("changes", "notes", "error"):
        if value := getattr(report, name):
            said[name] = [text[:_LONGEST] for text in value[:_MOST]] if isinstance(value, list) else value[:_LONGEST]
    return said


def crash(error: BaseException, request_id: str) -> None:
    """A fault of our own: where it happened and its kind, but not its words, which may quote what a client sent."""
    log.error("internal error", request_id=request_id, kind=type(error).__name__, where=_where(error.__traceback__))


def _where(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-8:]]
