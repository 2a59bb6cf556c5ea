import itertools
import re
from fractions import Fraction

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import small
from networks import loaded, mlp, model
from onnx import helper

from verixplain.bounds import Engine, _lirpa, bound
from verixplain.bounds.methods import forward
from verixplain.errors import OutOfMemoryError
from verixplain.query import Box, Target

DTYPES = ("float64", "float32")


def two_hidden() -> object:
    """`z = relu(relu(x1 + x2) - relu(x1 - x2)) + 1/2`."""
    constants = {
        "w": np.array([[1, 1], [1, -1]], "f4"),
        "v": np.array([[1, -1]], "f4"),
        "u": np.array([[1]], "f4"),
        "b": np.array([0.5], "f4"),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["s"], "first", transB=1),
        helper.make_node("Relu", ["s"], ["a"], "relu1"),
        helper.make_node("Gemm", ["a", "v"], ["t"], "second", transB=1),
        helper.make_node("Relu", ["t"], ["c"], "relu2"),
        helper.make_node("Gemm", ["c", "u", "b"], ["y"], "third", transB=1),
    ]
    return loaded(model(nodes, constants, ("batch", 2)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_bound_computed_by_hand(dtype):
    """x1 in [-1, 3], x2 in [-1, 1], so both sums s lie in [-2, 4].

    Above relu: 2/3 s + 4/3, below: s. The difference is at most
    2/3 (x1 + x2) + 4/3 - (x1 - x2) = -1/3 x1 + 5/3 x2 + 4/3, at most 10/3, and at least -10/3.
    On that interval relu lies below half of it plus 5/3 (that is at most 10/3) and above 0.
    """
    found = bound(
        two_hidden(),
        np.array([[-1.0, -1.0]]),
        np.array([[3.0, 1.0]]),
        Target.rows([[1.0]]),
        "forward",
        dtype=dtype,
    )
    room = 2 * found.allowance[0]
    assert Fraction(float(found.upper[0, 0])) >= Fraction(10, 3) + Fraction(1, 2)
    assert found.upper[0, 0] <= 10 / 3 + 0.5 + room
    assert 0.5 - room <= found.lower[0, 0] <= 0.5
    assert room < {"float64": 1e-12, "float32": 1e-4}[dtype]


@pytest.mark.parametrize("seed", range(5))
def test_as_tight_as_the_forward_mode_of_auto_lirpa(seed):
    """Its forward mode knows fully connected networks only; intervals make ours tighter."""
    network, target = loaded(mlp((6, 12, 12, 4), seed=seed)), Target.label(0)
    center = np.random.default_rng(seed).uniform(-1, 1, (1, 6))
    low, high = torch.tensor(center - 0.2), torch.tensor(center + 0.2)
    rows = torch.tensor(target.matrix(network.outputs)[0])
    library, graph = _lirpa.library(), Engine.of(network, "float64", "cpu").graph
    ball = library.general.PerturbationLpNorm(norm=np.inf, x_L=low, x_U=high)
    with _lirpa.undisturbed(torch.float64), torch.no_grad():
        theirs = graph.module.compute_bounds(
            x=(library.general.BoundedTensor((low + high) / 2, ball),),
            C=rows[None],
            method="Forward",
        )
    ours = bound(network, low.numpy(), high.numpy(), target, "forward", device="cpu")
    assert (ours.lower >= theirs[0].numpy() - 2 * ours.allowance).all()
    assert (ours.upper <= theirs[1].numpy() + 2 * ours.allowance).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(small.MAKERS))
def test_never_looser_than_intervals(name, dtype):
    network, target = small.network(name), Target.label(0)
    box = Box.around(small.center(network), 0.2)
    ends = box.lower[None], box.upper[None]
    plain = bound(network, *ends, target, "interval", dtype=dtype)
    found = bound(network, *ends, target, "forward", dtype=dtype)
    assert (found.upper <= plain.upper).all()
    assert (found.lower >= plain.lower).all()
    assert (found.upper < plain.upper - 1e-3).any()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    radius=st.sampled_from([0.0, 1e-9, 0.01, 0.3]),
    scale=st.sampled_from([1.0, 1e-4, 300.0]),
    dtype=st.sampled_from(DTYPES),
    frozen=st.sets(st.integers(0, 2), max_size=2),
)
def test_rows_in_rationals_never_leave_the_bounds(seed, radius, scale, dtype, frozen):
    network = loaded(mlp((3, 5, 5, 3), "Relu" if seed % 2 else "LeakyRelu", seed=seed))
    target = Target.rows([[1.0, -1.0, 0.1], [scale, 0.0, -3.0]], [1 / 3, 0.0])
    if dtype == "float32":
        target = Target.rows([[1.0, -1.0, 0.125], [3.0, 0.0, -3.0]])
    rng = np.random.default_rng(seed)
    center = rng.uniform(-1, 1, 3) * scale
    box = Box.around(center, radius * scale).freeze(np.array(sorted(frozen), dtype=int))
    found = bound(network, box.lower[None], box.upper[None], target, "forward", dtype=dtype)
    points = [center, *oracle.corners(box), *rng.uniform(box.lower, box.upper, (5, 3))]
    for point in points:
        for k, truth in enumerate(oracle.exact_rows(network, point, target)):
            assert Fraction(float(found.lower[0, k])) <= truth <= Fraction(float(found.upper[0, k]))


