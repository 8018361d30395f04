"""JSON that orjson refuses is read and written all the same; what nobody can write is told as such."""

from typing import Any

import pytest

from poe_proxy.wire.lenient import as_json, as_text, decoded


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"[NaN, 1e400, -Infinity]", [None, None, None]),
        (b'"\\ud83d"', "\ufffd"),
        (b'"\\ud83c\\udf89"', "🎉"),
        (b'"\xff"', "\ufffd"),
    ],
)
def test_what_backends_write_is_read(data: bytes, value: Any) -> None:
    assert decoded(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000])
def test_what_is_no_json_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decoded(data)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ({"a": "ö"}, '{"a":"ö"}'.encode()),
        ("\ud83d\ude00", '"😀"'.encode()),
        ("\ud83d", '"\ufffd"'.encode()),
        (2**70, str(2**70).encode()),
        (nested(400), b"[" * 400 + b"1" + b"]" * 400),
    ],
)
def test_what_orjson_does_not_write_is_written(value: Any, data: bytes) -> None:
    assert as_json(value) == data


def test_what_is_nested_beyond_all_is_told() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        as_json(nested(100_000))
    assert as_text(nested(100_000)) == ""
