"""Which model a name means, however it is spelled. It neither reads models.yaml nor fetches Poe's catalogue."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from poe_proxy.canonical.card import Modality, ModelCard
from poe_proxy.canonical.errors import UnknownModel
from poe_proxy.canonical.listing import Entry, Listing
from poe_proxy.policy import claude_names
from poe_proxy.policy.claude_names import STANDS_FOR, ClaudeName

_LONGEST_COMPARED = 80  # difflib is quadratic, and callers may send names of any length
_CUTOFF = 0.5


class Registry:
    """One listing beside one catalogue (cards by lower-case id); make a new one when either changes.

    A lookup is a few dictionary accesses. Only a name that nobody knows is compared with all the others.
    """

    def __init__(self, listing: Listing, catalogue: Mapping[str, ModelCard]) -> None:
        self._listing = listing
        self._catalogue = catalogue
        self._listed = tuple(self._card(entry) for entry in listing.entries)
        self._by_name = {**self._open_catalogue(), **_spellings(self._listed)}
        self._newest = _newest((*self._listed, *self._by_name.values()))

    def resolve(self, name: str) -> ModelCard:
        """The card that ``name`` means. Raises UnknownModel, which lists the closest names.

        Any case will do, and ``poe/`` and an owner (``openai/``) in front are taken off where the whole is no name;
        so is what Anthropic's clients add. A Claude that Poe lacks, or without a version, is the newest of its kind.
        """
        card = self._known(name)
        if card is None and self._listing.allow_unlisted == "any":
            card = self._unheard_of(name)
        if card is None:
            raise self._unknown(name)
        return card

    def get(self, name: str) -> ModelCard:
        """The card to show for ``name``: as ``resolve``, but with ``allow_unlisted: any`` too only what is known."""
        card = self._known(name)
        if card is None:
            raise self._unknown(name)
        return card

    def listed(self) -> tuple[ModelCard, ...]:
        """What models.yaml lists, in its order, with the catalogue's facts."""
        return self._listed

    def askable(self) -> tuple[ModelCard, ...]:
        """Every known model that can be asked for, each once, the listed first."""
        found: dict[str, ModelCard] = {}
        for card in (*self._listed, *self._by_name.values()):
            found.setdefault(card.name.lower(), card)
        return tuple(found.values())

    def disagreements(self) -> tuple[str, ...]:
        """A sentence, with line and cure, for each entry that Poe's catalogue lacks or that exceeds Poe's limit."""
        return tuple(fault for entry in self._listing.entries for fault in self._against_poe(entry))

    def closest(self, name: str) -> tuple[str, ...]:
        """Up to five names that can be asked for and look like ``name``, nearest first."""
        return _closest(claude_names.unadorned(_without_prefixes(name)[-1]), self._by_name)

    def _known(self, name: str) -> ModelCard | None:
        return self._by_name.get(name) or self._first(_ways_to_spell(name)) or self._nearest_claude(name)

    def _first(self, spellings: Iterable[str]) -> ModelCard | None:
        found = (self._by_name.get(spelling) for spelling in spellings)
        return next((card for card in found if card is not None), None)

    def _nearest_claude(self, name: str) -> ModelCard | None:
        """The newest Claude of the kind that ``name`` names; none for a version that Poe has and we do not serve."""
        said = claude_names.read(bare := _without_prefixes(name)[-1])
        if said is None or self._is_left_to_poe(said) or self._at_poe(name):
            return None
        same = self._first(claude_names.forms(said)) if said.is_variant else None
        card = same or self._newest.get(said.kind) or self._newest.get(STANDS_FOR.get(said.kind, ""))
        if card is None:
            return None
        is_lacking = said.version is not None or said.is_variant or said.kind not in self._newest
        lack = " is not at Poe" if is_lacking else ""
        return replace(card, note=f"model {bare}{lack}: {card.poe_name} answers")

    def _is_left_to_poe(self, said: ClaudeName) -> bool:
        """With ``any``, a bot of somebody's may well be called claude-opus-4-thinking."""
        return said.is_variant and self._listing.allow_unlisted == "any"

    def _at_poe(self, name: str) -> bool:
        return any(spelling in self._catalogue for spelling in _ways_to_spell(name))

    def _unheard_of(self, name: str) -> ModelCard | None:
        bare = claude_names.unadorned(_without_prefixes(name)[-1])
        return self._capped(ModelCard(bare, bare)) if bare else None

    def _open_catalogue(self) -> dict[str, ModelCard]:
        if not self._listing.allow_unlisted:
            return {}
        return {name.lower(): self._capped(card) for name, card in self._catalogue.items()}

    def _card(self, entry: Entry) -> ModelCard:
        """The operator's word on name, group and points; Poe's on all else; the smaller of both on context."""
        facts = self._catalogue.get(entry.poe_name.lower()) or ModelCard(entry.name, entry.poe_name)
        card = replace(
            facts,
            name=entry.name,
            poe_name=entry.poe_name,
            modality=entry.modality,
            aliases=entry.aliases,
            base=entry.base,
            per_1k_tokens=entry.per_1k_tokens,
            footer=entry.footer,
            via=entry.via,
        )
        return self._capped(card, entry.max_tokens, entry.context_limit)

    def _capped(self, card: ModelCard, *caps: int | None) -> ModelCard:
        default = self._listing.text_max_tokens if card.modality is Modality.TEXT else None
        limits = [limit for limit in (card.context, default, *caps) if limit is not None]
        return replace(card, context=min(limits, default=None), footer=card.footer or self._listing.footer)

    def _against_poe(self, entry: Entry) -> Iterator[str]:
        where = f"models.yaml line {entry.line}, entry {entry.name}"
        facts = self._catalogue.get(entry.poe_name.lower())
        if facts is None:
            close = ", ".join(_closest(entry.poe_name, self._catalogue)) or "nothing"
            yield f"{where}: Poe's catalogue has no {entry.poe_name} (closest: {close}); correct or remove the entry"
            return
        for key, limit in (("max_tokens", entry.max_tokens), ("context_limit", entry.context_limit)):
            if limit is not None and facts.context is not None and limit > facts.context:
                yield f"{where}: {key} {limit} is above Poe's {facts.context}; lower it or leave it out"

    def _unknown(self, name: str) -> UnknownModel:
        shown = name if len(name) <= _LONGEST_COMPARED else name[:_LONGEST_COMPARED] + "…"
        close = ", ".join(self.closest(name))
        nearest = f" Closest: {close}." if close else ""
        return UnknownModel(f"There is no model {shown!r} here.{nearest} {self._cure(name)}", param="model")

    def _cure(self, name: str) -> str:
        if self._at_poe(name):
            return "Poe has it: add it to models.yaml, or set defaults.allow_unlisted: true there."
        return "GET /v1/models lists what there is; models.yaml says what is let through."


