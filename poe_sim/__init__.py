"""A stand-in for Poe's developer API, built from what is known of the real one."""

from poe_sim.app import create_app
from poe_sim.server import SimServer, refused_url, running, serve
from poe_sim.settings import KEYS, Settings

__all__ = ["KEYS", "Settings", "SimServer", "create_app", "refused_url", "running", "serve"]
