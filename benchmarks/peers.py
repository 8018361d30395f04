"""Who is measured: the upstream, the proxy, and its peers, each with the settings that favour it most.

Whatever a peer needs beyond this project's own packages is installed when it is asked for, into an environment of its
own under ``benchmarks/.peers/``.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from benchmarks.servers import CLAUDE, GPT, ROOT, Server, free_port, python

Entrant = Callable[[int, Path], Server]
"""Makes a server in front of the upstream at a port, with a folder of its own for what it writes."""

_LITELLM = "litellm[proxy]==1.106.2"
_LITELLM_HOME = ROOT / "benchmarks" / ".peers" / "litellm"
_LITELLM_SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # its prices come with it: nothing is looked for over the network
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_USE_CHAT_COMPLETIONS_URL_FOR_ANTHROPIC_MESSAGES": "true",  # else it asks OpenAI's Responses
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # no key to check, as with the proxy here
}
_NGINX_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
_NGINX_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxied;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream poe {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000000;
    location / {{
      proxy_pass http://poe;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
_LIMITS = {"RATE_LIMIT": "100000/second", "UPSTREAM_RPM": "1000000"}
"""Limits that count but never bind."""
_NO_LIMITS = {"RATE_LIMIT": "0", "UPSTREAM_RPM": "0"}


def upstream(*options: str) -> Server:
    """The upstream that all others are in front of."""
    port = free_port()
    return Server("direct", port, python("upstream", "--port", str(port), *options))


def proxy(upstream_port: int, folder: Path, *options: str) -> Server:
    """The proxy with its ledger and with limits that count; metrics and parameters are always on."""
    port = free_port()
    command = (sys.executable, "proxy.py", "--port", str(port), *options)
    return Server("proxy", port, command, _of_proxy(upstream_port, folder / "data") | _LIMITS)


def without_ledger(upstream_port: int, folder: Path) -> Server:
    """The proxy with neither ledger nor limits: what they cost is the difference."""
    port = free_port()
    command = (sys.executable, "benchmarks/without_ledger.py", "--port", str(port))
    return Server("no ledger", port, command, _of_proxy(upstream_port, folder / "bare") | _NO_LIMITS)


def _of_proxy(upstream_port: int, data: Path) -> dict[str, str]:
    return {
        "POE_API_KEY": "poe-sim-key-0001",
        "POE_BASE_URL": f"http://127.0.0.1:{upstream_port}",
        "DATA_DIR": str(data),
        "LOG_FORMAT": "json",
        "FOOTER": "never",
    }


def relay(upstream_port: int, _: Path) -> Server:
    """The floor: see ``relay.py``."""
    port = free_port()
    return Server(
        "relay", port, python("relay", "--port", str(port), "--upstream", f"http://127.0.0.1:{upstream_port}")
    )


def nginx(upstream_port: int, folder: Path) -> Server:
    """What a relay costs outside Python."""
    found, port = shutil.which("nginx", path=_NGINX_PLACES), free_port()
    if found is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light, or leave it out of --peers")
    conf = folder / "nginx.conf"
    conf.write_text(_NGINX_CONF.format(folder=folder, upstream=upstream_port, port=port))
    return Server("nginx", port, (found, "-p", str(folder), "-c", str(conf), "-e", str(folder / "nginx.log")))


def litellm(upstream_port: int, folder: Path) -> Server:
    """LiteLLM's proxy: one worker of uvicorn, as it recommends, no database, no callbacks, no retries."""
    port, config = free_port(), folder / "litellm.yaml"
    config.write_text(json.dumps(_litellm_config(f"http://127.0.0.1:{upstream_port}")))  # JSON is YAML
    program = str(litellm_home() / "bin" / "litellm")
    command = (program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    return Server("litellm", port, command, _LITELLM_SETTINGS, folder / "litellm.log")


def _litellm_config(url: str) -> dict[str, object]:
    models = {GPT: (f"openai/{GPT}", f"{url}/v1"), CLAUDE: ("anthropic/claude-haiku-4-5", url)}
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "any"}}
            for name, (model, base) in models.items()
        ],
        "litellm_settings": {"set_verbose": False, "json_logs": False, "callbacks": [], "telemetry": False},
        "router_settings": {"num_retries": 0},
        "general_settings": {"disable_spend_logs": True},
    }


def litellm_home() -> Path:
    """LiteLLM's environment, made if it is not there."""
    stamp = _LITELLM_HOME / ".installed"
    if not stamp.exists() or stamp.read_text() != _LITELLM:
        print(f"installing {_LITELLM} into {_LITELLM_HOME.relative_to(ROOT)} …", file=sys.stderr, flush=True)
        venv.create(_LITELLM_HOME, clear=True, with_pip=True)
        pip = [str(_LITELLM_HOME / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", _LITELLM], check=True)
        stamp.write_text(_LITELLM)
    return _LITELLM_HOME


PEERS: dict[str, Entrant] = {"relay": relay, "nginx": nginx, "litellm": litellm}
HOMES: dict[str, Callable[[], Path]] = {"litellm": litellm_home}
"""The environments of those that have one of their own, installed when looked at."""
