"""Poe's ``GET /v1/models`` as ModelCards, its known faults taken out. It fetches nothing and trusts no field.

Faults seen in the real catalogue: ``created`` in milliseconds, images among the outputs of text
models, a context given for media models, tools listed for models where they fail.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from types import MappingProxyType

from poe_proxy.canonical.card import Modality, ModelCard, Parameter, Pricing

_TOOLS_FAIL = ("*-search", "deepseek-v4-*-el")
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138
_Row = Mapping[str, object]


def read_catalogue(body: object) -> dict[str, ModelCard]:
    """Cards by lower-case id from the decoded JSON of ``GET /v1/models``.

    Rows that cannot be read are left out. Empty where ``body`` is no catalogue at all: keep the one you have then.
    """
    cards = (_card(row) for row in _rows(_mapping(body).get("data")) if _text(row.get("id")))
    return {card.poe_name.lower(): card for card in cards}


def _card(row: _Row) -> ModelCard:
    name = _text(row.get("id"))
    architecture = _mapping(row.get("architecture"))
    listed = _texts(architecture.get("output_modalities"))
    modality = _modality(listed)
    window = _mapping(row.get("context_window"))
    is_text = modality is Modality.TEXT  # a media model's context counts characters or nothing at all
    return ModelCard(
        name=name,
        poe_name=name,
        modality=modality,
        in_catalogue=True,
        display_name=_text(_mapping(row.get("metadata")).get("display_name")),
        owner=_text(row.get("owned_by")),
        created=_seconds(row.get("created")),
        input_modalities=_texts(architecture.get("input_modalities")),
        output_modalities=tuple(output for output in listed if not (is_text and output == "image")),
        endpoints=frozenset(_texts(row.get("supported_endpoints"))),
        features=_features(name.lower(), _texts(row.get("supported_features"))),
        parameters=_parameters(row.get("parameters")),
        takes_effort=_mapping(row.get("reasoning")).get("supports_reasoning_effort") is True,
        context=_tokens(window.get("context_length")) or _tokens(row.get("context_length")) if is_text else None,
        max_output=_tokens(window.get("max_output_tokens")) if is_text else None,
        pricing=_pricing(row.get("pricing")),
    )


def _modality(outputs: tuple[str, ...]) -> Modality:
    """Text wherever text is among the outputs: gpt-5.4 lists ``text, image`` and is asked like any chat model."""
    return next((modality for modality in Modality if modality.value in outputs), Modality.TEXT)


def _features(name: str, listed: tuple[str, ...]) -> tuple[str, ...]:
    if any(fnmatchcase(name, pattern) for pattern in _TOOLS_FAIL):
        return tuple(feature for feature in listed if feature != "tools")
    return listed


def _parameters(declared: object) -> Mapping[str, Parameter]:
    named = ((_text(row.get("name")), row) for row in _rows(declared))
    return MappingProxyType({name: _parameter(name, row) for name, row in named if name})


def _parameter(name: str, row: _Row) -> Parameter:
    schema = _mapping(row.get("schema"))
    kind = _text(schema.get("type")) or "string"
    return Parameter(
        name=name,
        kind="number" if kind == "integer" else kind,
        values=_texts(schema.get("enum")),
        minimum=_number(schema.get("minimum")),
        maximum=_number(schema.get("maximum")),
        default=row.get("default_value"),
    )


def _pricing(listed: object) -> Pricing | None:
    if not isinstance(listed, Mapping):
        return None
    return Pricing(
        prompt=_price(listed.get("prompt")),
        completion=_price(listed.get("completion")),
        cache_read=_price(listed.get("input_cache_read")),
        cache_write=_price(listed.get("input_cache_write")),
        image=_price(listed.get("image")),
        request=_price(listed.get("request")),
    )


def _price(value: object) -> Decimal | None:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and price >= 0 else None


def _seconds(created: object) -> int:
    moment = _number(created)
    if moment is None or moment < 0:
        return 0
    return int(moment / 1000 if moment >= _MILLISECONDS_FROM else moment)


def _tokens(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 1 else None


def _number(value: object) -> float | None:
    """A finite number; a huge integer is not one, since no float holds it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e18 else None


def _rows(value: object) -> Iterator[_Row]:
    if isinstance(value, list):
        yield from (row for row in value if isinstance(row, Mapping))


def _mapping(value: object) -> _Row:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    """Names go to terminals as well, and control characters are in none."""
    return value.strip() if isinstance(value, str) and value.strip().isprintable() else ""


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(dict.fromkeys(item for item in value if isinstance(item, str)))
