"""The shape of models.yaml: which keys there are and what each may hold. It knows neither lines nor files."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from poe_proxy.canonical.card import FooterMode, Way


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Tokens = Annotated[int, Field(gt=0)]
Points = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_one_or_several)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class EntryShape(_Shape):
    """A mapping in one of the groups. A bare name ``x`` means ``poe_name: x``."""

    poe_name: Name
    name: Name | None = None
    base: Points | None = None
    per_1k_tokens: Points | None = None
    max_tokens: Tokens | None = None
    context_limit: Tokens | None = None
    aliases: Names = ()
    footer: FooterMode | None = None
    via: Way | None = None


class DefaultsShape(_Shape):
    """``defaults:``, which holds for every entry and for the models that are not listed."""

    allow_unlisted: bool | Literal["any"] = False
    text_max_tokens: Tokens | None = None
    footer: FooterMode | None = None


_NAME = "a name; put it in quotes if it looks like a number or like yes/no"
_TOKENS = "a whole number of tokens above 0, such as 128000"
_POINTS = "a number of points, 0 or more, such as 12 or 0.5"

EXPECTED = {
    "poe_name": _NAME,
    "name": _NAME,
    "base": _POINTS,
    "per_1k_tokens": _POINTS,
    "max_tokens": _TOKENS,
    "context_limit": _TOKENS,
    "aliases": "a name or a list of names; put in quotes what looks like a number or like yes/no",
    "allow_unlisted": "true, false or any",
    "text_max_tokens": _TOKENS,
    "footer": "auto, always or never",
    "via": "messages or chat",
}
"""What each key takes, in the words of an error message."""