def _spellings(listed: tuple[ModelCard, ...]) -> dict[str, ModelCard]:
    """Shown names before aliases before Poe's own names; of several entries for one Poe model the first is meant."""
    spelled = [(card.name, card) for card in listed]
    spelled += [(alias, card) for card in listed for alias in card.aliases]
    spelled += [(card.poe_name, card) for card in listed]
    found: dict[str, ModelCard] = {}
    for name, card in spelled:
        found.setdefault(name.lower(), card)
    return found


def _without_prefixes(name: str) -> tuple[str, ...]:
    """The name as written, then without its first and its second prefix: ``poe/openai/x``, ``openai/x``, ``x``."""
    parts = name.strip().split("/", 2)
    return tuple("/".join(parts[start:]) for start in range(len(parts)))


def _ways_to_spell(name: str) -> Iterator[str]:
    """Keys to look ``name`` up with: as it is written first, then without what Anthropic's clients add."""
    bare = _without_prefixes(name)
    yield from (spelling.lower() for spelling in bare)
    for spelling in bare:
        yield from claude_names.spellings(spelling)


def _newest(cards: Iterable[ModelCard]) -> dict[str, ModelCard]:
    """Of each kind of Claude the newest model; a variant (``-search``) only where there is nothing else."""
    best: dict[str, tuple[tuple[bool, tuple[int, int], int], ModelCard]] = {}
    for card in cards:
        said = claude_names.read(card.poe_name)
        if said is None or said.version is None or not _is_real_claude(card):
            continue
        age = (not said.is_variant, said.version, card.created)
        if said.kind not in best or age > best[said.kind][0]:
            best[said.kind] = (age, card)
    return {kind: card for kind, (_, card) in best.items()}


def _is_real_claude(card: ModelCard) -> bool:
    """Whether a model so called is Anthropic's; where the catalogue lacks it, the operator's word is all there is."""
    is_anthropics = card.owner.lower() == "anthropic" or not card.in_catalogue
    return card.modality is Modality.TEXT and is_anthropics


def _closest(name: str, among: Mapping[str, ModelCard]) -> tuple[str, ...]:
    """Up to five names near to ``name``, nearest first, as they are shown."""
    close = get_close_matches(name[:_LONGEST_COMPARED].lower(), among, n=5, cutoff=_CUTOFF)
    return tuple(dict.fromkeys(among[match].name for match in close))
