"""Files that are broken, cut, malicious or merely odd: each is refused by its own error."""

import itertools
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import cnn, loaded, mlp, model, residual
from onnx import TensorProto, helper, numpy_helper

from verixplain.errors import (
    DynamicShapeError,
    ExternalDataError,
    GraphError,
    ModelError,
    ModelFormatError,
    NotFiniteError,
    TooLargeError,
    UnsupportedOperatorError,
    VerixplainError,
)
from verixplain.network import load

node = helper.make_node
BOMB = 2**40


def array(*numbers, dtype=np.int64) -> np.ndarray:
    return np.array(numbers, dtype=dtype)


def refused(kind: type[VerixplainError], words: str, onnx_model: onnx.ModelProto, **settings):
    """The model is refused by exactly this class, and the message has these words."""
    with pytest.raises(VerixplainError, match=words) as raised:
        loaded(onnx_model, **settings)
    assert type(raised.value) is kind, raised.value


# Not a model at all ---------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(20))
def test_a_file_cut_short_at_any_twentieth(part):
    data = cnn().SerializeToString()
    with pytest.raises(ModelFormatError, match="cut short"):
        load(data[: len(data) * part // 20])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"This is a text file, not a network.\n" * 10,
        np.random.default_rng(0).bytes(1000),
        np.random.default_rng(1).bytes(1000),
        b"\x00" * 1000,
        b"\x3a\x00",  # a model with an empty graph
        numpy_helper.from_array(np.ones(3)).SerializeToString(),  # another protobuf of ONNX
    ],
    ids=["empty", "png", "text", "random", "random2", "zeros", "empty graph", "tensor"],
)
def test_other_bytes(data, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        with pytest.raises(ModelFormatError, match="not an ONNX file"):
            load(source)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(ModelFormatError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(ModelFormatError, match="does not exist"):
        load(tmp_path / "none.onnx")
    with pytest.raises(ModelFormatError, match="does not exist"):
        load("a\0b")


# Weights outside the file ---------------------------------------------------------------------


def external(folder: Path, location: str, **entries) -> Path:
    """An mlp whose first weight lies in `location`."""
    changed = mlp()
    tensor = changed.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    (folder / "weights.bin").write_bytes(data)
    (folder / "model.onnx").write_bytes(changed.SerializeToString())
    return folder / "model.onnx"


def test_weights_beside_the_model_are_read_and_hashed(tmp_path):
    network = load(external(tmp_path, "weights.bin"))
    points = np.random.default_rng(0).normal(size=(3, 4)).astype("f4")
    np.testing.assert_array_equal(network(points), loaded(mlp())(points))
    changed = bytearray((tmp_path / "weights.bin").read_bytes())
    changed[3] ^= 128
    (tmp_path / "weights.bin").write_bytes(changed)
    assert load(tmp_path / "model.onnx").sha256 != network.sha256


@pytest.mark.parametrize(
    ("location", "entries", "words"),
    [
        ("../weights.bin", {}, "outside the model's folder"),
        ("/etc/hostname", {}, "outside the model's folder"),
        ("{folder}/weights.bin", {}, "outside the model's folder"),
        ("link.bin", {}, "outside the model's folder"),
        ("folder/../../weights.bin", {}, "outside the model's folder"),
        ("", {}, "outside the model's folder"),
        ("none.bin", {}, "no file"),
        (".", {}, "no file"),
        ("loop.bin", {}, "loop.bin"),
        ("zero\0byte", {}, "points to"),
        ("short.bin", {}, "needs 128 bytes"),
        ("weights.bin", {"offset": 64}, "needs 128 bytes"),
        ("weights.bin", {"offset": -1}, "from -1"),
        ("weights.bin", {"offset": "nonsense"}, "bad offset"),
        ("weights.bin", {"length": 4}, "needs 128 bytes"),
        ("weights.bin", {"length": BOMB}, "needs 128 bytes"),
    ],
)
def test_weights_elsewhere_are_refused(tmp_path, location, entries, words):
    folder = tmp_path / "inside"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 128)
    (folder / "short.bin").write_bytes(b"\0" * 100)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    (folder / "loop.bin").symlink_to(folder / "loop.bin")
    path = external(folder, location.format(folder=folder), **entries)
    with pytest.raises(ExternalDataError, match=words):
        load(path)


def test_external_weights_need_a_path(tmp_path):
    path = external(tmp_path, "weights.bin")
    with pytest.raises(ExternalDataError, match="load it by its path"):
        load(path.read_bytes())


# Graphs ---------------------------------------------------------------------------------------

RELU = node("Relu", ["x"], ["y"], "r")


def test_a_cycle():
    nodes = [node("Add", ["x", "b"], ["a"], "first"), node("Relu", ["a"], ["b"], "second")]
    refused(
        GraphError,
        "cycle through node '(first|second)'",
        model([*nodes, node("Relu", ["b"], ["y"])]),
    )


def test_a_value_nobody_produces():
    missing = model([node("Add", ["x", "weight"], ["y"], "sum")])
    refused(GraphError, "nobody produces 'weight'.*'sum'", missing)
    refused(GraphError, "nobody produces 'z', the output", model([RELU], outputs=["z"]))


def test_doubles():
    twice = mlp()
    twice.graph.initializer.append(twice.graph.initializer[0])
    refused(GraphError, "two initialisers are called 'w0'", twice)
    refused(GraphError, "'y' is produced twice", model([RELU, node("Tanh", ["x"], ["y"])]))
    refused(GraphError, "'x' is produced twice", model([node("Relu", ["x"], ["x"]), RELU]))


def test_several_inputs():
    two = model([node("Add", ["x", "z"], ["y"])])
    two.graph.input.append(helper.make_tensor_value_info("z", 1, [1, 4]))
    refused(GraphError, "2 inputs .'x', 'z'.", two)
    del two.graph.input[:]
    refused(GraphError, "0 inputs", two)


def test_several_outputs_need_a_name():
    two = model([RELU, node("Sigmoid", ["x"], ["z"])], outputs=["y", "z"])
    refused(GraphError, "'y', 'z'.*--output", two)
    refused(GraphError, "no output 'none'.*'y', 'z'", two, output="none")
    points = np.array([[-1, 0, 1, 2]], dtype="f4")
    np.testing.assert_array_equal(loaded(two, output="y")(points), np.maximum(points, 0))
    assert loaded(two, output="z").parity.agrees


def test_an_output_that_does_not_depend_on_the_input():
    constants = {"c": np.ones((1, 4), "f4")}
    refused(GraphError, "does not depend", model([node("Relu", ["c"], ["y"])], constants))
    shape = [node("Shape", ["x"], ["s"]), node("Cast", ["s"], ["y"], to=1)]
    refused(GraphError, "does not depend", model(shape, output_rank=1))
    refused(GraphError, "is a constant", model([RELU], constants, outputs=["c"]))
    refused(GraphError, "the input itself", model([RELU], outputs=["x"]))


def test_nodes_that_are_not_needed_are_never_run():
    dangling = node("ConstantOfShape", ["huge"], ["unused"])
    extra = model([RELU, dangling], {"huge": array(BOMB)})
    assert loaded(extra).parity.agrees


@pytest.mark.parametrize("opset", [6, 999])
def test_opsets_outside_the_supported_range(opset):
    refused(UnsupportedOperatorError, f"opset {opset}; supported are", model([RELU], opset=opset))


def test_operators_nobody_knows():
    foreign = model([node("Relu", ["x"], ["y"], "mine", domain="com.example")])
    foreign.opset_import.append(helper.make_opsetid("com.example", 1))
    refused(UnsupportedOperatorError, "'mine'.*domain 'com.example'", foreign)
    refused(ModelFormatError, "FancyNewLayer", model([node("FancyNewLayer", ["x"], ["y"])]))
    known = model([node("Det", ["x"], ["y"], "d")], shape=(1, 4, 4), output_rank=1)
    refused(UnsupportedOperatorError, "'d' .Det, opset 18.", known)


def test_control_flow():
    body = helper.make_graph([RELU], "b", [], [helper.make_tensor_value_info("y", 1, [1, 4])])
    nodes = [node("If", ["c"], ["y"], "branch", then_branch=body, else_branch=body)]
    words = "'branch'.*control flow"
    refused(UnsupportedOperatorError, words, model(nodes, {"c": np.array(True)}))


def test_functions_are_expanded_and_bombs_of_them_refused():
    def functions(*bodies):
        imports = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
        calls = model([node("F0", ["x"], ["y"], domain="local")])
        calls.opset_import.append(imports[1])
        for k, names in enumerate(bodies):
            values = [f"v{j}" for j in range(len(names) + 1)]
            inner = [
                node(name, [a], [b], domain="local" if name[0] == "F" else "")
                for name, a, b in zip(names, values, values[1:], strict=False)
            ]
            calls.functions.append(
                helper.make_function("local", f"F{k}", values[:1], values[-1:], inner, imports)
            )
        return calls

    assert loaded(functions(["Relu", "F1"], ["Tanh"])).parity.agrees
    refused(GraphError, "calls itself", functions(["Relu", "F1"], ["F0"]))
    doubling = [[f"F{k + 1}"] * 2 for k in range(40)]
    refused(TooLargeError, "nodes", functions(*doubling, ["Relu"]))


# Shapes and types -----------------------------------------------------------------------------


def test_dimensions_that_are_open():
    opened = model([RELU], shape=("batch", "features"))
    refused(DynamicShapeError, "--shape", opened)
    refused(DynamicShapeError, "does not fit", opened, shape=(4, 4))
    refused(DynamicShapeError, "does not fit", opened, shape=(-4,))
    refused(DynamicShapeError, "does not fit", mlp(), shape=(5,))
    assert loaded(opened, shape=(7,)).input_shape == (7,)
    refused(DynamicShapeError, "declares no shape", model([RELU], shape=()))


def test_a_fixed_batch():
    assert loaded(model([RELU], shape=(1, 4))).parity.agrees
    refused(DynamicShapeError, "must be the batch", model([RELU], shape=(4, 4)))


def test_a_dimension_of_zero():
    refused(DynamicShapeError, "--shape", model([RELU], shape=("batch", 0)))


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL])
def test_inputs_that_are_not_floats(kind):
    words = TensorProto.DataType.Name(kind)
    refused(ModelError, words, model([node("Identity", ["x"], ["y"])], dtype=kind))


