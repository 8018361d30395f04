"""The tree of errors is the one that is drawn, and each has what a caller is told."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from poe_proxy.canonical import errors
from poe_proxy.canonical.errors import LinkError, PoeError, PoeFailed, ProxyError

_LINE = re.compile(r"^([│├└─ ]*)([A-Z]\w+) *(\d\w\w)?", re.MULTILINE)


def drawn() -> list[tuple[int, str, str]]:
    """Depth, name and status of each line of the drawing at the top of the module."""
    drawing = (errors.__doc__ or "").partition("\n\n")[2]
    return [(len(match[1]) // 4, match[2], match[3] or "") for match in _LINE.finditer(drawing)]


def grown(kind: type[ProxyError], depth: int = 0) -> Iterator[tuple[int, type[ProxyError]]]:
    yield depth, kind
    for below in kind.__subclasses__():
        yield from grown(below, depth + 1)


def made(kind: type[ProxyError], **more: Any) -> ProxyError:
    return kind("Words.", poe_status=599, **more) if issubclass(kind, PoeError) else kind("Words.", **more)


KINDS = [kind for _, kind in grown(ProxyError)]


def test_the_drawing_is_the_tree() -> None:
    assert [(depth, name) for depth, name, _ in drawn()] == [
        (depth, kind.__name__) for depth, kind in grown(ProxyError)
    ]


@pytest.mark.parametrize(("name", "status"), [(name, status) for _, name, status in drawn() if status.isdigit()])
def test_the_drawing_names_the_status(name: str, status: str) -> None:
    assert made(getattr(errors, name)).status == int(status)


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_what_a_caller_is_told(kind: type[ProxyError]) -> None:
    error = made(kind, param="model")
    assert (error.message, error.param, str(error)) == ("Words.", "model", "Words.")
    assert error.type
    assert 400 <= error.status <= 599


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_of_its_own_goes_before_the_usual_one(kind: type[ProxyError]) -> None:
    assert made(kind, code="odd").code == "odd"
    assert made(kind).code == kind.default_code


@pytest.mark.parametrize(("poe_status", "status"), [(500, 500), (503, 503), (529, 529), (302, 502), (418, 502)])
def test_poe_s_own_5xx_is_shown(poe_status: int, status: int) -> None:
    assert PoeFailed("Words.", poe_status=poe_status).status == status


def test_what_may_have_been_charged_is_not_to_be_repeated_by_the_sdk() -> None:
    told = {kind.__name__: kind.may_retry for _, kind in grown(LinkError)}
    assert told.pop("LinkError") is None
    assert told.pop("NotReached") is None
    assert set(told.values()) == {False}
