"""Poe's live catalogue beside models.yaml; all of it is in poe_proxy/cli/list_models.py."""

from poe_proxy.cli.list_models import app

if __name__ == "__main__":
    app()