def test_types_nobody_knows():
    changed = mlp()
    changed.graph.input[0].type.tensor_type.elem_type = 4711
    refused(ModelError, "unknown type 4711", changed)
    changed = mlp()
    changed.graph.initializer[0].data_type = TensorProto.BFLOAT16
    refused(UnsupportedOperatorError, "'w0' holds BFLOAT16", changed)


def test_declared_shapes_that_lie():
    changed = mlp()
    changed.graph.initializer[0].dims[:] = [BOMB]
    refused(TooLargeError, "'w0'", changed)
    changed.graph.initializer[0].dims[:] = [-1]
    refused(ModelFormatError, "'w0'", changed)
    changed.graph.initializer[0].dims[:] = [1000]
    refused(ModelFormatError, "'w0' is damaged", changed)
    refused(TooLargeError, "input 'x'", model([RELU], shape=("batch", BOMB)))


def test_sparse_initialisers():
    values = helper.make_tensor("s", 1, [1], [1.0])
    places = helper.make_tensor("i", 7, [1], [0])
    changed = mlp()
    changed.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [BOMB]))
    refused(UnsupportedOperatorError, "sparse", changed)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(bad):
    changed = mlp()
    weight = numpy_helper.to_array(changed.graph.initializer[0]).copy()
    weight[2, 1] = bad
    changed.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w0"))
    refused(NotFiniteError, r"'w0'.*\(2, 1\)", changed)


