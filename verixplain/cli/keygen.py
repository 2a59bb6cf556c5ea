"""verixplain keygen: a key to sign reports with."""

import click


@click.command()
@click.argument("key", metavar="KEY")
def command(key: str, **flags: bool) -> None:
    """Make an Ed25519 key: KEY to sign with, KEY.pub to verify with.

    KEY has no password and is readable by its owner alone: keep it so. KEY.pub is for everyone who
    is to verify signatures; hand it over by another way than the reports. No key is ever replaced.
    """
    from verixplain.report.signature import make_key

    private, public = make_key(key)
    click.echo(f"{private}: to sign with; keep it to yourself\n{public}: to verify with")
