"""What each client must be told to use this proxy, in its own words, and where it keeps them. It writes nothing.

Settings and files are those of November 2026: Claude Code 2.1.329, opencode 1.18, Continue's config.yaml v1.
"""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poe_proxy.canonical.card import Modality, ModelCard
from poe_proxy.canonical.errors import UnknownModel
from poe_proxy.cli.address import HOME, Address
from poe_proxy.files.client_settings import Merge, merged_json, merged_yaml
from poe_proxy.policy.registry import Registry

_KINDS = ("opus", "sonnet", "haiku", "fable")  # of Claude Code's models
_PROVIDER = "poe-proxy"
_FALLBACKS = ("gpt-5.4", "claude-sonnet-4.6")


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody's settings are: their home folder, the folder they are in, and their environment."""

    home: Path
    here: Path
    environment: Mapping[str, str]

    def folder(self, variable: str, usual: str) -> Path:
        """The folder that an environment variable names, else ``usual`` under the home folder."""
        named = self.environment.get(variable)
        return Path(named) if named else self.home / usual

    @property
    def claude(self) -> Path:
        """Where Claude Code keeps its own."""
        return self.folder("CLAUDE_CONFIG_DIR", ".claude")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client may be told: the proxy's address, its models, and the model that was asked for, if one was."""

    address: Address
    models: Registry
    model: str = ""

    def card(self, name: str) -> ModelCard | None:
        """The model that ``name`` means, if it means one."""
        with suppress(UnknownModel):
            return self.models.resolve(name)
        return None

    def examples(self) -> list[str]:
        """The model that was asked for, or a few that are good to begin with."""
        return [self.model] if self.model else [name for name in _FALLBACKS if self.card(name)]


@dataclass(frozen=True, slots=True)
class Instructions:
    """``shown`` goes into ``file`` by way of ``merge``; where there is no such file, ``by_hand`` says what to do."""

    title: str
    shown: str
    file: Path | None = None
    merge: Merge | None = None
    by_hand: str = ""


def claude_code(offer: Offer, place: Place, *, project: bool = False) -> Instructions:
    """Its settings are environment variables, which its settings files can hold."""
    wanted = {"env": address_for_claude(offer.address) | ({"ANTHROPIC_MODEL": offer.model} if offer.model else {})}
    line = {"statusLine": {"type": "command", "command": _status_line()}}  # somebody's own stays as it is
    folder = place.here / ".claude" if project else place.claude
    file = folder / ("settings.local.json" if project else "settings.json")
    return _in_json("Claude Code", file, wanted, {"env": models_for_claude(offer)}, line)


def address_for_claude(address: Address) -> dict[str, str]:
    """Where Claude Code finds the proxy."""
    return {"ANTHROPIC_BASE_URL": address.url, "ANTHROPIC_AUTH_TOKEN": address.key}


def models_for_claude(offer: Offer) -> dict[str, str]:
    """Poe's own names for what Claude Code calls opus, sonnet …: it knows from a name what the model can do."""
    cards = {f"ANTHROPIC_DEFAULT_{kind.upper()}_MODEL": offer.card(kind) for kind in _KINDS}
    named = {variable: card.poe_name for variable, card in cards.items() if card}
    return named | {"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1"}


def opencode(offer: Offer, place: Place) -> Instructions:
    """It wants each model named, since it asks no provider for its models."""
    models = {card.name: _opencode_model(card) for card in offer.models.listed() if card.modality is Modality.TEXT}
    if offer.model:
        models.setdefault(offer.model, {"name": offer.model})
    options = {"baseURL": f"{offer.address.url}/v1", "apiKey": offer.address.key}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Poe Proxy", "options": options}
    wanted: dict[str, Any] = {"provider": {_PROVIDER: provider}}
    if offer.model:
        wanted["model"] = f"{_PROVIDER}/{offer.model}"
    file = place.folder("XDG_CONFIG_HOME", ".config") / "opencode" / "opencode.json"
    return _in_json("opencode", file, wanted, {"provider": {_PROVIDER: {"models": models}}})