def test_attributes_that_are_not_finite():
    tensor = numpy_helper.from_array(np.array([np.nan], "f4"), "inside")
    nodes = [node("Constant", [], ["c"], value=tensor), node("Add", ["x", "c"], ["y"])]
    refused(NotFiniteError, "'inside'", model(nodes))
    leaky = model([node("LeakyRelu", ["x"], ["y"], "leak", alpha=float("nan"))])
    refused(NotFiniteError, "'leak'.*'alpha'", leaky)
    nodes = [node("Constant", [], ["c"], "n", value_floats=[1.0, float("nan")])]
    refused(NotFiniteError, "'n'", model([*nodes, node("Add", ["x", "c"], ["y"])]))
    zero = {"z": np.zeros(1, "f4")}
    nodes = [node("Reciprocal", ["z"], ["r"]), node("Add", ["x", "r"], ["y"])]
    refused(NotFiniteError, "constant 'r'", model(nodes, zero))


# Bombs: small files that ask for terabytes ----------------------------------------------------


def _varying(operator, *names, **attributes):
    return [node(operator, ["x", *names], ["y"], "bomb", **attributes)]


def _constant(operator, *names, **attributes):
    return [
        node(operator, list(names), ["c"], "bomb", **attributes),
        node("Add", ["x", "c"], ["y"]),
    ]


