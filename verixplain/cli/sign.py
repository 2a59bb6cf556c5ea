"""verixplain sign: say who stands behind a file."""

import click


@click.command()
@click.argument("file")
@click.option("--key", required=True, metavar="KEY", help="Private key (`verixplain keygen`).")
@click.option("--signature", metavar="FILE", help="Where it goes; default: FILE.sig.")
def command(file: str, key: str, signature: str | None, **flags: bool) -> None:
    """Sign FILE, as a rule a report.json, with a detached Ed25519 signature.

    A report.json holds the SHA-256 of every page and every file of its report, so one signature
    covers the whole. It says who issued the report, not that it is true.
    """
    from verixplain.report.signature import sign

    click.echo(f"{sign(file, key, signature)}: the signature of {file}")
