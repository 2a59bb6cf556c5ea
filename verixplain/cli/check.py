"""verixplain check: the independent checker, in a process of its own."""

from typing import Any

import click

CODES = {"ACCEPTED": 0, "REJECTED": 1, "REFUSED": 2}


@click.command()
@click.argument("model")
@click.argument("certificates", nargs=-1, required=True)
@click.option(
    "--semantics",
    type=click.Choice(["real", "float32"]),
    help="Ask for one only; by default for all that a certificate claims.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the checker's own words, a line each.")
def command(model: str, certificates: tuple[str, ...], semantics: str | None, as_json: bool) -> int:
    """Check CERTIFICATES (.vxcert files) for the ONNX file MODEL.

    The checker is a program of its own, which shares no code with what wrote the certificates; it
    derives every number again with all rounding counted. Exit code 0: all ACCEPTED; 1: one
    REJECTED (well formed, but not proved); 2: one REFUSED (damaged, about another model, or not
    known to the checker). Without verixplain: python -m verixplain.checker, numpy alone.
    """  # fmt: skip
    import json

    from verixplain.certificate.checking import check

    reports = check(model, certificates, semantics or "")
    for report in reports:
        if as_json:
            click.echo(json.dumps(report))
        else:
            _show(report)
    return max(CODES[report["verdict"]] for report in reports)


def _show(report: dict[str, Any]) -> None:
    from verixplain.cli._show import console, show_facts

    facts = []
    if report["verdict"] == "REFUSED":
        facts.append(("because", f"{report['detail']} ({report['reason']}, at {report['at']})"))
    else:
        for name, answer in report["semantics"].items():
            facts.append((name, f"{answer}: {report['meaning'][name]}"))
            facts += [("proved", words) for words in report["conclusions"].get(name, [])]
            if answer == "REJECTED":
                lost = [one["kind"] for one in report["claims"] if not one["holds"][name]]
                facts.append(("not proved", ", ".join(lost)))
        facts += [("note", words) for words in report["assumptions"]]
        facts.append(("not covered", report["not_covered"]))
        facts.append(("seconds", f"{report['seconds']:.2f}"))
    out = console()
    out.print(f"\n{report['certificate']}: {report['verdict']}", markup=False, style="bold")
    show_facts(facts, out)