ONE = np.ones((1, 4), "f4")
TALL, WIDE = np.zeros((2**15, 1), "f4"), np.zeros((1, 2**15), "f4")
IMAGE = ("batch", 1, 4, 4)
COLUMN = node("Transpose", ["x"], ["t"], perm=[0, 2, 1])
BOMBS = {
    "ConstantOfShape": model(_constant("ConstantOfShape", "n"), {"n": array(2**20, 2**20)}),
    "Expand": model(_constant("Expand", "one", "n"), {"one": ONE, "n": array(BOMB, 4)}),
    "Tile": model(_constant("Tile", "one", "n"), {"one": ONE, "n": array(BOMB, 1)}),
    "Pad": model(_constant("Pad", "one", "n"), {"one": ONE, "n": array(0, BOMB, 0, 0)}),
    "Range": model(
        _constant("Range", "a", "b", "d"),
        {"a": np.array(0.0), "b": np.array(1e15), "d": np.array(1e-3)},
    ),
    "broadcast": model(_constant("Add", "tall", "wide"), {"tall": TALL, "wide": WIDE}),
    "outer product": model(_constant("MatMul", "tall", "wide"), {"tall": TALL, "wide": WIDE}),
    "Gather": model(
        _constant("Gather", "tall", "i"),
        {"tall": np.zeros((1, 2**16), "f4"), "i": np.zeros(2**16, np.int64)},
    ),
    "OneHot": model(
        _constant("OneHot", "i", "n", "v"),
        {"i": np.zeros(4, np.int64), "n": np.array(BOMB), "v": array(0, 1, dtype=np.float32)},
    ),
    "many at once": model(
        [
            *(node("ConstantOfShape", ["n"], [f"c{k}"], "bomb") for k in range(6)),
            node("Sum", ["x", *(f"c{k}" for k in range(6))], ["y"]),
        ],
        {"n": array(2**13, 2**13)},
    ),
    "doubling": model(
        [
            node("Identity", ["one"], ["c0"]),
            *(node("Concat", [f"c{k}"] * 2, [f"c{k + 1}"], "bomb", axis=0) for k in range(40)),
            node("Add", ["x", "c40"], ["y"]),
        ],
        {"one": ONE},
    ),
    "Expand varying": model(_varying("Expand", "n"), {"n": array(1, BOMB, 1, 4)}),
    "Tile varying": model(_varying("Tile", "n"), {"n": array(1, BOMB)}),
    "Pad varying": model(_varying("Pad", "n"), {"n": array(0, 0, 0, BOMB)}),
    "Resize varying": model(
        _varying("Resize", "", "", "n", mode="nearest"), {"n": array(1, 1, 2**20, 2**20)}, IMAGE
    ),
    "Resize scales": model(
        _varying("Resize", "", "s", mode="nearest"),
        {"s": array(1, 1, 1e6, 1e6, dtype=np.float32)},
        IMAGE,
    ),
    "broadcast varying": model(
        [COLUMN, node("Add", ["x", "t"], ["y"], "bomb")],
        shape=("batch", 1, 2**15),
        output_rank=3,
    ),
    "product varying": model(
        [
            node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["t", "x"], ["y"], "bomb"),
        ],
        shape=("batch", 1, 2**15),
        output_rank=3,
    ),
    "padded convolution": model(
        _varying("Conv", "w", kernel_shape=[1, 1], pads=[2**20] * 4),
        {"w": np.ones((1, 1, 1, 1), "f4")},
        IMAGE,
    ),
    "transposed convolution": model(
        _varying("ConvTranspose", "w", kernel_shape=[1, 1], strides=[2**20, 2**20]),
        {"w": np.ones((1, 1, 1, 1), "f4")},
        IMAGE,
    ),
}