def continue_(offer: Offer, place: Place) -> Instructions:
    """Each model is an item of its own, with the address and the key."""
    items = [_continue_item(name, offer) for name in offer.examples()]
    head = {"name": "Poe Proxy", "version": "1.0.0", "schema": "v1"}

    def merge(text: str) -> str:
        return merged_yaml(text, head, "models", items, same="name")

    file = place.folder("CONTINUE_GLOBAL_DIR", ".continue") / "config.yaml"
    return Instructions("Continue", merge(""), file, merge)


def cline(offer: Offer, place: Place) -> Instructions:  # noqa: ARG001  # as all of them
    """It keeps its key in the editor's secret storage, which no other program can write."""
    by_hand = "Cline keeps its key in the editor's secret storage: open Cline's settings (⚙) and set these fields."
    return Instructions(
        "Cline", _fields({"API Provider": "OpenAI Compatible"} | _openai_fields(offer)), by_hand=by_hand
    )


def cursor(offer: Offer, place: Place) -> Instructions:  # noqa: ARG001  # as all of them
    """Its servers make the calls, so they must find the proxy."""
    fields = _openai_fields(offer)
    shown = _fields(
        {
            "OpenAI API Key": fields["API Key"],
            "Override OpenAI Base URL": fields["Base URL"],
            "Add custom model": fields["Model ID"],
        }
    )
    by_hand = (
        "Cursor keeps these in its own database: open Cursor Settings, Models, and set these fields.\n"
        "Cursor's servers make the calls, so a proxy on this machine is out of their reach: it needs a public https\n"
        "address and a PROXY_API_KEY (docs/clients/claude-code.md, Remote), and that address in place of the one above."
    )
    return Instructions("Cursor", shown, by_hand=by_hand)


def openai(offer: Offer, place: Place) -> Instructions:  # noqa: ARG001  # as all of them
    """The official SDKs, and all that is built on them."""
    variables = {"OPENAI_BASE_URL": f"{offer.address.url}/v1", "OPENAI_API_KEY": offer.address.key}
    by_hand = "The OpenAI SDKs read no file: put these lines into your shell's profile or the program's environment."
    shown = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    return Instructions("OpenAI SDKs", shown, by_hand=by_hand)


CLIENTS: Mapping[str, Callable[[Offer, Place], Instructions]] = {
    "claude-code": claude_code,
    "opencode": opencode,
    "cline": cline,
    "continue": continue_,
    "cursor": cursor,
    "openai": openai,
}


def _in_json(
    title: str,
    file: Path,
    wanted: Mapping[str, Any],
    defaults: Mapping[str, Any],
    whole: Mapping[str, Any] | None = None,
) -> Instructions:
    def merge(text: str) -> str:
        return merged_json(text, wanted, defaults, whole)

    return Instructions(title, merge(""), file, merge)


def _status_line() -> str:
    return shlex.join([sys.executable, str(HOME / "proxy.py"), "statusline"])


def _opencode_model(card: ModelCard) -> dict[str, Any]:
    said: dict[str, Any] = {"name": card.display_name or card.name}
    if card.context and card.max_output:
        said["limit"] = {"context": card.context, "output": card.max_output}
    return said


def _continue_item(model: str, offer: Offer) -> dict[str, str | Sequence[str]]:
    """Its command line calls /v1/responses for what begins like a name of OpenAI's, whatever its settings say."""
    card = offer.card(model)
    tools = ["tool_use"] if card is None or "tools" in card.features else []
    images = ["image_input"] if card is not None and "image" in card.input_modalities else []
    return {
        "name": f"{model} (Poe)",
        "provider": "openai",
        "model": f"poe/{model}",
        "apiBase": f"{offer.address.url}/v1",
        "apiKey": offer.address.key,
        "roles": ("chat", "edit", "apply"),
        "capabilities": (*tools, *images),
    }


def _openai_fields(offer: Offer) -> dict[str, str]:
    model = " or ".join(offer.examples()) or "any of GET /v1/models"
    return {"Base URL": f"{offer.address.url}/v1", "API Key": offer.address.key, "Model ID": model}


def _fields(fields: Mapping[str, str]) -> str:
    width = max(map(len, fields))
    return "".join(f"{name:<{width}}  {value}\n" for name, value in fields.items())
