"""``python list_models.py``: Poe's live catalogue beside models.yaml. It needs no key and spends no points.

Exit codes: 0 both agree (or the names were added) · 1 an entry names what Poe lacks, a limit is above Poe's, or a name
to be added is unknown · 2 models.yaml, a setting or the command line cannot be used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NoReturn

import httpx
import orjson
import typer
from rich.console import Console

from poe_proxy.canonical.card import Modality, ModelCard
from poe_proxy.canonical.errors import UnknownModel
from poe_proxy.canonical.listing import Listing
from poe_proxy.cli import models_view
from poe_proxy.files.cache import load_catalogue
from poe_proxy.files.models_file import ModelsFileError, load_models
from poe_proxy.files.models_insert import add_models
from poe_proxy.poe.catalogue import read_catalogue
from poe_proxy.policy.registry import Registry
from poe_proxy.settings import Settings, SettingsError, load_settings

_TIMEOUT_S = 15.0
_WIDTH_IN_A_PIPE = 160  # rich would fold the names at 80 columns there

app = typer.Typer(add_completion=False)
_errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Found:
    """The catalogue and where it is from: ``source`` is poe, cache or seed; ``note`` says why it is not poe."""

    cards: Mapping[str, ModelCard]
    source: str
    note: str = ""


class _Silence(Exception):
    """Poe gave no catalogue; the text says what happened instead."""


@app.command(help="Poe's live catalogue beside models.yaml. Exit 1 where they disagree, 2 where a file cannot be used.")
def main(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Models to add, with --write.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Add the named models to their groups of models.yaml.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of the table.")] = False,
) -> None:
    if write != bool(names):
        _end("say which models to add: list_models.py --write NAME…", 2)
    try:
        settings = load_settings(host="127.0.0.1")  # we serve nobody, so an open HOST without a key does not matter
        listing = load_models(settings.models_file)
        found = _find(settings)
        if found.note:
            _errors.print(f"note: {found.note}")
        if names:
            _write(settings, names, listing, found)
        else:
            _compare(Registry(listing, found.cards), found, as_json)
    except (SettingsError, ModelsFileError) as error:
        _end("\n".join(error.faults), 2)


def _compare(registry: Registry, found: Found, as_json: bool) -> None:
    rows = models_view.rows(registry.listed(), found.cards)
    disagreements = registry.disagreements()
    if as_json:
        report = {"source": found.source, "note": found.note, "models": models_view.as_json(rows)}
        typer.echo(orjson.dumps(report | {"disagreements": disagreements}, option=orjson.OPT_INDENT_2))
    else:
        terminal = Console()
        terminal = terminal if terminal.is_terminal else Console(width=_WIDTH_IN_A_PIPE)
        terminal.print(models_view.as_table(rows))
    if disagreements:
        _end("\n".join(disagreements), 1)


def _write(settings: Settings, names: Sequence[str], listing: Listing, found: Found) -> None:
    wanted = _wanted(names, Registry(Listing(allow_unlisted=True), found.cards))
    there = {entry.poe_name.lower() for entry in listing.entries}
    new = [card for card in wanted if card.poe_name not in there]
    groups = {group: [card.poe_name for card in new if card.modality is group] for group in Modality}
    add_models(settings.models_file, groups)
    for card in wanted:
        said = f"added to {card.modality}" if card in new else "is listed already"
        typer.echo(f"{settings.models_file}: {card.poe_name} {said}")


def _wanted(names: Sequence[str], known: Registry) -> list[ModelCard]:
    """The cards of ``names``, each once. Ends the command where Poe lacks one: then nothing at all is written."""
    cards: dict[str, ModelCard] = {}
    for name in names:
        try:
            card = known.resolve(name)
        except UnknownModel:
            close = ", ".join(known.closest(name)) or "nothing"
            _end(f"nothing was written: Poe's catalogue has no {name} (closest: {close})", 1)
        if card.note:
            _end(f"nothing was written: {card.note}; say {card.poe_name} if you mean that", 1)
        cards.setdefault(card.poe_name, card)
    return list(cards.values())


def _find(settings: Settings) -> Found:
    try:
        return Found(_live(settings.poe_base_url), "poe")
    except _Silence as silence:
        stored = load_catalogue(settings.data_dir)
        kept = "the last catalogue fetched" if stored.source == "cache" else "the catalogue that ships with the proxy"
        return Found(read_catalogue(stored.body), stored.source, f"{silence}; this is {kept}")


def _live(base_url: str) -> dict[str, ModelCard]:
    url = f"{base_url}/v1/models"
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_S)
        cards = read_catalogue(answer.raise_for_status().json())
    except httpx.HTTPStatusError as error:
        raise _Silence(f"{url} answered {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _Silence(f"{url} cannot be reached ({error})") from None
    except ValueError:
        raise _Silence(f"{url} did not answer with JSON") from None
    if not cards:
        raise _Silence(f"{url} answered without a single model")
    return cards


def _end(message: str, code: int) -> NoReturn:
    _errors.print(message)
    raise typer.Exit(code)
