"""verixplain report: what a folder proves, for people who were not there."""

from pathlib import Path
from typing import Any

import click

from verixplain.registry import Registry

names = Registry("format", "verixplain.report.guarantee.formats")


def _formats(command: Any) -> Any:
    for name in reversed(list(names)):
        command = click.option(f"--{name}", is_flag=True, help=f"Also in the format {name}.")(
            command
        )
    return command


@click.command()
@click.argument("source", metavar="DIR_OR_RUN")
@click.option("--out", metavar="REPORT", help="Folder of the report.")
@click.option("--check", is_flag=True, help="Ask the independent checker about every certificate.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="ONNX",
    help="A model for --check, told by its SHA-256; several may be given.",
)
@click.option(
    "--require",
    type=click.Choice(["estimate", "certified"]),
    default="estimate",
    show_default=True,
    help="The weakest status that counts as holding.",
)
@click.option("--supersedes", metavar="FILE", help="The report.json that this one replaces.")
@click.option("--pdf", is_flag=True, help="Also report.pdf, printed by a Chromium.")
@_formats
def command(source: str, out: str | None, check: bool, **flags: Any) -> int:
    """Report what DIR_OR_RUN proves, as pages and JSON; or check a report.

    DIR_OR_RUN is what explain, certify or run wrote. REPORT gets index.html, a page an item,
    report.json and evidence/, and needs no network to be read. With --check nothing is called
    certified that the checker does not accept now, and files that changed since an earlier report
    in REPORT are refused.

    For a finished report, `verixplain report REPORT --check --model MODEL.onnx` says whether any
    file was changed and whether the certificates hold.

    Exit codes: 0 every claim holds (of a finished report: nothing was changed, every certificate
    is accepted), 1 something is refuted, 3 something is undecided (a certificate without its
    model), 4 an error, a changed file, or a certificate that is not accepted.
    """  # fmt: skip
    from verixplain.report.guarantee.audit import is_report

    if is_report(source):
        if not check or out is not None:
            raise click.UsageError(f"{source} is a report; give --check, without --out")
        return _audit(source, flags["models"])
    if out is None:
        raise click.UsageError("give --out REPORT, the folder of the report")
    return _write(source, out, check, flags)


def _write(source: str, out: str, check: bool, flags: dict[str, Any]) -> int:
    from verixplain.cli._show import console, progress
    from verixplain.report.guarantee.formats import formats
    from verixplain.report.guarantee.words import words
    from verixplain.report.guarantee.write import write_report

    with progress() as tell:
        report = write_report(
            source,
            out,
            check=check,
            models=flags["models"],
            require=flags["require"],
            supersedes=flags["supersedes"],
            pdf=flags["pdf"],
            progress=tell,
        )
    written = ["index.html", "report.json", *(["report.pdf"] if flags["pdf"] else [])]
    data = Path(out, "report.json").read_bytes()
    for name in formats:
        if flags[name.replace("-", "_")]:
            file, made = formats[name](report, data)
            Path(out, file).write_bytes(made)
            written.append(file)
    found = console()
    found.print(words(report).verdict, markup=False)
    found.print(f"written to {out}: {', '.join(written)}", markup=False, soft_wrap=True)
    return report["exit_code"]


def _audit(source: str, models: tuple[str, ...]) -> int:
    from verixplain.cli._show import console, show_rows
    from verixplain.report.guarantee.audit import audit

    answers = audit(source, models)
    if answers:
        rows = [("item", "claim", "certificate", "checker")]
        rows += [
            (str(a.item), a.claim, a.certificate, a.verdict or f"- {a.reason}") for a in answers
        ]
        show_rows(rows, right=(0,))
    unchecked = sum(not answer.verdict for answer in answers)
    words = "\nno file of the report was changed; "
    if not answers:
        words += "it has no certificates, so there was nothing to check again"
    elif unchecked:
        words += f"{unchecked} of {len(answers)} certificates were not checked: give --model"
    else:
        words += f"{len(answers)} certificates were checked again"
    console().print(words, markup=False)
    return 3 if unchecked else 0
