"""verixplain verify-signature: whether a file is what its signer signed."""

import click


@click.command()
@click.argument("file")
@click.option("--key", required=True, metavar="KEY.pub", help="Public key of the signer.")
@click.option("--signature", metavar="FILE", help="The signature; default: FILE.sig.")
def command(file: str, key: str, signature: str | None, **flags: bool) -> int:
    """Say whether FILE is what the owner of KEY.pub signed.

    Exit codes: 0 it is; 1 it is not: the file or the signature was changed, or another key signed.
    """
    from verixplain.report.signature import verified

    good = verified(file, key, signature)
    words = (
        "is what the owner of this key signed" if good else "is NOT what this key's owner signed"
    )
    click.echo(f"{file} {words}")
    return 0 if good else 1
