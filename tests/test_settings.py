"""Settings: what can be set, under which names, what is refused, and who may be let in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from poe_proxy.settings import Settings, SettingsError, is_loopback, load_settings, names, suspicions

NO_FILE = Path("/nonexistent/.env")
GOOD_KEY = "3f9a7c51d2e84b60"

DEFAULTS: Mapping[str, Any] = {
    "POE_API_KEY": "",
    "POE_BASE_URL": "https://api.poe.com",
    "POE_CONNECTIONS": 2000,
    "MODELS_FILE": Path("models.yaml"),
    "DATA_DIR": Path("data"),
    "HOST": "127.0.0.1",
    "PORT": 9876,
    "PUBLISH_ADDR": "",
    "PUBLISH_PORT": 9876,
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "text",
    "PROXY_API_KEY": (),
    "ALLOWED_HOSTS": (),
    "CORS_ORIGINS": (),
    "STREAM_DEFAULT": False,
    "RETRY_BUDGET_S": 20,
    "FIRST_EVENT_S": 15,
    "STREAM_IDLE_S": 280,
    "ANSWER_TIMEOUT_S": 600,
    "BODY_TIMEOUT_S": 30,
    "SHUTDOWN_GRACE_S": 30,
    "MAX_BODY_MB": 32,
    "DATABASE_URL": "",
    "LEDGER_DAYS": 90,
}
ALIASES = {"POE_TOKEN": "POE_API_KEY", "POE_API_BASE": "POE_BASE_URL", "LITELLM_MASTER_KEY": "PROXY_API_KEY"}


def load(env_file: Path = NO_FILE, /, **environment: str) -> Settings:
    return load_settings(environment, env_file)


def faults(env_file: Path = NO_FILE, /, **environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        load_settings(environment, env_file)
    return refused.value.faults


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


# --- names and defaults -----------------------------------------------------------------------------------------------


def test_every_setting_has_its_default() -> None:
    settings = load()
    assert {name: getattr(settings, name.lower()) for name in DEFAULTS} == DEFAULTS


def test_there_are_no_other_names() -> None:
    assert names() == {name: name.lower() for name in DEFAULTS} | {
        alias: name.lower() for alias, name in ALIASES.items()
    }


@pytest.mark.parametrize(
    ("alias", "value", "meant"),
    [
        ("POE_TOKEN", "p-abc", "p-abc"),
        ("POE_API_BASE", "http://localhost:9999", "http://localhost:9999"),
        ("LITELLM_MASTER_KEY", GOOD_KEY, (GOOD_KEY,)),
    ],
)
def test_names_of_other_programs_are_understood(alias: str, value: str, meant: object) -> None:
    assert getattr(load(**{alias: value}), ALIASES[alias].lower()) == meant


def test_our_own_name_wins_over_the_other_programs() -> None:
    assert load(POE_TOKEN="theirs", POE_API_KEY="ours").poe_api_key == "ours"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("https://api.poe.com/v1", "https://api.poe.com"),
        ("https://api.poe.com/v1/", "https://api.poe.com"),
        ("https://api.poe.com/", "https://api.poe.com"),
        ("http://localhost:9999/poe/v1", "http://localhost:9999/poe"),
    ],
)
def test_a_trailing_v1_is_tolerated(value: str, meant: str) -> None:
    assert load(POE_BASE_URL=value).poe_base_url == meant


def test_lists_are_divided_by_commas() -> None:
    settings = load(ALLOWED_HOSTS="chat.example.org, *.lan ,", CORS_ORIGINS="https://a.example,https://b.example")
    assert settings.allowed_hosts == ("chat.example.org", "*.lan")
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_words_may_be_in_any_case() -> None:
    settings = load(LOG_LEVEL="WARNING", LOG_FORMAT="Json", STREAM_DEFAULT="True")
    assert (settings.log_level, settings.log_format, settings.stream_default) == ("warning", "json", True)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().port = 80


def test_keys_are_not_in_what_settings_say_of_themselves() -> None:
    said = repr(load(POE_API_KEY="p-very-secret", PROXY_API_KEY=GOOD_KEY))
    assert "p-very-secret" not in said
    assert GOOD_KEY not in said


# --- environment and .env ---------------------------------------------------------------------------------------------


def test_dotenv_is_read(env_file: Path) -> None:
    env_file.write_text("# mine\nexport POE_API_KEY='p-abc'\nPORT=8000 # not the usual one\n")
    assert (load(env_file).poe_api_key, load(env_file).port) == ("p-abc", 8000)


def test_the_environment_wins_over_dotenv(env_file: Path) -> None:
    env_file.write_text("PORT=8000\nPOE_API_KEY=from-the-file\n")
    assert load(env_file, PORT="8001").port == 8001
    assert load(env_file, POE_TOKEN="from-the-environment").poe_api_key == "from-the-environment"


def test_the_command_line_wins_over_both(env_file: Path) -> None:
    env_file.write_text("PORT=8000\n")
    assert load_settings({"PORT": "8001"}, env_file, port=8002, host=None).port == 8002


def test_empty_is_not_set(env_file: Path) -> None:
    env_file.write_text("POE_API_KEY=p-abc\nHOST=\n")
    settings = load(env_file, POE_API_KEY="", PORT="  ", PROXY_API_KEY="")
    assert (settings.poe_api_key, settings.host, settings.port) == ("p-abc", "127.0.0.1", 9876)
    assert settings.proxy_api_key == ()


def test_a_dollar_in_dotenv_is_a_dollar(env_file: Path) -> None:
    env_file.write_text("PROXY_API_KEY=pa$$word$HOME-and-more\n")
    assert load(env_file).proxy_api_key == ("pa$$word$HOME-and-more",)


def test_the_mark_that_windows_editors_put_first_is_no_part_of_a_name(env_file: Path) -> None:
    env_file.write_text("PORT=8000\n", encoding="utf-8-sig")
    assert load(env_file).port == 8000


def test_a_dotenv_that_is_no_text_is_a_fault(env_file: Path) -> None:
    env_file.write_text("PORT=8000\n", encoding="utf-16")
    (fault,) = faults(env_file)
    assert fault.startswith(f"{env_file} cannot be read: ")


# --- what is refused --------------------------------------------------------------------------------------------------


def test_all_faults_are_told_at_once_by_name_and_value() -> None:
    assert faults(PORT="99999", LOG_LEVEL="loud", FIRST_EVENT_S="0", MAX_BODY_MB="big", POE_BASE_URL="api.poe.com") == (
        "POE_BASE_URL must be a URL like https://api.poe.com (it is 'api.poe.com')",
        "PORT should be less than or equal to 65535 (it is '99999')",
        "LOG_LEVEL should be 'debug', 'info', 'warning' or 'error' (it is 'loud')",
        "FIRST_EVENT_S should be greater than 0 (it is '0')",
        "MAX_BODY_MB should be a valid number, unable to parse string as a number (it is 'big')",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "http"),
        ("PUBLISH_PORT", "0"),
        ("POE_CONNECTIONS", "0"),
        ("LOG_FORMAT", "xml"),
        ("STREAM_DEFAULT", "perhaps"),
        ("RETRY_BUDGET_S", "-1"),
        ("RETRY_BUDGET_S", "nan"),
        ("STREAM_IDLE_S", "inf"),
        ("ANSWER_TIMEOUT_S", "10m"),
        ("BODY_TIMEOUT_S", "0"),
        ("SHUTDOWN_GRACE_S", "-0.1"),
        ("MAX_BODY_MB", "0"),
        ("LEDGER_DAYS", "-1"),
        ("POE_BASE_URL", "ftp://api.poe.com"),
        ("POE_BASE_URL", "https://"),
    ],
)
def test_a_bad_value_is_a_fault(name: str, value: str) -> None:
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"{name} ")
    assert fault.endswith(f"(it is {value!r})")


@pytest.mark.parametrize("name", ["RETRY_BUDGET_S", "SHUTDOWN_GRACE_S", "PORT"])
def test_nought_is_a_value(name: str) -> None:
    assert getattr(load(**{name: "0"}), name.lower()) == 0


def test_a_fault_is_named_as_it_was_given() -> None:
    (fault,) = faults(LITELLM_MASTER_KEY="sk-1234")
    assert fault.startswith("LITELLM_MASTER_KEY is shorter than 16 characters")


@pytest.mark.parametrize(
    "key", ["$(cat key.txt)", "${POE_API_KEY}", "`cat key`", "<your key>", "two words", "schlüssel"]
)
@pytest.mark.parametrize("name", ["POE_API_KEY", "POE_TOKEN"])
def test_a_poe_key_that_is_none_is_a_fault(name: str, key: str) -> None:
    assert faults(**{name: key}) == (f"{name} is not a key: copy it from poe.com/api/keys as it is",)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("fifteen-letters", "is shorter than 16 characters"),
        ("sk-1234567890abcdef", "is a well-known example, which anybody can guess"),
        ("changeme-changeme", "is a well-known example, which anybody can guess"),
        ("your-secret-key-here", "is a well-known example, which anybody can guess"),
        ("aaaaaaaaaaaaaaaabbbb", "is a well-known example, which anybody can guess"),
        ("sk-$(openssl rand -hex 24)", "holds an unexpanded command instead of a key"),
        ("${PROXY_API_KEY_FROM_VAULT}", "holds an unexpanded command instead of a key"),
        ("schlüssel-zum-glück", "has characters that a header cannot carry"),
    ],
)
def test_a_key_of_ours_that_protects_nothing_is_a_fault_and_is_not_quoted(key: str, why: str) -> None:
    assert faults(PROXY_API_KEY=key) == (f"PROXY_API_KEY {why}; make one with: openssl rand -hex 24",)


def test_of_several_keys_the_weak_one_is_named() -> None:
    (fault,) = faults(PROXY_API_KEY=f"{GOOD_KEY},short")
    assert fault.startswith("PROXY_API_KEY key 2 of 2 is shorter than 16 characters")


def test_several_good_keys_are_taken() -> None:
    assert load(PROXY_API_KEY=f"{GOOD_KEY}, {GOOD_KEY[::-1]}").proxy_api_key == (GOOD_KEY, GOOD_KEY[::-1])


# --- names that are nearly ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("POE_APIKEY", "POE_API_KEY"),
        ("POE_API_KEYS", "POE_API_KEY"),
        ("poe_api_key", "POE_API_KEY"),
        ("MODEL_FILE", "MODELS_FILE"),
        ("RETRY_BUDGET", "RETRY_BUDGET_S"),
        ("PROXY_APIKEY", "PROXY_API_KEY"),
        ("LOG_LEVL", "LOG_LEVEL"),
        ("PUBLISH_ADDRESS", "PUBLISH_ADDR"),
    ],
)
def test_a_name_that_is_nearly_ours_is_suspected(name: str, meant: str, env_file: Path) -> None:
    expected = [f"{name} is not a setting; did you mean {meant}?"]
    assert suspicions({name: "x"}, NO_FILE) == expected
    env_file.write_text(f"{name}=x\n")
    assert suspicions({}, env_file) == expected


def test_foreign_names_and_our_own_are_not_suspected() -> None:
    foreign = (
        "LITELLM_PORT",
        "LITELLM_LOG",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "PATH",
        "HOME",
        "HOSTNAME",
        "LOGNAME",
    )
    assert suspicions(dict.fromkeys((*foreign, *names()), "x"), NO_FILE) == []


def test_foreign_names_do_no_harm(env_file: Path) -> None:
    env_file.write_text("LITELLM_PORT=4000\nLITELLM_SALT_KEY=sk-1234\n")
    assert load(env_file, SOMETHING="else") == load()


# --- who can reach it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "::1", "[::1]", "127.8.8.8"])
def test_this_machine_only(host: str) -> None:
    assert is_loopback(host)
    assert load(HOST=host).exposure() is None
    assert load(HOST="0.0.0.0", PUBLISH_ADDR=host).exposure() is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "example.org", "localhost.example.org"])
def test_beyond_this_machine_a_key_is_needed(host: str) -> None:
    assert not is_loopback(host)
    cure = "set PROXY_API_KEY (make one with: openssl rand -hex 24)"
    danger = f"HOST={host} without PROXY_API_KEY lets others spend your points"
    assert load(HOST=host).exposure() == f"{danger}: {cure}, or HOST=127.0.0.1"
    assert load(HOST=host, PROXY_API_KEY=GOOD_KEY).exposure() is None


def test_a_container_that_is_published_beyond_this_machine_is_told_about_the_publishing() -> None:
    exposure = load(HOST="0.0.0.0", PUBLISH_ADDR="192.168.1.5").exposure()
    assert exposure is not None
    assert exposure.startswith("PUBLISH_ADDR=192.168.1.5 without PROXY_API_KEY lets others spend your points")
    assert exposure.endswith("or PUBLISH_ADDR=127.0.0.1")
