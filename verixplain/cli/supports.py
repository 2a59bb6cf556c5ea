"""verixplain supports: what the VNN-LIB solver can do, as the standard asks."""

import click

from verixplain.vnnlib.supports import CAPABILITIES


@click.command()
def command(**flags: bool) -> int:
    """Say what `verify` can do (VNN-LIB 2, chapter 5).

    One capability a call; its values are printed one a line.
    """
    asked = [name for name in CAPABILITIES if flags[name.replace("-", "_")]]
    if len(asked) != 1:
        raise click.UsageError("name exactly one capability; --help lists them")
    click.echo("\n".join(CAPABILITIES[asked[0]]()))
    return 0


for _name in reversed(CAPABILITIES):
    command = click.option(f"--{_name}", is_flag=True, help=f"{_name.replace('-', ' ')}.")(command)
