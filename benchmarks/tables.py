"""Results as plain text."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from benchmarks.results import Results, Rounds, ratio

_LABEL, _COLUMN = 32, 12


def told(results: Results, servers: Sequence[str]) -> str:
    """All tables of a run."""
    with_direct = ["direct", *servers]
    return "\n\n".join(
        [
            _rates("answers and streams a second", results.per_second, with_direct, "{:,.0f}"),
            _rates("processor's time for each, µs", results.processor_us, with_direct, "{:,.0f}"),
            _rates("added median at one client, ms", results.added_ms(), list(servers), "{:.2f}"),
            _servers(results, servers),
            _tokenizer(results),
        ]
    )


def _rates(title: str, found: Rounds, servers: Sequence[str], form: str) -> str:
    """Medians by server, and the proxy's ratio to each other one."""
    others = [name for name in servers if name not in ("direct", "proxy")]
    lines = [_line(title, [*servers, *(f"/ {name}" for name in others)])]
    for mode, rounds in found.items():
        figures = [form.format(median(rounds[name])) for name in servers]
        ratios = [_ratio(ratio(rounds, "proxy", name)) for name in others]
        lines.append(_line(mode, figures + ratios))
    return "\n".join(lines)


def _servers(results: Results, servers: Sequence[str]) -> str:
    rows: list[tuple[str, Callable[[str], str]]] = [
        ("start to first answer, s", lambda name: f"{median(results.start_s[name]):.2f}"),
        ("memory after the first round, MB", lambda name: f"{results.memory_mb[name][0]:.0f}"),
        ("memory after the last round, MB", lambda name: f"{results.memory_mb[name][-1]:.0f}"),
        ("site-packages without pip, MB", lambda name: _size(results.installed_mb.get(name))),
        ("failed answers", lambda name: str(results.failed[name])),
    ]
    lines = [_line(label, [figure(name) for name in servers]) for label, figure in rows]
    return "\n".join([_line("each server", servers), *lines])


def _tokenizer(results: Results) -> str:
    found = results.tokenizer
    before = "with" if found["loaded_by_itself"] else "without"
    return (
        f"proxy: {found['before_mb']:.0f} MB {before} the tokenizer; after count_tokens and a further load "
        f"{found['after_mb']:.0f} MB with it"
    )


def _size(megabytes: float | None) -> str:
    return "-" if megabytes is None else f"{megabytes:.0f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value < 1 else f"{value:.1f}"


def _line(label: str, columns: Iterable[str]) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{column:>{_COLUMN}}" for column in columns)
