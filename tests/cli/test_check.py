"""``python proxy.py check``: is the configuration right, and does Poe take the key? Each fault is named with its cure.

Exit codes: 0 all is well · 1 the key could not be checked · 2 something must be mended.
"""

import re
from pathlib import Path

import poe_sim
from poe_proxy.cli.start import NO_KEY
from poe_sim import KEYS, SimServer
from tests.commands import PROXY, Ended, in_front_of, run
from tests.talk import queue


def check(folder: Path, **settings: object) -> Ended:
    return run((*PROXY, "check"), folder, settings)


def test_all_is_well(poe: SimServer, tmp_path: Path) -> None:
    ended = check(tmp_path, **in_front_of(poe.base_url))
    assert ended.code == 0
    models, key = ended.said.splitlines()
    assert re.fullmatch(r"✓ .*models\.yaml: \d+ models listed", models)
    assert re.fullmatch(rf"✓ {poe.base_url}: the Poe key is valid, [\d,]+ points left", key)


def test_a_key_is_never_shown(poe: SimServer, tmp_path: Path) -> None:
    assert KEYS[0] not in check(tmp_path, **in_front_of(poe.base_url)).said


def test_a_key_that_poe_refuses_must_be_mended(poe: SimServer, tmp_path: Path) -> None:
    ended = check(tmp_path, **in_front_of(poe.base_url, POE_API_KEY="a-key-that-poe-does-not-know"))
    assert ended.code == 2
    assert f"✗ {poe.base_url}: Poe refuses the key (401): set a valid POE_API_KEY, see poe.com/api/keys" in ended.said


def test_a_poe_that_cannot_be_reached_leaves_the_key_unchecked(tmp_path: Path) -> None:
    nowhere = poe_sim.refused_url()
    ended = check(tmp_path, **in_front_of(nowhere))
    assert ended.code == 1
    assert f"✗ {nowhere}: the Poe key could not be checked" in ended.said


def test_a_poe_that_is_broken_leaves_the_key_unchecked(own_poe: SimServer, tmp_path: Path) -> None:
    queue(own_poe, "500", path="/usage/current_balance")
    ended = check(tmp_path, **in_front_of(own_poe.base_url))
    assert ended.code == 1
    assert "the Poe key could not be checked: Poe answered 500" in ended.said


def test_bad_values_are_named_all_at_once(tmp_path: Path) -> None:
    ended = check(tmp_path, PORT="99999", POE_BASE_URL="poe")
    assert ended.code == 2
    assert ended.said.splitlines() == [
        "✗ POE_BASE_URL must be a URL like https://api.poe.com (it is 'poe')",
        "✗ PORT should be less than or equal to 65535 (it is '99999')",
    ]


def test_all_that_stands_in_the_way_of_a_start_is_named_together(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("models:\n  text:\n    - poe_nam: glm-5\n")
    ended = check(tmp_path, HOST="0.0.0.0", MODELS_FILE="models.yaml")
    assert ended.code == 2
    no_key, exposed, *models = ended.said.splitlines()
    assert no_key == f"✗ {NO_KEY}"
    assert exposed.startswith("✗ HOST=0.0.0.0 without PROXY_API_KEY")
    assert all("line 3" in fault for fault in models)
    assert models


def test_a_name_that_is_nearly_ours_is_no_fault_but_told(poe: SimServer, tmp_path: Path) -> None:
    ended = check(tmp_path, **in_front_of(poe.base_url, POE_API_KEYS="x"))
    assert ended.code == 0
    assert "? POE_API_KEYS is not a setting; did you mean POE_API_KEY?" in ended.said


def test_what_is_quoted_is_shown_as_it_is(tmp_path: Path) -> None:
    """Brackets would be styles to the library that colours the lines."""
    assert "(it is '[bold]8000[/x]')" in check(tmp_path, PORT="[bold]8000[/x]").said
