"""The command line: ``serve`` (the default), ``check``, ``connect``, ``code``, ``statusline``."""

import sys
from typing import Annotated, Any

import typer

from poe_proxy import __version__

cli = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@cli.callback()
def about(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    """Poe Proxy: one Poe subscription, every AI tool. Without a command it serves."""


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind to (HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind to (PORT).", min=0, max=65535)] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Serve in front of a stand-in Poe: no key needed.")] = False,
    demo_without_key: Annotated[
        bool, typer.Option("--demo-without-key", help="Serve the demo if there is no Poe key, as ./scripts/run does.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Worker processes (WORKERS).", min=1, max=64)] = None,
) -> None:
    """Serve the proxy (the default command)."""
    from poe_proxy.cli.serve import serve as run  # noqa: PLC0415  # `--version` and `--help` need none of it

    run(host=host, port=port, demo=demo, demo_without_key=demo_without_key, workers=workers)


@cli.command()
def check() -> None:
    """Check the configuration and the Poe key; name each fault with its cure."""
    from poe_proxy.cli.check import check as run  # noqa: PLC0415  # see above

    raise typer.Exit(run())


@cli.command()
def connect(
    client: Annotated[str, typer.Argument(help="claude-code, opencode, cline, continue, cursor or openai.")],
    write: Annotated[bool, typer.Option("--write", help="Put them into the client's file; keep the old one.")] = False,
    model: Annotated[str, typer.Option(help="The model to use; without it the client's own choice.")] = "",
    project: Annotated[
        bool, typer.Option("--project", help="claude-code: for this folder only (.claude/settings.local.json).")
    ] = False,
) -> None:
    """Show the exact settings with which a client uses this proxy."""
    from poe_proxy.cli.connect import connect as run  # noqa: PLC0415  # see above

    raise typer.Exit(run(client, write=write, model=model, project=project))


@cli.command(add_help_option=False)
def code(
    arguments: Annotated[list[str] | None, typer.Argument(help="Whatever `claude` takes.")] = None,
) -> None:
    """Run Claude Code through the proxy, which is started if it does not run."""
    from poe_proxy.cli.code import code as run  # noqa: PLC0415  # see above

    raise typer.Exit(run(arguments or []))


@cli.command()
def statusline() -> None:
    """Print Claude Code's status line: points of this session, of today, and the balance."""
    from poe_proxy.cli.statusline import statusline as run  # noqa: PLC0415  # see above

    raise typer.Exit(run())


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; options without a command are those of ``serve``."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["code"]:
        given = ["code", "--", *given[1:]]  # all that follows is Claude Code's, --version and --help too
    elif "--version" in given:
        print(f"poe-proxy {__version__}")  # noqa: T201
        return None
    if not given or (given[0].startswith("-") and given[0] not in ("--help", "-h")):
        given = ["serve", *given]
    return cli(given, prog_name="python proxy.py")
