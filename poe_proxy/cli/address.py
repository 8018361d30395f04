"""Where clients find this proxy, and with which key. It knows no client.

Commands that work in other people's folders read the proxy's own settings: a project's ``.env`` or ``data`` folder is
not meant for us, and its PORT is somebody else's.
"""

import contextlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from poe_proxy.settings import Settings, load_settings

HOME = Path(__file__).parents[2]  # the project's folder, where proxy.py is
ANY_KEY = "no-key-needed"  # clients insist on one, and without PROXY_API_KEY the proxy takes any


@dataclass(frozen=True, slots=True)
class Address:
    """A proxy as its clients see it; ``url`` has no ``/v1``."""

    url: str
    key: str


def settings_at_home() -> Settings:
    """The settings that a proxy started in its own folder has. Raises SettingsError."""
    with contextlib.chdir(HOME):
        settings = load_settings()
        return settings.model_copy(
            update={"data_dir": settings.data_dir.absolute(), "models_file": settings.models_file.absolute()}
        )


def address_of(settings: Settings) -> Address:
    """Where clients on this machine find the proxy that runs with ``settings``."""
    return Address(url(settings, settings.port), settings.proxy_api_key[0] if settings.proxy_api_key else ANY_KEY)


def url(settings: Settings, port: int) -> str:
    """In a container not where we listen, but where that is published; never an address that means all of them."""
    host = settings.host
    if settings.publish_addr and not settings.bound_to_loopback:
        host, port = settings.publish_addr, settings.publish_port
    host = _reachable(host.strip("[]"))
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reachable(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"
