"""Server-sent events: the same frames come out however the bytes are cut, and whatever the line ends are."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poe_proxy import sse
from poe_proxy.sse import Decoder, Frame, FrameTooLarge, encode

NEWLINES = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}
EVERYTHING = (
    b": a comment opens the stream\n\n"
    b'data: {"text":"one"}\n\n'
    b"event: error\ndata: two\n\n"
    b":ping\n\n"
    b"id: 7\nretry: 100\ndata: line one\ndata: line two\n\n"
    b"data:no space\n\n"
    b"data\n\n"
    b"data: \n\n"
    b"\n\n\n"
    b'data: {"text":"\xe2\x80\xa8 is U+2028, \xf0\x9f\x91\xa9 is four bytes"}\n\n'
    b"event: named\n\n"
    b"data: [DONE]\n\n"
)
ITS_FRAMES = [
    Frame(None, b'{"text":"one"}'),
    Frame(b"error", b"two"),
    Frame(None, b"line one\nline two"),
    Frame(None, b"no space"),
    Frame(None, b""),
    Frame(None, b""),
    Frame(None, b'{"text":"\xe2\x80\xa8 is U+2028, \xf0\x9f\x91\xa9 is four bytes"}'),
    Frame(None, b"[DONE]"),
]


def frames(*pieces: bytes) -> list[Frame]:
    decoder = Decoder()
    fed = [frame for piece in pieces for frame in decoder.feed(piece)]
    return fed + decoder.close()


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def with_line_ends(data: bytes, name: str) -> bytes:
    return data.replace(b"\n", NEWLINES[name])


@pytest.mark.parametrize("newline", NEWLINES)
class TestEveryLineEnd:
    def test_all_at_once(self, newline: str) -> None:
        assert frames(with_line_ends(EVERYTHING, newline)) == ITS_FRAMES

    def test_byte_by_byte(self, newline: str) -> None:
        assert frames(*one_by_one(with_line_ends(EVERYTHING, newline))) == ITS_FRAMES

    def test_cut_once_at_every_byte(self, newline: str) -> None:
        data = with_line_ends(EVERYTHING, newline)
        for cut in range(len(data) + 1):
            assert frames(data[:cut], data[cut:]) == ITS_FRAMES, cut

    def test_cut_twice_around_every_byte(self, newline: str) -> None:
        data = with_line_ends(EVERYTHING, newline)
        for start, end in pairwise(range(len(data) + 1)):
            assert frames(data[:start], data[start:end], data[end:]) == ITS_FRAMES, start

    def test_a_frame_comes_out_with_the_last_byte_of_its_blank_line(self, newline: str) -> None:
        decoder = Decoder()
        frame = with_line_ends(b"data: now\n\n", newline)
        early = 1 if newline == "CRLF" else 0  # a CR may be a line end of its own: no need to wait for the LF
        assert decoder.feed(frame[: len(frame) - 1 - early]) == []
        assert decoder.feed(frame[len(frame) - 1 - early :]) == [Frame(None, b"now")]


@pytest.mark.parametrize(
    "data",
    [
        b"data: a\r\n\ndata: b\n\n",
        b"data: a\n\r\ndata: b\r\n\r\n",
        b"data: a\r\rdata: b\n\r",
        b"data: a\n\rdata: b\r\n\r",
        b"data: a\r\n\rdata: b\r\r\n",
    ],
)
def test_mixed_line_ends_cut_at_every_byte(data: bytes) -> None:
    for cut in range(len(data) + 1):
        assert frames(data[:cut], data[cut:]) == [Frame(None, b"a"), Frame(None, b"b")]


@pytest.mark.parametrize("last", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b"data: [DONE]\r"])
def test_a_last_frame_without_its_blank_line_is_a_frame(last: bytes) -> None:
    assert frames(b"data: a\n\n" + last) == [Frame(None, b"a"), Frame(None, b"[DONE]")]
    assert frames(*one_by_one(last)) == [Frame(None, b"[DONE]")]


def test_the_end_comes_once() -> None:
    decoder = Decoder()
    decoder.feed(b"data: a")
    assert decoder.close() == [Frame(None, b"a")]
    assert decoder.close() == []


@pytest.mark.parametrize(
    "nothing", [b"", b"\n", b"\r\n\r\n", b": only a comment\n\n", b"event: named\n\n", b"\xef\xbb\xbf"]
)
def test_what_has_no_data_is_no_frame(nothing: bytes) -> None:
    assert frames(nothing) == []


def test_a_byte_order_mark_opens_the_stream() -> None:
    data = b"\xef\xbb\xbfdata: a\n\n"
    assert frames(data) == frames(*one_by_one(data)) == [Frame(None, b"a")]


def test_only_one_space_after_the_colon_is_no_data() -> None:
    assert frames(b"data:  a \n\n") == [Frame(None, b" a ")]


def test_a_field_that_only_begins_like_data_is_another() -> None:
    assert frames(b"database: a\ndat: b\n data: c\n\n") == []


def test_u_2028_does_not_end_a_line() -> None:
    text = '{"a":"\u2028\u2029\x85\x0b\x0c"}'.encode()
    assert frames(b"data: " + text + b"\n\n") == [Frame(None, text)]


def test_an_empty_piece_changes_nothing() -> None:
    assert frames(b"data: a\r", b"", b"\n\r", b"", b"\n") == [Frame(None, b"a")]


def test_a_frame_of_megabytes_in_small_pieces_is_joined_once() -> None:
    """Joining again at each piece would copy 32 GB here, and no patience of any test runner would do."""
    piece, count = b"x" * 1024, 8 * 1024
    decoder = Decoder()
    decoder.feed(b"data: ")
    for _ in range(count):
        assert decoder.feed(piece) == []
    assert decoder.feed(b"\n\n") == [Frame(None, piece * count)]


def test_a_frame_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_FRAME", 100)
    decoder = Decoder()
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(FrameTooLarge, match="100 bytes"):
        decoder.feed(b"x" * 10)


def test_many_frames_together_may_be_larger_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_FRAME", 100)
    assert len(frames(b"data: xxxxxxxxxx\n\n" * 50)) == 50


def test_what_is_encoded_is_decoded_again() -> None:
    assert encode(b"a") == b"data: a\n\n"
    assert frames(encode(b"{}") + encode(b"x", b"error")) == [Frame(None, b"{}"), Frame(b"error", b"x")]


_text = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map(str.encode)
_frames = st.lists(st.builds(Frame, st.none() | _text, st.lists(_text, min_size=1, max_size=3).map(b"\n".join)))
_line_end = st.sampled_from(sorted(NEWLINES.values()))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(_frames, st.data())
def test_any_frames_survive_any_line_ends_and_any_cuts(told: list[Frame], data: st.DataObject) -> None:
    wire = b""
    for frame in told:
        named = [] if frame.name is None else [b"event: " + frame.name]
        lines = [*named, *(b"data: " + line for line in frame.data.split(b"\n")), b": comment", b""]
        newline = data.draw(_line_end)  # one per frame: a CR before an LF of another kind would be a single line end
        wire += b"".join(line + newline for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    assert frames(*(wire[start:end] for start, end in pairwise([0, *cuts, len(wire)]))) == told
