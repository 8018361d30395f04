"""What is noticed of changes to models.yaml. Time is a list of moments: each happens while the watcher sleeps."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from poe_proxy.files.models_file import ModelsFileError, parse_models
from poe_proxy.files.replace import replace_file
from poe_proxy.files.watcher import watch_models

Moment = Callable[[], object]
OLD = "models: {text: [old]}"
NEWER = "models: {text: [newer]}"
BROKEN = "models: {text: [ol"


class _TheEnd(Exception):
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text(OLD)
    return path


def write(path: Path, text: str) -> Moment:
    return lambda: path.write_text(text)


def nothing() -> None:
    """A moment in which the file stays as it is."""


def news(path: Path, *moments: Moment) -> list[str]:
    """What the watcher tells between the moments: the first name of a new listing, or that it was refused."""
    told: list[str] = []
    coming = iter(moments)

    async def sleep(seconds: float) -> None:
        moment = next(coming, None)
        if moment is None:
            raise _TheEnd
        moment()

    def refused(error: ModelsFileError) -> None:
        told.append("missing" if "no such file" in str(error) else "broken")

    watching = watch_models(
        path,
        parse_models(OLD),
        on_change=lambda listing: told.append(listing.entries[0].name),
        on_fault=refused,
        sleep=sleep,
    )
    with pytest.raises(_TheEnd):
        asyncio.run(watching)
    return told


def test_a_file_that_stays_is_no_news(path: Path) -> None:
    assert news(path, *[nothing] * 5) == []


def test_a_change_is_told_once(path: Path) -> None:
    assert news(path, nothing, write(path, NEWER), *[nothing] * 5) == ["newer"]


def test_a_change_before_the_first_look_is_told(path: Path) -> None:
    assert news(path, write(path, NEWER), nothing) == ["newer"]


def test_a_file_saved_again_as_it_was_is_no_news(path: Path) -> None:
    assert news(path, nothing, lambda: replace_file(path, OLD.encode()), nothing, nothing) == []


def test_a_broken_file_is_refused_once(path: Path) -> None:
    assert news(path, nothing, write(path, BROKEN), *[nothing] * 5) == ["broken"]


def test_a_second_broken_state_is_told_too(path: Path) -> None:
    assert news(path, write(path, BROKEN), nothing, write(path, BROKEN + "d"), nothing) == ["broken", "broken"]


def test_a_repaired_file_is_told_though_it_says_what_is_in_force(path: Path) -> None:
    assert news(path, write(path, BROKEN), nothing, write(path, OLD), nothing, nothing) == ["broken", "old"]


def test_a_half_written_file_is_not_read(path: Path) -> None:
    assert news(path, nothing, nothing, write(path, BROKEN), write(path, NEWER), nothing) == ["newer"]


def test_a_deleted_file_is_told_once_and_its_return_too(path: Path) -> None:
    gone = [path.unlink, nothing, nothing, nothing]
    assert news(path, nothing, nothing, *gone, write(path, NEWER), nothing) == ["missing", "newer"]


def test_an_editor_that_replaces_the_file_is_one_change(path: Path) -> None:
    assert news(path, nothing, nothing, path.unlink, write(path, NEWER), nothing) == ["newer"]


def test_a_file_renamed_into_place_is_one_change(path: Path) -> None:
    assert news(path, nothing, nothing, lambda: replace_file(path, NEWER.encode()), nothing) == ["newer"]
