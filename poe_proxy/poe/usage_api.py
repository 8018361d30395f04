"""Poe's balance, and with it whether our key is good: it is the cheapest call that needs one. It trusts no field."""

from dataclasses import dataclass

import orjson

from poe_proxy.canonical.errors import LinkError
from poe_proxy.poe.client import PoeClient

_BALANCE = "/usage/current_balance"
_NONSENSE_FROM = 1e17


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What the check found: ``valid`` is None where it could not be told; ``words`` say it, with the cure.

    ``balance`` is points, ``grant_at`` the Unix seconds at which Poe gives new ones; None where Poe does not say.
    """

    valid: bool | None
    words: str
    balance: int | None = None
    grant_at: float | None = None


UNCHECKED = KeyCheck(None, "the Poe key has not been checked yet")


async def check_key(poe: PoeClient, timeout_s: float = 10.0) -> KeyCheck:
    """Ask for the balance, ``timeout_s`` seconds in all. Raises nothing: a Poe that cannot be reached leaves the
    key's state open."""
    try:
        status, _, body = await poe.get(_BALANCE, timeout_s=timeout_s)
    except LinkError as error:
        return KeyCheck(None, f"the Poe key could not be checked: {error.message}")
    if status == 200:
        return _read(body)
    if status in (401, 403):
        return KeyCheck(
            False,
            f"Poe refuses the key ({status}): set a valid POE_API_KEY, see poe.com/api/keys, and restart the proxy",
        )
    return KeyCheck(None, f"the Poe key could not be checked: Poe answered {status}")


def _read(body: bytes) -> KeyCheck:
    """A 200 that is a page or an error proves nothing; whoever sent it need not be Poe."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or said.get("error"):
        return KeyCheck(None, "the Poe key could not be checked: what Poe answered is no balance")
    points, grant_us = _number(said.get("current_point_balance")), _number(said.get("next_monthly_grant_time"))
    return KeyCheck(
        True,
        "the Poe key is valid",
        None if points is None else int(points),
        None if grant_us is None else grant_us / 1e6,
    )


def _number(value: object) -> float | None:
    """A number that a balance or a time can be; whatever else stands there counts as nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < _NONSENSE_FROM else None
