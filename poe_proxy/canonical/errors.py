"""Everything that can go wrong, as one tree, with what the caller is told.

ProxyError
├── CallerError                       the caller's request cannot be served as it is
│   ├── BadRequest            400
│   ├── Unauthorized          401
│   ├── TooExpensive          402     our own limit, not Poe's
│   ├── Forbidden             403
│   ├── NotFound              404
│   │   └── UnknownModel
│   ├── MethodNotAllowed      405
│   ├── BodyTooSlow           408
│   ├── BodyTooLarge          413
│   ├── UnsupportedEncoding   415
│   └── TooManyRequests       429     more than RATE_LIMIT or UPSTREAM_RPM allow
├── PoeError                          Poe answered, and the answer is an error
│   ├── Refused               400     a parameter, a value or the request as a whole
│   │   └── Unfit                     speaks of context, moderation or tools: asking differently does not help
│   ├── ContextTooLong        400     as OpenAI has it, whether Poe said 400 or 413
│   ├── OutOfPoints           402
│   ├── Moderated             403
│   ├── NoAccess              403     this account may not use this model
│   ├── ModelMissing          404
│   ├── KeyRefused            502     Poe's 401 and 403 about our key are not the caller's fault
│   ├── NotStarted            408
│   ├── RateLimited           429
│   └── PoeFailed             5xx     500, 502, 503, 529 …, as Poe said it
├── LinkError                         the way to Poe failed
│   ├── NotReached            502     nothing was sent
│   ├── Unanswered            502     sent, never answered: it may have been charged
│   ├── TimedOut              504     no answer in time
│   ├── StreamBroken          502     the answer began and did not end properly
│   ├── Garbled               502     what came back is not what Poe speaks
│   └── Misdirected           502     a redirect or the like: somebody else than Poe answers
├── ShuttingDown              503
├── Unavailable               503     a part of the proxy that answers do not need
│   └── TooMuchAtOnce                 more bodies under way than there is room for
└── Internal                  500
"""

import re
from typing import ClassVar

from poe_proxy.canonical.json import Json

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class ProxyError(Exception):
    """An error with all that a caller is told of it. ``retry_after`` is seconds; ``detail`` is for the log only.

    ``details`` are facts for the caller's program, which only Anthropic's shape has a place for.
    """

    status: int = 500
    type: ClassVar[str] = "proxy_error"
    default_code: ClassVar[str | None] = None
    may_retry: bool | None = None  # told to official SDKs as x-should-retry where it is not None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        detail: str = "",
        details: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code
        self.retry_after = retry_after
        self.detail = detail
        self.details = details

    @property
    def gist(self) -> str:
        """Kind, status and code, for log and ledger. A code that is no name is Poe's prose: it may quote a message."""
        code = self.code if self.code and _NAME.fullmatch(self.code) else ""
        return f"{type(self).__name__} {self.status} {code}".rstrip()


class CallerError(ProxyError):
    type = "invalid_request_error"
    status = 400


class BadRequest(CallerError):
    pass


class Unauthorized(CallerError):
    status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"
    may_retry = False  # Claude Code would ask ten times


class TooExpensive(CallerError):
    """The request would cost more than one may, and was not sent."""

    status = 402
    type = "insufficient_credits"
    default_code = "max_points_per_message"
    may_retry = False


class Forbidden(CallerError):
    status = 403
    type = "permission_error"


class NotFound(CallerError):
    status = 404
    default_code = "not_found"


class UnknownModel(NotFound):
    default_code = "model_not_found"


class MethodNotAllowed(CallerError):
    status = 405
    default_code = "method_not_allowed"


class BodyTooSlow(CallerError):
    status = 408
    default_code = "body_too_slow"


class BodyTooLarge(CallerError):
    status = 413
    default_code = "body_too_large"


class UnsupportedEncoding(CallerError):
    status = 415
    default_code = "unsupported_encoding"


class TooManyRequests(CallerError):
    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class PoeError(ProxyError):
    """``poe_status`` is the HTTP status that Poe itself gave; ``poe_type`` its own word for the kind of error.

    ``original`` is the body as Poe said it, where clients of that dialect act on its very words.
    """

    type = "upstream_error"
    status = 502
    original: Json | None = None

    def __init__(
        self,
        message: str,
        *,
        poe_status: int,
        poe_type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after=retry_after, detail=detail)
        self.poe_status = poe_status
        self.poe_type = poe_type


class Refused(PoeError):
    status = 400
    type = "invalid_request_error"


class Unfit(Refused):
    pass


class ContextTooLong(PoeError):
    status = 400
    type = "invalid_request_error"
    default_code = "context_length_exceeded"


class OutOfPoints(PoeError):
    status = 402
    type = "insufficient_credits"
    default_code = "insufficient_quota"
    may_retry = False


class Moderated(PoeError):
    status = 403
    type = "moderation_error"
    default_code = "content_policy_violation"


class NoAccess(PoeError):
    status = 403
    type = "permission_error"
    default_code = "no_access"


class ModelMissing(PoeError):
    status = 404
    type = "not_found_error"
    default_code = "model_not_found"


class KeyRefused(PoeError):
    status = 502
    default_code = "poe_key_refused"
    may_retry = False


class NotStarted(PoeError):
    status = 408
    type = "timeout_error"


class RateLimited(PoeError):
    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class PoeFailed(PoeError):
    """Shows Poe's own 5xx, so that the caller's SDK raises what it would raise without us."""

    @property
    def status(self) -> int:  # type: ignore[override]
        return self.poe_status if 500 <= self.poe_status <= 599 else 502


class LinkError(ProxyError):
    status = 502
    type = "upstream_error"


class NotReached(LinkError):
    default_code = "poe_not_reached"


class Unanswered(LinkError):
    default_code = "poe_did_not_answer"
    may_retry = False


class TimedOut(LinkError):
    status = 504
    default_code = "poe_timed_out"
    may_retry = False


class StreamBroken(LinkError):
    default_code = "stream_broken"
    may_retry = False


class Garbled(LinkError):
    default_code = "poe_garbled"
    may_retry = False


class Misdirected(LinkError):
    default_code = "poe_misdirected"
    may_retry = False


class ShuttingDown(ProxyError):
    status = 503
    type = "server_error"
    default_code = "shutting_down"


class Unavailable(ProxyError):
    status = 503
    type = "server_error"
    default_code = "unavailable"


class TooMuchAtOnce(Unavailable):
    default_code = "too_much_at_once"


class Internal(ProxyError):
    status = 500
    type = "server_error"
    default_code = "internal_error"
