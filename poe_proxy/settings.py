"""The settings, from the environment and ``.env``, read once and frozen. It reads no other file and starts nothing."""

import contextlib
import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from dotenv import dotenv_values
from pydantic import AliasChoices, BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from poe_proxy.canonical.card import FooterMode

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+")
_SPACE = re.compile(r"\s")
_HOME = Path(__file__).parents[1]  # the project's folder, where proxy.py is
_MIN_KEY = 16
_UNEXPANDED = re.compile(r"\$\(|\$\{|`|^<.*>$|%\w+%|^\$\w+$")
_EXAMPLE_WORDS = re.compile(
    r"change|please|replace|insert|paste|enter|dummy|needed|required|nothing|openssl|proxy|litellm|master|admin|must"
    r"|^(sk-)?secret|secret.?key|token|passw[o0]rd|letmein|welcome|example|sample|placeholder|default|demo|test|goes"
    r"|here|your|with|hunter2|string|random|value|1qaz|2wsx|3edc|4rfv|key|api|poe|any"
    r"|(?<![^\W_])(sk|me|my|no|not|a|an|the|to|is|of|this|set|put|add|use|user|in|it|own|some)(?![^\W_])"
)
_ROWS = "01234567890 abcdefghijklmnopqrstuvwxyz qwertyuiop asdfghjkl zxcvbnm"
_STEPS = dict.fromkeys(pairwise(_ROWS), 1) | {(after, before): -1 for before, after in pairwise(_ROWS)}
_RATE = re.compile(r"(\d{1,6})\s*(/|per)\s*([1-9]\d{0,2})?\s*(second|minute|hour|day)s?", re.IGNORECASE)
_MAX_RATE = 100_000
UNIX_SOCKET = "unix"


_POSTGRESQL, _SQLITE = "postgresql+asyncpg", "sqlite+aiosqlite"
_DRIVERS = {
    "postgres": _POSTGRESQL,
    "postgresql": _POSTGRESQL,
    _POSTGRESQL: _POSTGRESQL,
    "sqlite": _SQLITE,
    _SQLITE: _SQLITE,
}
_LIBPQ = {"sslmode": "ssl"}


class SettingsError(Exception):
    """Settings that cannot be used; ``faults`` are sentences, each with its cure."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


def _here_or_at_home(name: str) -> Path:
    """``name`` in the working directory if it is there, else beside proxy.py, where the project's own is."""
    here = Path(name)
    return here if here.exists() or Path.cwd() == _HOME else _HOME / name


