"""A soak's report: a table for people, or JSON. It judges nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import orjson

from benchmarks.soak.outcome import Outcome, verdicts
from benchmarks.soak.watch import Sample

_WIDTH = 52
_EXAMPLES = 20


def as_text(outcome: Outcome) -> str:
    """The report for people."""
    return "\n".join(_lines(outcome))


def as_json(outcome: Outcome) -> bytes:
    """All of it, for programs."""
    said = {field.name: getattr(outcome, field.name) for field in fields(outcome) if field.name != "answered"}
    in_time, with_requests = outcome.rise_mb()
    rise = {"mb_in_ten_minutes": in_time, "mb_with_a_thousand_requests": with_requests}
    return orjson.dumps({**said, "rise": rise, "verdicts": verdicts(outcome)}, option=orjson.OPT_INDENT_2)


def _lines(outcome: Outcome) -> Iterator[str]:
    plan = outcome.plan
    yield f"{outcome.requests} requests of {plan.clients} clients in {plan.seconds:g} s, seed {plan.seed}"
    yield from _table("requests by kind", outcome.kinds)
    yield from _table("requests with a fault of Poe's", outcome.faults)
    yield from _counted("around them", outcome.weather)
    yield from _counted("warnings in the log", outcome.log)
    yield from _held(outcome)
    yield from _books(outcome)
    yield from _examples("unexpected", outcome.unexpected)
    yield from _examples("wrong rows", outcome.books.examples)
    yield from _examples("answered without a row", outcome.without_row)
    yield from _examples("faults in the log", outcome.crashes)
    yield "\nverdicts"
    for verdict in verdicts(outcome):
        yield f"  {'ok  ' if verdict.holds else 'FAIL'} {verdict.name}: {verdict.words}"


def _table(title: str, rows: Mapping[str, Counter[str]]) -> Iterator[str]:
    yield f"\n{title}"
    for name, words in sorted(rows.items()):
        yield f"  {name:<{_WIDTH}}{', '.join(f'{count} {word}' for word, count in words.most_common())}"


def _counted(title: str, words: Counter[str]) -> Iterator[str]:
    yield f"\n{title}"
    for word, count in words.most_common():
        yield f"  {word:<{_WIDTH}} {count}"


def _held(outcome: Outcome) -> Iterator[str]:
    assert outcome.before is not None
    assert outcome.after is not None
    yield f"\n{'what the proxy held':<{_WIDTH}}    before      most     after"
    for name in ("memory_mb", "to_clients", "to_poe", "half_closed", "files", "threads", "tasks"):
        most: Any = max(getattr(sample, name) for sample in outcome.samples)
        before, after = getattr(outcome.before, name), getattr(outcome.after, name)
        yield f"  {name:<{_WIDTH}}{before:>8.0f}{most:>10.0f}{after:>10.0f}"
    in_time, with_requests = outcome.rise_mb()
    yield f"  memory, once warm: {in_time:+.2f} MB in ten minutes, {with_requests:+.3f} MB with a thousand requests"
    yield f"  memory by the minute: {', '.join(f'{mb:.0f}' for mb in _by_the_minute(outcome.samples))}"


def _by_the_minute(samples: list[Sample]) -> list[float]:
    last = {int(sample.at // 60): sample.memory_mb for sample in samples}
    return list(last.values())


def _books(outcome: Outcome) -> Iterator[str]:
    books = outcome.books
    yield "\nrows against charges"
    for words, count in (
        ("rows", books.rows),
        ("charges", books.charges),
        ("rows settled rightly", books.settled),
        ("  of them at nothing, since there was no charge", books.free),
        ("rows settled wrongly", books.wrong),
        ("rows not settled", books.open.total()),
        ("charges without a row", books.charges_without_row),
        ("points in the rows, with estimates where not settled", books.points_of_rows),
        ("points charged", books.points_of_charges),
        ("points charged for what is not settled", books.points_open),
    ):
        yield f"  {words:<{_WIDTH}}{count:>8}"
    for why, count in books.open.most_common():
        yield f"    not settled: {why:<{_WIDTH - 15}}{count:>8}"


def _examples(title: str, examples: list[str]) -> Iterator[str]:
    if examples:
        yield f"\n{title} ({len(examples)})"
        yield from (f"  {example}" for example in examples[:_EXAMPLES])
