"""A stand-in and two proxies in front of it for the whole matrix: one that waits, and one that does not for long."""

from collections.abc import Iterator

import pytest

import poe_sim
from poe_proxy import tokens
from poe_proxy.ledger import writer
from tests.faults.matrix import IMPATIENT, PATIENT, House, Together, house_of
from tests.talk import reset


@pytest.fixture(scope="session")
def faulty_poe() -> Iterator[poe_sim.SimServer]:
    with poe_sim.running() as server:
        yield server


@pytest.fixture(scope="session")
def _without_waiting() -> Iterator[None]:
    """Rows are written without gathering them first; and the encoding is there, which takes longer than a budget."""
    tokens.encoding()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_GATHER_S", 0)
        yield


@pytest.fixture(scope="session")
def patient(
    faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory, _without_waiting: None
) -> Iterator[House]:
    """A proxy with the time that everything takes."""
    with house_of(faulty_poe, tmp_path_factory.mktemp("patient"), PATIENT) as house:
        yield house


@pytest.fixture(scope="session")
def impatient(
    faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory, _without_waiting: None
) -> Iterator[House]:
    """A proxy for what never ends by itself."""
    with house_of(faulty_poe, tmp_path_factory.mktemp("impatient"), IMPATIENT) as house:
        yield house


@pytest.fixture(scope="module")
def together(request: pytest.FixtureRequest, impatient: House) -> Together:
    """What a module's cells wait for, waited for at once."""
    return Together(impatient, [cell for cell in request.module.CELLS if cell.waits])


@pytest.fixture(scope="session")
def _quick_poe() -> Iterator[poe_sim.SimServer]:
    with poe_sim.running(poe_sim.Settings(settle_scale=0.01)) as server:
        yield server


@pytest.fixture
def quick_poe(_quick_poe: poe_sim.SimServer) -> poe_sim.SimServer:
    """A stand-in whose rows are final at once, and whose books belong to one test."""
    reset(_quick_poe)
    return _quick_poe
