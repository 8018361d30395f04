"""Width and height from the first bytes of an image."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy import image_size
from tests.policy import pictures


@pytest.mark.parametrize("picture", pictures.ALL)
@given(width=st.integers(1, 16_000), height=st.integers(1, 16_000))
def test_every_kind_says_its_size(picture: Callable[[int, int], str], width: int, height: int) -> None:
    assert image_size.read(picture(width, height)) == (width, height)


@given(st.integers(0, 65_000), st.sampled_from([0xC0, 0xC1, 0xC2, 0xC9]))
def test_a_jpegs_frame_may_stand_anywhere(exif: int, frame: int) -> None:
    assert image_size.read(pictures.jpeg(640, 480, exif=exif, frame=frame)) == (640, 480)


@pytest.mark.parametrize(
    "data", ["", "AAAA", "http://example.com/cat.png", "/9j/", "/9j//9j//9j/" * 9, "ü" * 50, pictures.png(0, 5)]
)
def test_what_cannot_be_read_has_no_size(data: str) -> None:
    assert image_size.read(data) is None


@given(st.binary(max_size=80).map(lambda data: b64encode(data).decode()) | st.text(max_size=80))
def test_anything_can_be_looked_at(data: str) -> None:
    for begun in ("", "/9j/", "iVBORw0KGgo", "R0lGODlh", "UklGRgAAAABXRUJQVlA4"):
        size = image_size.read(begun + data)
        assert size is None or min(size) > 0
