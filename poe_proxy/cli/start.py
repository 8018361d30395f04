"""From settings to an app or a clear end: exit code 2 and sentences that name each fault with its cure."""

import multiprocessing
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from poe_proxy.files.models_file import ModelsFileError
from poe_proxy.settings import Settings, SettingsError, load_settings, suspicions

if TYPE_CHECKING:
    from fastapi import FastAPI

USAGE = 2
_STARTUP_FAILURE = 3  # uvicorn's parent gives up on this one, but would start a worker that ends with 2 again and again
NO_KEY = (
    "No Poe key: set POE_API_KEY (from poe.com/api/keys) in the environment or in .env, "
    "or try everything without one: python proxy.py --demo"
)


def end(*faults: str) -> NoReturn:
    """Say what is wrong, a line each, and exit."""
    for fault in faults:
        print(f"poe-proxy: {fault}", file=sys.stderr)  # noqa: T201
    sys.exit(USAGE if multiprocessing.parent_process() is None else _STARTUP_FAILURE)


def has_key() -> bool:
    """Whether a Poe key is set at all; faults in the settings are told when they are read for good."""
    try:
        return bool(load_settings().poe_api_key)
    except SettingsError:
        return True


def settings_or_exit(**overrides: Any) -> Settings:
    """The settings with a Poe key, all faults told at once."""
    try:
        settings = load_settings(**overrides)
    except SettingsError as error:
        end(*error.faults)
    if not settings.poe_api_key:
        end(NO_KEY)
    return settings


def create_or_exit(settings: Settings) -> "FastAPI":
    """The app, with the log set up."""
    # here, since they are most of the start's time, and faults are told without them
    from poe_proxy.observe import log  # noqa: PLC0415
    from poe_proxy.web.app import create_app  # noqa: PLC0415

    log.configure(settings.log_level, settings.log_format)
    for suspicion in suspicions():
        log.log.warning("unknown setting", hint=suspicion)
    try:
        return create_app(settings)
    except (ModelsFileError, SettingsError) as error:
        end(*error.faults)


def app_or_exit() -> "FastAPI":
    """The app for ``uvicorn proxy:app``."""
    return create_or_exit(settings_or_exit())
