"""``connect``: the exact settings for a client, shown or put into its own file.

Exit codes: 0 shown, written, or there already · 2 nothing was written, and why.
"""

import os
import sys
from pathlib import Path

from poe_proxy.canonical.errors import UnknownModel
from poe_proxy.cli.address import address_of, settings_at_home
from poe_proxy.cli.clients import CLIENTS, Instructions, Offer, Place, claude_code
from poe_proxy.cli.start import USAGE, end
from poe_proxy.files.cache import load_catalogue
from poe_proxy.files.client_settings import ClientFileError, write_merged
from poe_proxy.files.models_file import ModelsFileError, load_models
from poe_proxy.poe.catalogue import read_catalogue
from poe_proxy.policy.registry import Registry
from poe_proxy.settings import Settings, SettingsError


def connect(client: str, *, write: bool, model: str, project: bool) -> int:
    """Show the settings for ``client`` on stdout, or write them; what is said about them goes to stderr."""
    if client not in CLIENTS:
        end(f"there is no client {client!r}: choose one of {', '.join(CLIENTS)}")
    if project and client != "claude-code":
        end("--project is for claude-code: the others keep their keys in one place for all projects")
    offer = offer_or_exit(model)
    place = Place(Path.home(), Path.cwd(), os.environ)
    told = claude_code(offer, place, project=True) if project else CLIENTS[client](offer, place)
    return _write(told) if write else _show(told, client, project=project)


def offer_or_exit(model: str = "") -> Offer:
    """What clients may be told, from the settings and from the models on disk; a model that nobody knows is told of."""
    try:
        settings = settings_at_home()
        models = _models(settings)
    except (SettingsError, ModelsFileError) as error:
        end(*error.faults)
    if model:
        try:
            models.resolve(model)
        except UnknownModel as error:
            _say(f"note: {error}")
    return Offer(address_of(settings), models, model)


def _models(settings: Settings) -> Registry:
    return Registry(load_models(settings.models_file), read_catalogue(load_catalogue(settings.data_dir).body))


def _show(told: Instructions, client: str, *, project: bool) -> int:
    if told.file is not None:
        words = f"connect {client} {'--project ' if project else ''}--write"
        _say(f"{told.title}: this belongs into {told.file} (`python proxy.py {words}` puts it there)")
    else:
        _say(told.by_hand)
    sys.stdout.write(told.shown)
    return 0


def _write(told: Instructions) -> int:
    if told.file is None or told.merge is None:
        _say(f"There is no file to write. {told.by_hand}")
        sys.stdout.write(told.shown)
        return USAGE
    try:
        written = write_merged(told.file, told.merge)
    except ClientFileError as error:
        _say(f"nothing was written: {error}. Put this in by hand:")
        sys.stdout.write(told.shown)
        return USAGE
    if not written.changed:
        _say(f"{told.title}: {told.file} has it all already")
        return 0
    kept = f"; the old one is {written.kept}" if written.kept else ""
    _say(f"{told.title}: {told.file} is written{kept}")
    return 0


def _say(words: str) -> None:
    print(words, file=sys.stderr)  # noqa: T201
