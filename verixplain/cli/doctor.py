"""verixplain doctor: what is installed, what is missing, and the command that fixes it."""

import os
from importlib.metadata import PackageNotFoundError, version

import click

REQUIRED = ("torch", "numpy", "onnx", "onnxruntime", "captum")
OPTIONAL = {
    "scikit-image": ("superpixels", "pip install 'verixplain[superpixels]'"),
    "scikit-learn": ("training the embedded networks", "pip install 'verixplain[train]'"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> int:
    """Say what is installed, what is missing, and how to get it.

    The exit code is 0 where bounds can be computed, else 4.
    """
    found, missing = examine()
    if as_json:
        import json

        click.echo(json.dumps({"found": dict(found), "missing": missing}, indent=1))
    else:
        from verixplain.cli._show import console, show_facts

        out = console()
        show_facts(found, out)
        for what, how in missing.items():
            optional = " (optional)" if what in dict(OPTIONAL.values()) else ""
            out.print(f"\nmissing{optional}: {what}\n  {how}", markup=False, soft_wrap=True)
        if "bounds" not in missing:
            out.print("\nbounds can be computed")
    return 4 if "bounds" in missing else 0


def examine() -> tuple[list[tuple[str, str]], dict[str, str]]:
    """What there is, and what is missing with the command that installs it."""
    import platform

    from verixplain import __version__

    found = [("verixplain", __version__), ("python", platform.python_version())]
    missing: dict[str, str] = {}
    for package in REQUIRED:
        number = _version(package)
        found.append((package, number or "not installed"))
        if number is None:
            missing[package] = f"pip install {package}"
    if "torch" in missing:
        missing["bounds"] = f"they need torch: {missing['torch']}"
        return found, missing
    found += _devices()
    words, problem = _bounds()
    found.append(("auto_LiRPA", words))
    if problem:
        missing["bounds"] = problem
    for package, (what, how) in OPTIONAL.items():
        number = _version(package)
        found.append((package, number or "not installed (optional)"))
        if number is None:
            missing[what] = how
    return found, missing


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> list[tuple[str, str]]:
    import torch

    words = f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    found = [("CPU", words)]
    if not torch.cuda.is_available():
        return [*found, ("CUDA", "no device, or a torch without CUDA")]
    for number in range(torch.cuda.device_count()):
        _, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found.append((f"cuda:{number}", f"{name}, {total / 2**30:.0f} GiB"))
    return found


def _bounds() -> tuple[str, str | None]:
    """Which auto_LiRPA answers, and what is wrong where it gives no bound."""
    import numpy as np

    from verixplain import models
    from verixplain.bounds import bound
    from verixplain.errors import VerixplainError
    from verixplain.network import load
    from verixplain.query import Target

    checkout = os.environ.get("VERIXPLAIN_AUTO_LIRPA")
    where = f"the checkout {checkout} (VERIXPLAIN_AUTO_LIRPA)" if checkout else None
    words = where or _version("auto-LiRPA") or "not installed"
    try:
        center = np.zeros((1, 1, 8, 8))
        found = bound(load(models.find("digits_mlp")), center, center, Target.label(0), "crown")
    except VerixplainError as error:
        return words, str(error)
    return f"{words}, tried: {found.upper.size} margins bounded", None
