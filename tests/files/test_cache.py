"""Which catalogue the proxy starts with, and that no state of the disk keeps it from starting."""

import json
from pathlib import Path

import pytest

from poe_proxy.files.cache import SEED_FETCHED_AT, load_catalogue, save_catalogue
from poe_proxy.poe.catalogue import read_catalogue

BODY = {"object": "list", "data": [{"id": "fresh"}]}
LATER = SEED_FETCHED_AT + 1


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    assert save_catalogue(tmp_path / "made" / "for it", BODY, LATER) == ""
    stored = load_catalogue(tmp_path / "made" / "for it")
    assert (stored.body, stored.source, stored.fetched_at, stored.note) == (BODY, "cache", LATER, "")


def test_the_last_one_saved_counts(tmp_path: Path) -> None:
    save_catalogue(tmp_path, BODY, LATER)
    save_catalogue(tmp_path, BODY | {"data": [{"id": "fresher"}]}, LATER + 1)
    assert load_catalogue(tmp_path).body == BODY | {"data": [{"id": "fresher"}]}
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.json"]


def test_without_a_cache_the_seed_is_loaded(tmp_path: Path) -> None:
    stored = load_catalogue(tmp_path)
    assert (stored.source, stored.fetched_at) == ("seed", SEED_FETCHED_AT)
    assert "does not exist yet" in stored.note


def test_a_cache_older_than_the_seed_is_passed_over(tmp_path: Path) -> None:
    save_catalogue(tmp_path, BODY, SEED_FETCHED_AT - 1)
    assert load_catalogue(tmp_path).source == "seed"


@pytest.mark.parametrize(
    "content",
    [b"", b'{"fetched_at": 1', b"\xff\xfe", b"[]", b"null"]
    + [json.dumps(stored).encode() for stored in (BODY, {"fetched_at": LATER}, {"fetched_at": "now", "body": BODY})]
    + [b'{"fetched_at": 1e10, "body": {"data": %s}}' % data for data in (b"[]", b"{}", b"null")],
)
def test_a_corrupt_cache_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "catalogue.json").write_bytes(content)
    stored = load_catalogue(tmp_path)
    assert stored.source == "seed"
    assert "catalogue.json is not" in stored.note


def test_a_cache_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").mkdir()
    assert "cannot be read" in load_catalogue(tmp_path).note


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    assert "cannot be written" in save_catalogue(tmp_path / "data", BODY, LATER)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").mkdir()
    assert "make DATA_DIR writable" in save_catalogue(tmp_path, BODY, LATER)
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.json"]


def test_the_seed_is_the_whole_catalogue_of_2026_04(tmp_path: Path) -> None:
    assert len(read_catalogue(load_catalogue(tmp_path).body)) == 362
