"""Settings: what can be set, under which names, what is refused, and who may be let in."""

import base64
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import limits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy import settings as settings_module
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
    "CLIP": "auto",
    "CACHE": "auto",
    "RETRY_BUDGET_S": 20,
    "FIRST_EVENT_S": 15,
    "STREAM_IDLE_S": 280,
    "ANSWER_TIMEOUT_S": 600,
    "BODY_TIMEOUT_S": 30,
    "SHUTDOWN_GRACE_S": 30,
    "MAX_BODY_MB": 32,
    "RATE_LIMIT": "600/minute",
    "UPSTREAM_RPM": 450,
    "REDIS_URL": "",
    "TRUSTED_PROXIES": (),
    "WORKERS": 1,
    "FOOTER": "auto",
    "FOOTER_WAIT_S": 1.5,
    "POINTS_CUTOFF": 100_000,
    "POINTS_PER_MESSAGE_WARN": 5000,
    "MAX_POINTS_PER_MESSAGE": 0,
    "DATABASE_URL": "",
    "LEDGER_DAYS": 90,
}
ALIASES = {"POE_TOKEN": "POE_API_KEY", "POE_API_BASE": "POE_BASE_URL", "LITELLM_MASTER_KEY": "PROXY_API_KEY"}
ALIASES["WEB_CONCURRENCY"] = "WORKERS"  # uvicorn's own name for it


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


def test_every_setting_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models.yaml").touch()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
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
    settings = load(LOG_LEVEL="WARNING", LOG_FORMAT="Json", STREAM_DEFAULT="True", CLIP="OFF")
    assert (settings.log_level, settings.log_format, settings.stream_default) == ("warning", "json", True)
    assert settings.clip == "off"


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


def test_what_is_not_in_the_working_directory_is_looked_for_beside_proxy_py(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    (home / ".env").write_text("PORT=8000\nMODEL_FILE=x\n")
    monkeypatch.setattr(settings_module, "_HOME", home)
    monkeypatch.chdir(here)
    found = load_settings({})
    assert (found.port, found.models_file, found.data_dir) == (8000, home / "models.yaml", home / "data")
    assert len(suspicions({})) == 1


def test_what_is_in_the_working_directory_wins_over_what_is_beside_proxy_py(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=8000\n")
    (tmp_path / "models.yaml").touch()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    found = load_settings({})
    assert (found.port, found.models_file, found.data_dir) == (8000, Path("models.yaml"), Path("data"))


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


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("http://127.0.0.1:99999", "must be a URL like https://api.poe.com, with a host and a port that can be"),
        ("https://api.poe.com:https", "must be a URL like https://api.poe.com, with a host and a port that can be"),
        ("http://[::1", "must be a URL like https://api.poe.com, with a host and a port that can be"),
        ("https://api.poe.com:0", "must be a URL like https://api.poe.com"),
        ("http://no such host", "must be a URL like https://api.poe.com"),
        ("https://api.poe.com/a b", "must be a URL like https://api.poe.com"),
        ("https://$POE", "must be a URL like https://api.poe.com"),
        ("https://api.poe.com/v1?region=x", "must end before its query (?…) or fragment (#…)"),
        ("https://api.poe.com/#top", "must end before its query (?…) or fragment (#…)"),
    ],
)
def test_a_base_url_that_cannot_be_one_is_a_fault(value: str, cure: str) -> None:
    assert faults(POE_BASE_URL=value) == (f"POE_BASE_URL {cure} (it is {value!r})",)


@pytest.mark.parametrize("url", ["https://user:pw@api.poe.com", "https://pw@api.poe.com", "https://u:p@h:99999"])
def test_a_password_in_the_base_url_is_a_fault_and_is_not_quoted(url: str) -> None:
    (fault,) = faults(POE_BASE_URL=url)
    assert fault.startswith("POE_BASE_URL must ")
    assert "@" not in fault


@pytest.mark.parametrize("url", ["http://[::1]:9999", "http://poe_sim:9999", "https://poe.example.org:8443/poe"])
def test_a_base_url_may_be_any_host_port_and_path(url: str) -> None:
    assert load(POE_BASE_URL=url).poe_base_url == url


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
        ("%PROXY_API_KEY%%%%%%", "holds an unexpanded command instead of a key"),
        ("$MY_OWN_PROXY_API_KEY", "holds an unexpanded command instead of a key"),
        ("openssl rand -hex 24", "has spaces in it, as no key has"),
        ("schlüssel-zum-glück", "has characters that a header cannot carry"),
    ],
)
def test_a_key_of_ours_that_protects_nothing_is_a_fault_and_is_not_quoted(key: str, why: str) -> None:
    assert faults(PROXY_API_KEY=key) == (f"PROXY_API_KEY {why}; make one with: openssl rand -hex 24",)


