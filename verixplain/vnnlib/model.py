"""The network that a query is about, as the query declares it."""

import gzip
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from verixplain.errors import (
    DynamicShapeError,
    GraphError,
    ModelError,
    ModelFormatError,
    ParityError,
    QueryError,
    UnsupportedOperatorError,
    UnsupportedQueryError,
)
from verixplain.vnnlib.specification import Specification

if TYPE_CHECKING:
    from verixplain.network import Network

MOST_BYTES = 2**31

MODEL_TYPES = {"float32": np.float32, "float64": np.float64}


def load_for(specification: Specification, path: str | Path) -> "Network":
    """The model at `path`, checked against what the query declares.

    Every operator is part of it: a query is about the outputs of the file, so a trailing Softmax
    is not left out here.

    Raises:
        ModelError: the file cannot be loaded, or an operator is not supported.
        QueryError: shapes or element types differ from the declared ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        network = loaded(unpacked(path, folder))
    check_fits(specification, network)
    return network


def loaded(path: Path) -> "Network":
    """The network with all its operators; one without a batch dimension gets one.

    Raises:
        ModelError: it cannot be loaded, with a batch or without.
        ParityError: it computes something else than ONNX Runtime makes of the file.
    """
    from verixplain.network import load

    problem: ModelError | None = None
    network = None
    try:
        network = load(path, whole=True)
    except (DynamicShapeError, GraphError, UnsupportedOperatorError) as error:
        problem = error
    if network is not None and network.unbatchable is None and network.input_shape:
        return network
    from verixplain.network.load import read
    from verixplain.vnnlib.lift import Unbatched, lifted

    model, _, sha256 = read(path)
    batched = lifted(model)
    if batched is None:
        if network is not None:
            return network
        raise problem or ModelError(f"{path.name} cannot be loaded")
    found = load(batched, whole=True)
    found.sha256, found.name = sha256, path.stem
    found.__dict__["runtime"] = Unbatched(model)
    points = np.random.default_rng(0).uniform(-2, 2, (8, *found.input_shape))
    found.parity = found.compare(points.astype(found.input_dtype))
    if not found.parity.agrees:
        raise ParityError(f"{path.name} with a batch dimension differs: {found.parity}")
    return found


def unpacked(path: str | Path, folder: str | Path) -> Path:
    """The path of a model; of an .onnx.gz, that of its content, which is put into `folder`.

    Raises:
        ModelFormatError: it cannot be unpacked.
    """
    path = Path(path)
    if path.suffix != ".gz":
        return path
    target = Path(folder) / path.with_suffix("").name
    try:
        with gzip.open(path) as packed, target.open("wb") as file:
            while block := packed.read(2**20):
                if file.tell() > MOST_BYTES:
                    raise ModelFormatError(f"{str(path)!r} unpacks to more than 2 GiB")
                file.write(block)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelFormatError(f"cannot unpack {str(path)!r}: {error}") from error
    return target


def check_fits(specification: Specification, network: "Network") -> None:
    """Refuse a network whose input or output is not the declared one.

    Raises:
        QueryError: shapes or element types differ.
    """
    given, output = specification.input, specification.output
    for tensor, count, shape in (
        (given, int(np.prod(network.input_shape)), (1, *network.input_shape)),
        (output, network.outputs, network.graph.shapes[network.graph.output]),
    ):
        second = specification.version[0] >= 2
        if tensor.size != count or (second and _core(tensor.shape) != _core(shape)):
            raise QueryError(
                f"{tensor.name} is declared with shape {list(tensor.shape)}, but the model "
                f"{network.name!r} has {list(shape)} there"
            )
        if tensor.type != "real" and MODEL_TYPES.get(tensor.type) is not network.input_dtype:
            raise UnsupportedQueryError(
                f"{tensor.name} is declared as {tensor.type}, but the model {network.name!r} "
                f"computes in {np.dtype(network.input_dtype).name}; declare that, or real"
            )


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its dimensions of one: a batch of one may be written or not."""
    return tuple(size for size in shape if size != 1)