def _split(value: Any) -> Any:
    """``a, b`` as ``("a", "b")``."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Points = Annotated[int, Field(ge=0, le=10**12)]


class Settings(BaseSettings):
    """All that can be set. Times are seconds; see ``.env.template`` for what each is for."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="ignore", populate_by_name=True)

    poe_api_key: str = Field("", validation_alias=AliasChoices("POE_API_KEY", "POE_TOKEN"), repr=False)
    poe_base_url: str = Field("https://api.poe.com", validation_alias=AliasChoices("POE_BASE_URL", "POE_API_BASE"))
    poe_connections: int = Field(2000, ge=1, le=100_000, validation_alias="POE_CONNECTIONS")
    models_file: Path = Field(default_factory=lambda: _here_or_at_home("models.yaml"), validation_alias="MODELS_FILE")
    data_dir: Path = Field(default_factory=lambda: _here_or_at_home("data"), validation_alias="DATA_DIR")
    host: str = Field("127.0.0.1", validation_alias="HOST")
    port: int = Field(9876, ge=0, le=65535, validation_alias="PORT")
    publish_addr: str = Field("", validation_alias="PUBLISH_ADDR")
    publish_port: int = Field(9876, ge=1, le=65535, validation_alias="PUBLISH_PORT")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="LOG_LEVEL")
    log_format: Literal["text", "json"] = Field("text", validation_alias="LOG_FORMAT")
    proxy_api_key: Names = Field((), validation_alias=AliasChoices("PROXY_API_KEY", "LITELLM_MASTER_KEY"), repr=False)
    allowed_hosts: Names = Field((), validation_alias="ALLOWED_HOSTS")
    cors_origins: Names = Field((), validation_alias="CORS_ORIGINS")
    stream_default: bool = Field(False, validation_alias="STREAM_DEFAULT")
    cache: Literal["auto", "off"] = Field("auto", validation_alias="CACHE")
    clip: Literal["auto", "off"] = Field("auto", validation_alias="CLIP")
    retry_budget_s: Annotated[float, Field(ge=0, le=600)] = Field(20, validation_alias="RETRY_BUDGET_S")
    first_event_s: Seconds = Field(15, validation_alias="FIRST_EVENT_S")
    stream_idle_s: Seconds = Field(280, validation_alias="STREAM_IDLE_S")
    answer_timeout_s: Seconds = Field(600, validation_alias="ANSWER_TIMEOUT_S")
    body_timeout_s: Seconds = Field(30, validation_alias="BODY_TIMEOUT_S")
    shutdown_grace_s: Annotated[float, Field(ge=0, le=3600)] = Field(30, validation_alias="SHUTDOWN_GRACE_S")
    rate_limit: str = Field("600/minute", validation_alias="RATE_LIMIT")
    upstream_rpm: int = Field(450, ge=0, le=1_000_000, validation_alias="UPSTREAM_RPM")
    redis_url: str = Field("", validation_alias="REDIS_URL", repr=False)
    trusted_proxies: Names = Field((), validation_alias="TRUSTED_PROXIES")
    workers: int = Field(1, ge=1, le=64, validation_alias=AliasChoices("WORKERS", "WEB_CONCURRENCY"))
    max_body_mb: Annotated[float, Field(gt=0, le=1024)] = Field(32, validation_alias="MAX_BODY_MB")
    footer: FooterMode = Field("auto", validation_alias="FOOTER")
    footer_wait_s: Annotated[float, Field(ge=0, le=60)] = Field(1.5, validation_alias="FOOTER_WAIT_S")
    points_cutoff: Points = Field(100_000, validation_alias="POINTS_CUTOFF")
    points_per_message_warn: Points = Field(5000, validation_alias="POINTS_PER_MESSAGE_WARN")
    max_points_per_message: Points = Field(0, validation_alias="MAX_POINTS_PER_MESSAGE")
    database_url: str = Field("", validation_alias="DATABASE_URL", repr=False)
    ledger_days: Annotated[int, Field(ge=0, le=36500)] = Field(90, validation_alias="LEDGER_DAYS")

    @field_validator("log_level", "log_format", "footer", "clip", "cache", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("poe_api_key", mode="after")
    @classmethod
    def _whole_key(cls, key: str) -> str:
        key = key.strip()
        if _UNEXPANDED.search(key) or not key.isascii() or any(character.isspace() for character in key):
            raise ValueError("is not a key: copy it from poe.com/api/keys as it is")
        return key

    @field_validator("poe_base_url", mode="after")
    @classmethod
    def _base(cls, url: str) -> str:
        """Paths are added by us, so a trailing ``/v1`` (the commonest mistake) goes."""
        if fault := _fault_of_url(url.strip()):
            raise ValueError(fault)
        return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")

    @field_validator("database_url", mode="after")
    @classmethod
    def _async_driver(cls, url: str) -> str:
        """Plain forms, as other programs write them, completed."""
        scheme, separator, rest = url.strip().partition("://")
        driver = _DRIVERS.get(scheme.lower())
        if not url or (driver and separator and rest.strip("/")):
            return f"{driver}://{_as_asyncpg(rest) if driver == _POSTGRESQL else rest}" if url else ""
        raise ValueError("must be a URL like sqlite:///data/ledger.sqlite3 or postgresql://user:password@host/database")

    @field_validator("proxy_api_key", mode="after")
    @classmethod
    def _strong(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for number, key in enumerate(keys, 1):
            which = f"key {number} of {len(keys)} " if len(keys) > 1 else ""
            if weakness := _weakness(key):
                raise ValueError(f"{which}{weakness}; make one with: openssl rand -hex 24")
        return keys

    @field_validator("rate_limit", mode="after")
    @classmethod
    def _rate(cls, rate: str) -> str:
        """Empty where there is no limit, however that is said."""
        rate = rate.strip()
        said = _RATE.fullmatch(rate)
        amount = int(said[1]) if said else 0 if not rate.strip("0") else None
        if amount is None or amount > _MAX_RATE:
            raise ValueError(f"must be like 600/minute (second, minute, hour, day), {_MAX_RATE} at most, or 0 for none")
        return rate if amount else ""

    @field_validator("redis_url", mode="after")
    @classmethod
    def _redis(cls, url: str) -> str:
        if url and not _is_redis(url.strip()):
            raise ValueError("must be like redis://localhost:6379/0, rediss://user:word@host:6380 or unix:///path")
        return url.strip()

    @field_validator("trusted_proxies", mode="after")
    @classmethod
    def _addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                _ = proxy == UNIX_SOCKET or ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(
                    f"must be addresses or networks like 10.0.0.5, 172.16.0.0/12, or unix; {proxy!r} is none"
                ) from None
        return proxies

    @property
    def database(self) -> str | Path:
        """Where the ledger is: a URL, or the file of its SQLite database."""
        return self.database_url or self.data_dir / "ledger.sqlite3"

    @property
    def bound_to_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def poe_is_local(self) -> bool:
        """Whether Poe is a stand-in on this machine, which no proxy of the environment leads to."""
        return is_loopback(urlsplit(self.poe_base_url).hostname or "")

    @property
    def published_on_loopback(self) -> bool:
        """In a container HOST says nothing about who can reach it; where it is published does."""
        return bool(self.publish_addr) and is_loopback(self.publish_addr)

    def exposure(self) -> str | None:
        """Why a server bound to ``host`` would let strangers spend the points, with the cure; None if it would not."""
        if self.proxy_api_key or self.bound_to_loopback or self.published_on_loopback:
            return None
        name, value = ("PUBLISH_ADDR", self.publish_addr) if self.publish_addr else ("HOST", self.host)
        return (
            f"{name}={value} without PROXY_API_KEY lets others spend your points: "
            f"set PROXY_API_KEY (make one with: openssl rand -hex 24), or {name}=127.0.0.1"
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load_settings`` hands over: it reads environment and ``.env`` itself, to name what it read."""
        return (init_settings,)


def _fault_of_url(url: str) -> str | None:
    """What a base URL must be that ``url`` is not. It quotes nothing, since a URL may hold a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "must be a URL like https://api.poe.com, with a host and a port that can be"
    if "@" in url:
        return "must have no user and password in it: the Poe key goes into POE_API_KEY"
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or port == 0 or _SPACE.search(url):
        return "must be a URL like https://api.poe.com"
    return "must end before its query (?…) or fragment (#…)" if "?" in url or "#" in url else None


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme == "unix":
        return len(parts.path) > 1
    database = parts.path.strip("/")
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (not database or database.isdecimal())


def _as_asyncpg(rest: str) -> str:
    """The part after ``://`` without what only PostgreSQL's own library understands."""
    address, mark, query = rest.partition("?")
    kept = [(_LIBPQ.get(name, name), value) for name, value in parse_qsl(query) if name != "channel_binding"]
    return f"{address}?{urlencode(kept)}" if mark and kept else address


def _weakness(key: str) -> str | None:
    if _UNEXPANDED.search(key):
        return "holds an unexpanded command instead of a key"
    if len(key) < _MIN_KEY:
        return f"is shorter than {_MIN_KEY} characters"
    if _SPACE.search(key):
        return "has spaces in it, as no key has"
    if len(set(key)) < 5 or _is_guessable(key.lower()):
        return "is a well-known example, which anybody can guess"
    return None if key.isascii() else "has characters that a header cannot carry"


def _is_guessable(key: str) -> bool:
    """Whether ``key`` is one pattern again and again, or next to nothing but words of examples and runs like 1234."""
    if any(key[period:] == key[:-period] for period in range(1, (len(key) + 1) // 2 + 1)):
        return True
    rest = _without_runs(_EXAMPLE_WORDS.sub("-", key))
    return sum(character.isalnum() for character in rest) < 3


def _without_runs(key: str) -> str:
    """``key`` without its runs of 3 and more characters up or down the alphabet or a row of the keyboard, or alike."""
    runs, direction = [key[:1]], None
    for before, character in pairwise(key):
        step = 0 if before == character else _STEPS.get((before, character))
        if step is not None and (step == direction or len(runs[-1]) == 1):
            runs[-1] += character
        else:
            runs.append(character)
        direction = step
    return "".join(run if len(run) < 3 else "-" for run in runs)


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name, or an address with or without brackets) is this machine only."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names() -> dict[str, str]:
    """Every name that is understood, with the field it sets; the first name of a field is the one we write about."""
    known: dict[str, str] = {}
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        known.update({str(choice): field for choice in choices})
    return known


def load_settings(
    environment: Mapping[str, str] | None = None, env_file: Path | None = None, **overrides: Any
) -> Settings:
    """Settings from ``environment`` (default: this process's), then ``env_file`` (default: ``.env``, here or beside
    proxy.py); ``overrides`` win over both.

    Empty values count as not set. Raises SettingsError with all faults at once.
    """
    values: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for source in (_from_file(env_file), os.environ if environment is None else environment):
        for name, field in reversed(names().items()):
            if value := source.get(name, "").strip():
                values[field], spelt[field] = value, name
    values.update({field: value for field, value in overrides.items() if value is not None})
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_fault(fault, spelt) for fault in error.errors()) from None


def _from_file(path: Path | None) -> dict[str, str]:
    path = path or _here_or_at_home(".env")
    try:
        said = dotenv_values(path, interpolate=False, encoding="utf-8-sig")  # Windows editors may put a mark first
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path} cannot be read: {error}"]) from None
    return {name: value for name, value in said.items() if value is not None}


def _fault(fault: Any, spelt: Mapping[str, str]) -> str:
    """A sentence that begins with the name as it was given; it quotes the value, unless that is or holds a key."""
    known = names()
    field = known.get(str(fault["loc"][0]), str(fault["loc"][0]))
    name = spelt.get(field) or next(name for name, set_by_it in known.items() if set_by_it == field)
    said = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    secret = not Settings.model_fields[field].repr or "@" in str(fault["input"])  # that is a URL with a password
    given = "" if secret else f" (it is {fault['input']!r})"
    return f"{name} {said}{given}"


def suspicions(environment: Mapping[str, str] | None = None, env_file: Path | None = None) -> list[str]:
    """Names in the environment or ``.env`` that look like a misspelt one of ours. Foreign names do no harm."""
    said = {**_from_file(env_file), **(os.environ if environment is None else environment)}
    known = names()
    return [
        f"{name} is not a setting; did you mean {close[0]}?"
        for name in said
        if name not in known and (close := _close_to(name, known))
    ]


def open_to_others(env_file: Path | None = None) -> str | None:
    """That other users of this machine can read ``.env``, keys and all, with the cure; None if they cannot."""
    path = env_file or _here_or_at_home(".env")
    with contextlib.suppress(OSError):
        if os.name == "posix" and path.stat().st_mode & 0o044 and _from_file(path):
            return f"{path} can be read by other users of this machine: chmod 600 {path}"
    return None


def _close_to(name: str, known: Iterable[str]) -> list[str]:
    upper = name.upper()
    if upper in known and name != upper:
        return [upper]
    # Short names (HOST, PORT) are near to far too much, and so is every other program's …_API_KEY to ours.
    like = [name for name in known if len(name) > 5 and name[0] == upper[:1]]
    return difflib.get_close_matches(upper, like, n=1, cutoff=0.8)
