"""The commands `workcast token` and `workcast token rotate`."""

import getpass
from typing import Annotated

import typer

from pipelines.contracts import Role

app = typer.Typer(name="token", invoke_without_command=True)


@app.callback()
def token(
    context: typer.Context,
    role: Annotated[
        list[Role], typer.Option(help="What its bearer may do; may be given more than once.")
    ] = [Role.PREDICT],  # noqa: B006 - Typer copies it
    subject: Annotated[
        str | None, typer.Option(help="Whom the token names. Default: your user name.")
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, max=1_440, help="How long it is valid.")] = 60,
) -> None:
    """Print a token for the service, signed by the development issuer of this platform."""
    from pipelines.platform.token import issue_token
    from pipelines.settings import get_settings

    if context.invoked_subcommand is None:
        made = issue_token(get_settings(), role, subject or getpass.getuser(), minutes=minutes)
        typer.echo(made)


@app.command()
def rotate(
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take no token any more that an older key signed.")
    ] = False,
) -> None:
    """Sign with a new key from now on; older tokens stay valid until they expire."""
    from pipelines.platform.issuer import rotate_issuer
    from pipelines.settings import get_settings

    key = rotate_issuer(get_settings(), revoke=revoke)
    typer.echo(f"Tokens are signed by the key {key.kid} from now on.")