EXAMPLES = """
    change_me_please_123 0123456789abcdef0123 abcdefghijklmnopqrst replace-me-with-a-key insert-your-key-here
    dummy-key-dummy-key sk-no-key-required not-needed-not-needed your_key_goes_here_x sk-proxy-key-here-xx
    master-key-1234567 sk-litellm-master-key sk-poe-proxy-key-123 poe-proxy-poe-proxy api-key-api-key-api
    letmeinletmein1234 qwertyuiopasdfghjkl hunter2hunter2hunter2 1qaz2wsx3edc4rfv fedcba9876543210
    abcdefghijklmnop1234 sk-XXXXXXXXXXXXXXXXXXXX 9f8e7d6c9f8e7d6c PROXY_API_KEY_HERE test-test-password
"""


@pytest.mark.parametrize("key", EXAMPLES.split())
def test_examples_sequences_and_patterns_are_no_keys(key: str) -> None:
    (fault,) = faults(PROXY_API_KEY=key)
    assert fault.startswith("PROXY_API_KEY is a well-known example, which anybody can guess")


@given(st.integers(0, 2**64 - 1))
def test_a_key_made_at_random_is_never_refused(seed: int) -> None:
    """As ``openssl rand -hex 24``, a UUID and ``secrets.token_urlsafe()`` make them."""
    chance = Random(seed)
    hexadecimal = chance.randbytes(24).hex()
    urlsafe = base64.urlsafe_b64encode(chance.randbytes(32)).rstrip(b"=").decode()
    keys = (hexadecimal, str(uuid.UUID(bytes=chance.randbytes(16), version=4)), urlsafe, f"sk-{urlsafe}")
    assert load(PROXY_API_KEY=",".join(keys)).proxy_api_key == keys


@pytest.mark.parametrize("start", ["1234", "0000", "my-", "your", "test", "demo", "master"])
def test_a_key_made_at_random_may_begin_like_an_example(start: str) -> None:
    key = start + "9d3b7fa828c532691ea4e233"
    assert load(PROXY_API_KEY=key).proxy_api_key == (key,)


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


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rate", ["600/minute", "10/second", "5 per hour", "100/5minutes", "1/DAY", "100000/second", " 7 / 2 hours "]
)
def test_a_rate_is_so_many_in_a_time_and_what_limits_can_read(rate: str) -> None:
    understood = load(RATE_LIMIT=rate).rate_limit
    assert understood == rate.strip()
    assert limits.parse(understood).amount == int(re.split("[ /]", rate.strip())[0])


@pytest.mark.parametrize("rate", ["0", "0/minute", "0 per hour", "00"])
def test_no_rate_is_no_limit(rate: str) -> None:
    assert load(RATE_LIMIT=rate).rate_limit == ""


@pytest.mark.parametrize(
    "rate",
    ["600", "-1", "many", "600/", "/minute", "600/fortnight", "5/0minutes", "1.5/minute", "100001/day", "1/s;2/m"],
)
def test_what_is_no_rate_is_told_with_one_that_is(rate: str) -> None:
    (fault,) = faults(RATE_LIMIT=rate)
    assert fault.startswith("RATE_LIMIT must be like 600/minute")


@pytest.mark.parametrize("proxies", ["127.0.0.1", "10.0.0.0/8, ::1", "10.1.2.3/8", "unix", "fd00::/8"])
def test_trusted_proxies_are_addresses_and_networks(proxies: str) -> None:
    assert load(TRUSTED_PROXIES=proxies).trusted_proxies == tuple(proxies.split(", "))


@pytest.mark.parametrize("proxies", ["nginx", "*", "10.0.0.0/40", "10.0.0.1:80", "127.0.0.1, everybody"])
def test_a_proxy_without_an_address_is_told(proxies: str) -> None:
    (fault,) = faults(TRUSTED_PROXIES=proxies)
    assert fault.startswith("TRUSTED_PROXIES must be addresses or networks")


@pytest.mark.parametrize(
    "url", ["redis://localhost", "rediss://user:word@redis.example:6380/1", "unix:///run/redis.sock"]
)
def test_redis_has_a_url(url: str) -> None:
    settings = load(REDIS_URL=url)
    assert settings.redis_url == url
    assert url not in repr(settings)


def test_what_is_no_redis_url_is_told_without_its_password() -> None:
    (fault,) = faults(REDIS_URL="http://:secret@localhost")
    assert fault.startswith("REDIS_URL must be like redis://")
    assert "secret" not in fault


@pytest.mark.parametrize("url", ["redis://localhost:port", "redis://localhost/db", "redis://[::1"])
def test_a_redis_url_that_redis_cannot_read_is_told_at_the_start(url: str) -> None:
    (fault,) = faults(REDIS_URL=url)
    assert fault.startswith("REDIS_URL must be like redis://")
