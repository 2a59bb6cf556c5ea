"""verixplain show: what a certificate claims, in plain words."""

import click


@click.command()
@click.argument("certificate")
def command(certificate: str) -> int:
    """Say what CERTIFICATE claims and what it does not cover.

    Nothing is proved by that: a file can claim anything. `verixplain check` says what is true.
    """
    from verixplain.certificate.reading import words
    from verixplain.cli._show import console, show_facts

    facts = words(certificate)
    out = console()
    out.print(f"\n{certificate}", markup=False, style="bold")
    show_facts(facts, out)
    return 0
