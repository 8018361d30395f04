"""Poe's catalogue on disk: the last one fetched, and the seed that ships with us. It does not read what they say.

The cache is one JSON object, ``{"fetched_at": Unix seconds, "body": what GET /v1/models answered}``. The seed has the
shape of the body itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from poe_proxy.files.replace import replace_file

SEED = Path(__file__).with_name("catalogue_seed.json")
SEED_FETCHED_AT = 1775001600.0  # 2026-04-01: its newest model dates from the day before
_FILE = "catalogue.json"


@dataclass(frozen=True, slots=True)
class StoredCatalogue:
    """A catalogue body as Poe gave it, for ``poe.catalogue.read_catalogue``.

    ``fetched_at`` is Unix seconds. ``note`` is one sentence saying why the cache was not used; empty where it was.
    """

    body: object
    source: Literal["cache", "seed"]
    fetched_at: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Unusable:
    reason: str


def load_catalogue(data_dir: Path) -> StoredCatalogue:
    """The newest catalogue at hand: the cache, or the seed where the cache is missing, unreadable or older.

    Raises nothing.
    """
    path = data_dir / _FILE
    cached = _cached(path)
    if isinstance(cached, _Unusable):
        return _seed(cached.reason)
    if cached.fetched_at < SEED_FETCHED_AT:
        return _seed(f"{path} is older than the catalogue that ships with this version")
    return cached


def save_catalogue(data_dir: Path, body: object, now: float) -> str:
    """Keep ``body`` (JSON as decoded from Poe) as of ``now`` (Unix seconds), making ``data_dir`` where needed.

    Returns an empty string, or one sentence saying why it could not be kept; never raises for that.
    """
    path = data_dir / _FILE
    try:
        content = orjson.dumps({"fetched_at": now, "body": body})
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        return f"{path} cannot be written ({error.strerror}); make DATA_DIR writable to start with the newest catalogue"
    except orjson.JSONEncodeError as error:
        return f"{path} was not written: the catalogue is not JSON ({error})"
    return ""


def _cached(path: Path) -> StoredCatalogue | _Unusable:
    try:
        stored = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return _Unusable(f"{path} does not exist yet")
    except OSError as error:
        return _Unusable(f"{path} cannot be read ({error.strerror})")
    except orjson.JSONDecodeError:
        return _Unusable(f"{path} is not whole JSON")
    return _recognised(stored) or _Unusable(f"{path} is not a catalogue that this version wrote")


def _recognised(stored: object) -> StoredCatalogue | None:
    match stored:
        case {"fetched_at": float() | int() as fetched_at, "body": {"data": [_, *_]} as body}:
            return StoredCatalogue(body, "cache", float(fetched_at))
    return None


def _seed(note: str) -> StoredCatalogue:
    return StoredCatalogue(orjson.loads(SEED.read_bytes()), "seed", SEED_FETCHED_AT, note)
