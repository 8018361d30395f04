"""``check``: is the configuration right and does Poe take the key? Each fault is named with its cure."""

import asyncio

from rich.console import Console
from rich.markup import escape

from poe_proxy.cli.start import NO_KEY, USAGE
from poe_proxy.files.models_file import ModelsFileError
from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.transport import SharedTransport
from poe_proxy.poe.usage_api import KeyCheck, check_key
from poe_proxy.settings import Settings, SettingsError, load_settings, open_to_others, suspicions
from poe_proxy.upkeep import Upkeep
from poe_proxy.web.house import way_to


def check() -> int:
    """Tell the state of everything that a start needs; 0 if it can start, 1 if the key could not be checked, else 2."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        settings = load_settings()
    except SettingsError as error:
        return _faults(console, error.faults)
    for suspicion in filter(None, (*suspicions(), open_to_others())):
        console.print(f"[yellow]?[/] {escape(suspicion)}")
    faults = [NO_KEY] if not settings.poe_api_key else []
    faults += [exposure] if (exposure := settings.exposure()) else []
    try:
        console.print(f"[green]✓[/] {escape(str(settings.models_file))}: {Upkeep(settings).readiness().models}")
    except ModelsFileError as error:
        faults += error.faults
    return _faults(console, faults) if faults else _key(console, settings)


def _faults(console: Console, faults: tuple[str, ...] | list[str]) -> int:
    for fault in faults:
        console.print(f"[red]✗[/] {escape(fault)}")
    return USAGE


def _key(console: Console, settings: Settings) -> int:
    state = asyncio.run(_ask(settings))
    balance = f", {state.balance:,} points left" if state.balance is not None else ""
    if state.valid:
        console.print(f"[green]✓[/] {settings.poe_base_url}: {escape(state.words)}{balance}")
        return 0
    console.print(f"[red]✗[/] {settings.poe_base_url}: {escape(state.words)}")
    return USAGE if state.valid is False else 1


async def _ask(settings: Settings) -> KeyCheck:
    transport = SharedTransport(connections=1, proxy=way_to(settings))
    try:
        return await check_key(PoeClient(settings.poe_base_url, settings.poe_api_key, transport))
    finally:
        await transport.aclose()
