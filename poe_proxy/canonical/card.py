"""What is known of one model. It does not know where the facts came from (catalogue, models.yaml, a mere name)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

FooterMode = Literal["auto", "always", "never"]
"""When an answer gets a footer; ``auto``: unless it would do harm."""
Way = Literal["messages", "chat"]
"""What Poe is asked in: Anthropic's Messages, or chat completions."""


class Modality(StrEnum):
    """What a model answers with; the groups of models.yaml."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of the catalogue's ``parameters[]``: a non-standard field that Poe's strict validation lets through.

    ``values`` is the declared enumeration (empty where any value of ``kind`` is allowed);
    ``minimum`` and ``maximum`` are inclusive bounds of a number.
    """

    name: str
    kind: str  # "string", "number", "boolean"; an enumeration is a "string" with values
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default: object = None


@dataclass(frozen=True, slots=True)
class Pricing:
    """Catalogue prices in USD: per token, and ``request`` per call. None where the catalogue is silent."""

    prompt: Decimal | None = None
    completion: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    image: Decimal | None = None
    request: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model as a caller can ask for it.

    ``name`` is what ``GET /v1/models`` shows; ``poe_name`` is what is sent to Poe. ``in_catalogue`` says whether
    ``parameters``, ``context`` and the rest are Poe's word: without it nothing can be concluded from their absence.
    ``context`` and ``max_output`` are tokens, ``created`` is Unix seconds; ``base`` and ``per_1k_tokens`` are points.
    ``note`` says, for ``x-poe-changes``, that this model answers where another, or none by name, was asked for.
    """

    name: str
    poe_name: str
    modality: Modality = Modality.TEXT
    in_catalogue: bool = False
    display_name: str = ""
    owner: str = ""
    created: int = 0
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    endpoints: frozenset[str] = frozenset()
    features: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    takes_effort: bool = False
    context: int | None = None
    max_output: int | None = None
    pricing: Pricing | None = None
    aliases: tuple[str, ...] = ()
    base: float | None = None
    per_1k_tokens: float | None = None
    footer: FooterMode | None = None  # None: as the setting says
    via: Way | None = None  # None: as the catalogue says
    note: str = ""

    @property
    def is_media(self) -> bool:
        """Media models answer with a URL at the end of a long wait; they are asked without streaming."""
        return self.modality is not Modality.TEXT
