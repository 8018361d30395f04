"""Poe's usage API, as far as it tells whether our key is good: the balance is the cheapest call that needs one."""

from dataclasses import dataclass

import orjson

from poe_proxy.canonical.errors import LinkError
from poe_proxy.poe.client import PoeClient

_BALANCE = "/usage/current_balance"


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What the check found: ``valid`` is None where it could not be told; ``words`` say it, with the cure; points."""

    valid: bool | None
    words: str
    balance: int | None = None


UNCHECKED = KeyCheck(None, "the Poe key has not been checked yet")


async def check_key(poe: PoeClient, timeout_s: float = 10.0) -> KeyCheck:
    """Ask for the balance. Raises nothing: a Poe that cannot be reached leaves the key's state open."""
    try:
        status, _, body = await poe.get(_BALANCE, timeout_s=timeout_s)
    except LinkError as error:
        return KeyCheck(None, f"the Poe key could not be checked: {error.message}")
    if status == 200:
        return KeyCheck(True, "the Poe key is valid", _balance(body))
    if status in (401, 403):
        return KeyCheck(
            False,
            f"Poe refuses the key ({status}): set a valid POE_API_KEY, see poe.com/api/keys, and restart the proxy",
        )
    return KeyCheck(None, f"the Poe key could not be checked: Poe answered {status}")


def _balance(body: bytes) -> int | None:
    try:
        points = orjson.loads(body)["current_point_balance"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return int(points) if isinstance(points, int | float) else None
