"""What the operator lists. It does not know YAML, nor whether Poe has ever heard of these names."""

from dataclasses import dataclass
from typing import Literal

from poe_proxy.canonical.card import FooterMode, Modality, Way

AllowUnlisted = bool | Literal["any"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of models.yaml, as the operator wrote it.

    ``name`` is what clients see, ``poe_name`` what is sent to Poe. ``max_tokens`` and ``context_limit`` both cap the
    model's context, in tokens; ``base`` and ``per_1k_tokens`` are points. ``line`` counts from 1; 0 where the entry
    came from no file.
    """

    name: str
    poe_name: str
    modality: Modality = Modality.TEXT
    base: float | None = None
    per_1k_tokens: float | None = None
    max_tokens: int | None = None
    context_limit: int | None = None
    aliases: tuple[str, ...] = ()
    line: int = 0
    footer: FooterMode | None = None
    via: Way | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All of models.yaml: its ``defaults`` and its entries, in the order of the file.

    ``allow_unlisted``: False serves the entries alone, True also every name of Poe's catalogue, ``"any"`` every name.
    ``text_max_tokens`` caps the context of each text model, in tokens. ``footer`` is the mode of
    models whose entry names none.
    """

    entries: tuple[Entry, ...] = ()
    allow_unlisted: AllowUnlisted = False
    text_max_tokens: int | None = None
    footer: FooterMode | None = None
