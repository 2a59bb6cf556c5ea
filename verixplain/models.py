"""The small networks that come with the package (digits of scikit-learn), and inputs for them."""

from pathlib import Path

from verixplain.errors import InputError

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "_models", _PACKAGE.parent / "models")
"""In a wheel; in a checkout, where an editable install has no copied folder."""


def folder() -> Path:
    """Where the embedded networks lie.

    Raises:
        InputError: neither place has them, so the installation is not complete.
    """
    for place in _PLACES:
        if (place / "digits_inputs.npz").is_file():
            return place
    raise InputError(
        f"the embedded networks are in neither {' nor '.join(map(str, _PLACES))}; "
        "reinstall verixplain, or work in a complete checkout"
    )


def find(name: str) -> Path:
    """The file of one embedded network, such as `digits_cnn`.

    Raises:
        InputError: there is none of this name; the message lists the names.
    """
    path = folder() / f"{name}.onnx"
    if not path.is_file():
        names = ", ".join(sorted(found.stem for found in folder().glob("*.onnx")))
        raise InputError(f"no embedded network {name!r}; there are: {names}")
    return path
