"""``GET /v1/usage``: the balance, and what the ledger adds up to."""

from starlette.requests import Request as WebRequest
from starlette.responses import Response

from poe_proxy.canonical.errors import Unavailable
from poe_proxy.ledger.row import StoreError
from poe_proxy.web.house import House
from poe_proxy.web.respond import json_response


async def usage(request: WebRequest) -> Response:
    """Balance, points of today and of this month (UTC), the sums by model and by key, and of the ``session`` named."""
    house = House.of(request)
    session = request.query_params.get("session", "")
    try:
        return json_response(await house.ledger.usage(house.upkeep.balance, session))
    except StoreError as error:
        raise Unavailable(f"The ledger cannot be read: {error}. Requests are served all the same.") from None