# Loads every file named on the command line with four gigabytes of address space at most.
CHILD = """
    import resource, sys, time
    import verixplain.network as network
    from verixplain.errors import VerixplainError
    import onnxruntime, torch
    from onnx.reference import ReferenceEvaluator
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * 2**30,) * 2)
    for path in sys.argv[1:]:
        start = time.process_time()
        try:
            network.load(path)
            print("loaded", flush=True)
        except VerixplainError as error:
            print(type(error).__name__, time.process_time() - start, str(error)[:200], flush=True)
"""


@pytest.fixture(scope="module")
def bombs(tmp_path_factory) -> dict[str, str]:
    """What each bomb did, one line each."""
    folder = tmp_path_factory.mktemp("bombs")
    paths = []
    for number, bomb in enumerate(BOMBS.values()):
        paths.append(folder / f"{number}.onnx")
        paths[-1].write_bytes(bomb.SerializeToString())
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(BOMBS), (done.stderr[-2000:], lines)
    return dict(zip(BOMBS, lines, strict=True))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_go_off(bombs, name):
    kind, _, rest = bombs[name].partition(" ")
    seconds, _, message = rest.partition(" ")
    assert kind == "TooLargeError", bombs[name]
    assert "bomb" in message
    assert float(seconds) < 15


# Long chains and random damage ----------------------------------------------------------------


def test_ten_thousand_nodes_load_in_time():
    length = 10_000
    values = ["x", *(f"v{k}" for k in range(length - 1)), "y"]
    nodes = [node("Relu", [a], [b], "same name") for a, b in itertools.pairwise(values)]
    start = time.process_time()
    network = loaded(model(nodes))
    points = np.array([[-1, 0, 1, 2]], dtype="f4")
    np.testing.assert_array_equal(network(points), np.maximum(points, 0))
    assert time.process_time() - start < 10


@pytest.mark.parametrize("make", [mlp, cnn, residual])
def test_flipped_bytes_load_the_same_or_are_refused(make):
    data = make().SerializeToString()
    rng = np.random.default_rng(0)
    outcomes = {"loaded": 0, "refused": 0}
    for _ in range(150):
        changed = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(0, len(changed), rng.integers(1, 4))
        # Weights are most of the bytes; half the time the structure is hit instead.
        if rng.random() < 0.5:
            places = np.where(places > 400, len(changed) - 1 - places % 200, places)
        changed[places] = rng.integers(0, 256, len(places))
        try:
            network = load(changed.tobytes())
        except VerixplainError:
            outcomes["refused"] += 1
        else:
            outcomes["loaded"] += 1
            assert network.parity.agrees or network.parity.reason
    assert min(outcomes.values()) > 10, outcomes
