"""Does the loaded network compute what ONNX Runtime computes?"""

from dataclasses import dataclass

import numpy as np
import onnx

from verixplain.errors import ModelError, ParityError


@dataclass(frozen=True)
class Parity:
    """The largest difference to ONNX Runtime over some points.

    `absolute` is in units of the output; `relative` is it divided by the largest output, at
    least 1. `reason` says why nothing was compared, where nothing was.
    """

    absolute: float | None
    relative: float | None
    points: int
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Within 1e-4 relative; False also where nothing could be compared."""
        return self.relative is not None and self.relative <= 1e-4


def session(model: onnx.ModelProto, output: str):
    """An ONNX Runtime session on the CPU, one thread, whose one output is the value `output`.

    Raises:
        ModelError: ONNX Runtime cannot run this model; its own words follow.
    """
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.append(onnx.helper.make_value_info(output, onnx.TypeProto()))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"ONNX Runtime cannot run this model: {first}") from error


def run(runtime, inputs: np.ndarray, dtype: type) -> np.ndarray:
    """Outputs of a batch, a row each, one input at a time (models often fix the batch at one).

    Raises:
        ModelError: ONNX Runtime gives up on an input; its own words follow.
    """
    name = runtime.get_inputs()[0].name
    rows = []
    for one in inputs:
        try:
            result = runtime.run(None, {name: one[None].astype(dtype)})[0]
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot run this model: {first}") from error
        rows.append(np.asarray(result).reshape(-1))
    return np.stack(rows)


def compare(ours: np.ndarray, theirs: np.ndarray) -> Parity:
    """The largest difference between two batches of outputs.

    Raises:
        ParityError: they have not even the same shape.
    """
    if ours.shape != theirs.shape:
        raise ParityError(
            f"{ours.shape[1:]} outputs for one input, but {theirs.shape[1:]} in ONNX Runtime"
        )
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return Parity(None, None, len(ours), "an output is not finite")
    difference = float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max())
    scale = max(1.0, float(np.abs(theirs).max()))
    return Parity(difference, difference / scale, len(ours))
