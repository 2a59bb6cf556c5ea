"""verixplain demo: explain an embedded network at an embedded input."""

import click

RADIUS, GROUPS, NUMBER = 0.01, "grid:4x4", 8


@click.command()
@click.option(
    "--out", metavar="DIR", default="verixplain-out/demo", show_default=True, help="Where to write."
)
def command(out: str) -> int:
    """Explain an embedded network of handwritten digits.

    Prints a table, and writes explanation.json, explanation.npz and heatmap.png.
    """
    from verixplain import models
    from verixplain.cli._explain import Job
    from verixplain.cli._show import console
    from verixplain.network import load
    from verixplain.request import Request

    job = Job(
        network=load(models.find("digits_cnn")),
        text=f"{models.folder() / 'digits_inputs.npz'}#{NUMBER}",
        request=Request(radius=RADIUS, groups=GROUPS),
        out=out,
    )
    code = job.run()
    console().print(
        f"\nThe same by hand: verixplain explain {models.find('digits_cnn')} "
        f"'{models.folder() / 'digits_inputs.npz'}#{NUMBER}' --radius {RADIUS} --groups {GROUPS} "
        f"--out {out}",
        soft_wrap=True,
        markup=False,
    )
    return code
