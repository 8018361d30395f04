"""Other users of this machine: what of ours they can read or lock. (DATA_DIR after real traffic: test_redaction.py.)"""

import os
from pathlib import Path

import pytest

from poe_proxy.cli.companion import _private
from poe_proxy.files.cache import save_catalogue
from poe_proxy.settings import open_to_others

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_files_of_the_companion_can_be_locked_by_its_user_alone(tmp_path: Path) -> None:
    """Whoever holds the lock on the file with a process id has that process ended."""
    new, of_old = tmp_path / "new", tmp_path / "of-old"
    of_old.write_text("1")
    of_old.chmod(0o644)
    for path in (new, of_old):
        with open(path, "a", opener=_private):
            assert mode(path) == 0o600


def test_a_data_dir_that_we_make_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "demo"
    assert save_catalogue(folder, {"data": []}, 0.0) == ""
    assert (mode(folder), mode(folder / "catalogue.json")) == (0o700, 0o600)


def test_an_env_file_with_settings_that_others_can_read_is_told_of_with_the_cure(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("POE_API_KEY=a-key\n")
    file.chmod(0o644)
    assert open_to_others(file) == f"{file} can be read by other users of this machine: chmod 600 {file}"
    file.chmod(0o600)
    assert open_to_others(file) is None
    assert open_to_others(tmp_path / "none") is None