class Watched(forward._Pass):
    """Keeps every band."""

    def __init__(self, *given) -> None:
        self.bands = {}
        super().__init__(*given)

    def _input(self):
        self.bands[self.engine.plan.input] = super()._input()
        return self.bands[self.engine.plan.input]

    def _step(self, step, *given):
        self.bands[step.name] = super()._step(step, *given)
        return self.bands[step.name]


def outside(name: str, dtype: str, radius: float, widen: bool) -> int:
    """How often an exact value is not in its band, over all values, at points of a box."""
    network = loaded(small.MAKERS[name]())  # fresh: engines are kept with a network
    engine = Engine.of(network, dtype, "cpu")
    engine.widen = widen
    box = Box.around(small.center(network), radius)
    low, high = engine.outward(engine.tensor(box.lower[None]), engine.tensor(box.upper[None]))
    rows = torch.eye(network.outputs, dtype=engine.dtype)
    watched, count = Watched(engine, low, high, len(rows)), 0
    with torch.no_grad():
        watched.run(rows)
    start = watched.bands.pop(engine.plan.input)
    radii = fractions(start.middle[0].sum(0))
    rng = np.random.default_rng(0)
    for point in (box.center, *itertools.islice(oracle.corners(box, 4), 4), inside(box, rng)):
        away = oracle.exact_values(network.plan, point)[engine.plan.input].ravel()
        away = away - fractions(start.center[0])
        share = np.array(
            [a / r if r else Fraction(0) for a, r in zip(away, radii, strict=True)], dtype=object
        )
        assert all(abs(e) <= 1 for e in share)
        share = share[watched.moving.numpy()]
        values = oracle.exact_values(network.plan, point)
        for step, band in watched.bands.items():
            size = band.center.numel()
            middle = share @ fractions(band.middle[0]).reshape(-1, size)
            half = fractions(band.radius[0])
            if band.half is not None:
                half = half + share @ fractions(band.half[0]).reshape(-1, size)
            off = values[step].ravel() - middle - fractions(band.center[0])
            count += sum(abs(a) > h for a, h in zip(off, half, strict=True))
    return count


def fractions(values: torch.Tensor) -> np.ndarray:
    return np.array([Fraction(x) for x in values.double().flatten().tolist()], dtype=object)


def inside(box: Box, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(box.lower, box.upper)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("radius", [0.0, 1e-3, 0.2])
@pytest.mark.parametrize("name", ["mlp-relu", "mlp-leaky", "product", "maxpool-apart", "residual"])
def test_every_exact_value_is_in_its_band(name, radius, dtype):
    assert outside(name, dtype, radius, widen=True) == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["mlp-relu", "product", "maxpool-apart", "residual"])
def test_without_the_allowance_bands_miss_exact_values(name, dtype):
    assert outside(name, dtype, 1e-3, widen=False) > 0


def test_the_identity_behind_bands():
    """`W m -+ |W| h` is what splitting W by sign gives."""
    rng = np.random.default_rng(0)
    weight, low, high = rng.integers(-9, 9, (5, 4)), *rng.integers(-9, 9, (2, 4))
    lower = np.maximum(weight, 0) @ low + np.minimum(weight, 0) @ high
    upper = np.maximum(weight, 0) @ high + np.minimum(weight, 0) @ low
    middle, half = weight @ (low + high), np.abs(weight) @ (high - low)
    assert (middle - half == 2 * lower).all()
    assert (middle + half == 2 * upper).all()


def test_inputs_that_do_not_vary_have_no_coefficients():
    engine = Engine.of(loaded(mlp((3, 4, 2))), "float64", "cpu")
    low = torch.zeros((2, 3), dtype=torch.float64)
    high = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    assert forward._Pass(engine, low, high, 1).moving.tolist() == [1, 2]


def test_a_batch_that_does_not_fit_is_halved_before_anything_is_allocated(monkeypatch):
    network, target = loaded(mlp((3, 4, 2))), Target.label(0)
    low = np.random.default_rng(0).uniform(size=(5, 3))
    given = network, low, low + 0.1, target, "forward"
    whole = bound(*given, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "memory", lambda self: 0)
        with pytest.raises(OutOfMemoryError, match="for 1 box") as refusal:
            bound(*given, device="cpu", batch=1)
    single = int(re.search(r"about ([\d,]+) bytes", str(refusal.value))[1].replace(",", ""))
    started = []
    original = forward._Pass._input
    monkeypatch.setattr(
        forward._Pass, "_input", lambda self: started.append(len(self.lower)) or original(self)
    )
    monkeypatch.setattr(Engine, "memory", lambda self: 2 * single)
    split = bound(*given, device="cpu", batch=5)
    assert started == [2, 2, 1]
    assert (np.abs(split.upper - whole.upper) <= split.allowance + whole.allowance).all()


def test_one_box_that_does_not_fit_says_how_many_bytes_are_missing(monkeypatch):
    network = loaded(mlp((3, 4, 2)))
    monkeypatch.setattr(Engine, "memory", lambda self: 100)
    with pytest.raises(OutOfMemoryError, match=r"need about [\d,]+ bytes for 1 box, and 100 are"):
        bound(network, np.zeros((1, 3)), np.ones((1, 3)), Target.label(0), "forward", batch=1)
