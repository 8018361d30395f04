"""docker-compose.yaml says all that it should. (No engine runs here, so it is read.)"""

from typing import Any

import pytest
import yaml

from poe_proxy.cli.serve import MARGIN_S
from poe_proxy.settings import Settings, names
from tests.packaging.dockerfile import stages
from tests.running import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVING = [pytest.param(SERVICES[name], id=name) for name in ("poe-proxy", "demo")]
FINAL = stages()["final"]


def test_without_a_profile_it_is_the_proxy_alone() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["poe-proxy"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_built_from_a_stage_that_exists(name: str) -> None:
    build = SERVICES[name]["build"]
    assert build["context"] == "."
    assert build["target"] in stages()


@pytest.mark.parametrize("service", SERVING)
def test_it_is_published_where_publish_addr_and_publish_port_say(service: dict[str, Any]) -> None:
    assert service["ports"] == [f"${{PUBLISH_ADDR:-127.0.0.1}}:${{PUBLISH_PORT:-9876}}:{FINAL.env['PORT']}"]


@pytest.mark.parametrize("service", SERVING)
def test_the_environment_wins_over_what_dotenv_says_for_a_laptop(service: dict[str, Any]) -> None:
    assert service["environment"] == {
        "HOST": "0.0.0.0",
        "PORT": "8080",
        "MODELS_FILE": "/app/models.yaml",
        "DATA_DIR": "/data",
        "PUBLISH_ADDR": "${PUBLISH_ADDR:-127.0.0.1}",
        "PUBLISH_PORT": "${PUBLISH_PORT:-9876}",
    }
    assert set(service["environment"]) <= set(names())


@pytest.mark.parametrize("service", SERVING)
def test_a_dotenv_is_read_and_may_be_missing(service: dict[str, Any]) -> None:
    assert service["env_file"] == [{"path": ".env", "required": False}]


@pytest.mark.parametrize("service", SERVING)
def test_docker_waits_longer_than_our_own_grace(service: dict[str, Any]) -> None:
    grace_s = Settings.model_fields["shutdown_grace_s"].default
    assert int(service["stop_grace_period"].removesuffix("s")) > grace_s + MARGIN_S


@pytest.mark.parametrize("service", SERVING)
def test_data_is_a_named_volume(service: dict[str, Any]) -> None:
    assert f"data:{service['environment']['DATA_DIR']}" in service["volumes"]
    assert "data" in COMPOSE["volumes"]


@pytest.mark.parametrize("service", SERVING)
def test_models_yaml_is_the_checkouts_own_and_read_only(service: dict[str, Any]) -> None:
    (mount,) = [volume for volume in service["volumes"] if isinstance(volume, dict)]
    assert (mount["type"], mount["source"], mount["read_only"]) == ("bind", "./models.yaml", True)
    assert mount["target"] == service["environment"]["MODELS_FILE"]
    assert mount["bind"]["create_host_path"] is False


@pytest.mark.parametrize("service", SERVING)
def test_it_may_do_nothing_but_serve(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_proxy_comes_back_after_a_restart_of_the_machine() -> None:
    assert SERVICES["poe-proxy"]["restart"] == "unless-stopped"


def test_the_proxy_is_started_as_the_image_says() -> None:
    assert "command" not in SERVICES["poe-proxy"]


def test_the_demo_is_the_same_command_in_front_of_the_stand_in() -> None:
    assert SERVICES["demo"]["profiles"] == ["demo"]
    assert SERVICES["demo"]["command"] == [*FINAL.command, "--demo"]


def test_the_tests_run_without_a_network_and_without_keys() -> None:
    tests = SERVICES["poe-proxy-tests"]
    assert tests["profiles"] == ["tests"]
    assert tests["build"]["target"] == "tests"
    assert tests["network_mode"] == "none"
    assert not {"env_file", "environment", "command", "volumes"} & set(tests)
