"""``code``: Claude Code through the proxy, which is started if nobody has. It touches no argument of Claude Code's."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from poe_proxy.cli.address import settings_at_home
from poe_proxy.cli.clients import Offer, Place, address_for_claude, models_for_claude
from poe_proxy.cli.companion import NoProxyError, companion
from poe_proxy.cli.connect import offer_or_exit
from poe_proxy.cli.start import end

_MISSING = (
    "Claude Code is not installed (there is no `claude` on the PATH, and CLAUDE_BIN names none). "
    "With Node.js 18 or newer: npm install -g @anthropic-ai/claude-code"
)
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)
_NOT_FOUND = 127


def code(arguments: Sequence[str]) -> int:
    """Run Claude Code to its end; its exit code, as a shell would have it."""
    program = _program()
    offer = offer_or_exit()
    data_dir = settings_at_home().data_dir
    try:
        with companion(offer.address, data_dir) as words:
            for warning in filter(None, (words, *_elsewhere(offer.address.url))):
                print(f"poe-proxy: {warning}", file=sys.stderr)  # noqa: T201
            return _run([program, *arguments], environment_for(offer, os.environ))
    except NoProxyError as error:
        end(str(error))
    except KeyboardInterrupt:  # before Claude Code began, or after it ended
        return 128 + signal.SIGINT
    except OSError as error:
        end(f"{error.filename or data_dir} cannot be used ({error.strerror}): DATA_DIR must be a folder to write to")


def environment_for(offer: Offer, environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with the way to the proxy; models that somebody chose in it stay."""
    kept = {name: value for name, value in environment.items() if name != "ANTHROPIC_API_KEY"}  # two keys would clash
    return models_for_claude(offer) | kept | address_for_claude(offer.address)


def _elsewhere(url: str) -> Iterator[str]:
    """Claude Code's settings files win over its environment: who sent it elsewhere in one of them should know."""
    place = Place(Path.home(), Path.cwd(), os.environ)
    projects = place.here / ".claude"
    for file in (place.claude / "settings.json", projects / "settings.json", projects / "settings.local.json"):
        with suppress(OSError, ValueError, AttributeError):
            there = json.loads(file.read_bytes()).get("env", {}).get("ANTHROPIC_BASE_URL", url)
            if there != url:
                yield f"{file} sends Claude Code to {there} instead: take ANTHROPIC_BASE_URL out of it"


def _program() -> str:
    named = os.environ.get("CLAUDE_BIN")
    found = shutil.which(named or "claude")
    if found is None:
        end(f"CLAUDE_BIN={named} is no program that can be run" if named else _MISSING)
    return found


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Ctrl-C reaches Claude Code by itself, since it is in our group; what only we are sent is passed on to it."""
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: object) -> None:
        if process is not None and number != signal.SIGINT:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, *_PASSED_ON)}
    try:
        process = subprocess.Popen(command, env=environment)
        code = process.wait()
    except OSError as error:
        print(f"poe-proxy: {command[0]} cannot be run ({error.strerror})", file=sys.stderr)  # noqa: T201
        return _NOT_FOUND
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
