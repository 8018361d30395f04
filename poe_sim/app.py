"""The stand-in as an ASGI app; what happened is in `app.state.poe`."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from poe_sim import account, control
from poe_sim.dialects.chat import CHAT
from poe_sim.dialects.messages import MESSAGES_DIALECT
from poe_sim.dialects.responses import RESPONSES
from poe_sim.exchange import ModelCall
from poe_sim.fast import FAST, answer_fast
from poe_sim.settings import Settings
from poe_sim.state import Poe

DIALECTS = (CHAT, MESSAGES_DIALECT, RESPONSES)


class FastStarlette(Starlette):
    """Chat completions and messages go past the routing, straight to prebuilt bytes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in FAST:
            await answer_fast(scope["path"], receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings | None = None) -> Starlette:
    """A stand-in Poe of its own, sharing nothing with others."""
    settings = settings or Settings()
    poe = Poe(settings)
    calls = [Route(dialect.path, ModelCall(poe, dialect), methods=["POST"]) for dialect in DIALECTS]
    kind = FastStarlette if settings.fast else Starlette
    app = kind(routes=[*calls, *account.routes(poe), *control.routes(poe)])
    app.state.poe = poe
    return app
