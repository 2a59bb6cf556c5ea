"""Laws that hold for every registered bound method, on a network for every kind of step.

Soundness is judged without a tolerance: in rationals where the network's values are rationals,
else by rigorous evaluations at points (`lower_at`), which are themselves held against rationals.
"""

import subprocess
import sys
import warnings
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import loaded, mlp, model
from onnx import helper

import verixplain
from laws import small
from verixplain import models
from verixplain.attack.pgd import PGD
from verixplain.attribution.eva import EVA
from verixplain.bounds import Engine, _lirpa, bound, lower_at
from verixplain.bounds.methods.crown import Crown
from verixplain.errors import (
    BoundFailedError,
    OutOfMemoryError,
    SettingError,
    SoundnessAlarm,
    UnsupportedBoundError,
    UnsupportedOperatorError,
    VerixplainError,
)
from verixplain.features import Groups
from verixplain.query import Box, Query, Target
from verixplain.registry import bound_methods

METHODS = sorted(bound_methods)
NETWORKS = sorted(small.MAKERS)
DTYPES = ("float64", "float32")
RADII = (0.02, 0.3)
MONOTONE = {"interval"}
"""Methods of which it is a theorem that a smaller box never has a looser bound. It is none for
those that choose the slope of a line by the interval: see the counterexample below."""


def bounded(name, lower, upper, target, method, **settings):
    """Bounds of a batch; a method that refuses the network by name is not at fault here.

    Slopes are optimised for a few steps only: the laws hold after any number of them.
    """
    few = bound_methods[method](iterations=2) if method == "alpha-crown" else method
    try:
        return bound(small.network(name), lower, upper, target, few, **settings)
    except UnsupportedBoundError as refusal:
        if name in str(refusal) or "node" in str(refusal) or method in str(refusal):
            pytest.skip(f"refused: {refusal}")
        raise


@cache
def question(name: str, radius: float) -> tuple[Box, Target, list[np.ndarray]]:
    """A box, a target, and points of the box: inside, corners, and the best of an attack."""
    network = small.network(name)
    box, target = Box.around(small.center(network), radius), Target.label(0)
    rng = np.random.default_rng(1)
    inside = rng.uniform(box.lower, box.upper, (12, *network.input_shape))
    everything = Groups(network.input_shape, (np.arange(box.center.size),), ("all",))
    query = Query(network, box, target, everything)
    attack = PGD(steps=15, restarts=3).run(query, np.zeros((1, box.center.size), dtype=bool))
    points = [box.center, *inside, *oracle.corners(box, 12), attack.points[0].astype(float)]
    assert all(box.contains(point) for point in points)
    return box, target, points


@cache
def true_rows(name: str, radius: float) -> tuple[tuple[list[Fraction], list[Fraction]], ...]:
    """For every point, numbers that the true rows are surely not below, and not above."""
    network, (_, target, points) = small.network(name), question(name, radius)
    if oracle.is_exact(network):
        rows = [oracle.exact_rows(network, point, target) for point in points]
        return tuple((found, found) for found in rows)
    matrix, offsets = target.matrix(network.outputs)
    low = lower_at(network, np.stack(points), target)
    high = -lower_at(network, np.stack(points), Target.rows(-matrix, -offsets))
    return tuple(
        (list(map(Fraction, one)), list(map(Fraction, two)))
        for one, two in zip(low.tolist(), high.tolist(), strict=True)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_bounds_hold_samples_corners_and_attacked_points(method, name, dtype):
    for radius in RADII if dtype == "float64" else RADII[1:]:
        box, target, _ = question(name, radius)
        found = bounded(name, box.lower[None], box.upper[None], target, method, dtype=dtype)
        for lowest, highest in true_rows(name, radius):
            for k, (low, high) in enumerate(zip(lowest, highest, strict=True)):
                assert low <= Fraction(float(found.upper[0, k]))
                assert high >= Fraction(float(found.lower[0, k]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_a_point_box_gives_the_forward_value_within_the_allowance(method, name, dtype):
    """One allowance for what rounding did and one for what was added against it.

    A tenth more for intermediate intervals, which are widened too.
    """
    network, target = small.network(name), Target.label(1)
    points = np.stack([small.center(network, seed) for seed in range(4)])
    found = bounded(name, points, points, target, method, dtype=dtype)
    matrix, offsets = target.matrix(network.outputs)
    low = lower_at(network, points, target)
    high = -lower_at(network, points, Target.rows(-matrix, -offsets))
    assert (low <= found.upper).all()
    assert (found.lower <= high).all()
    assert (found.upper - low <= 2.1 * found.allowance).all()
    assert (high - found.lower <= 2.1 * found.allowance).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_rigorous_evaluation_holds_the_exact_rows(name):
    network = small.network(name)
    if not oracle.is_exact(network):
        pytest.skip("its values are not rational")
    target = Target.rows([[1.0, -3.0, 0.1]], [1 / 3])
    matrix, offsets = target.matrix(network.outputs)
    for seed in range(5):
        point = small.center(network, seed)
        (truth,) = oracle.exact_rows(network, point, target)
        low = lower_at(network, point[None], target)[0, 0]
        high = -lower_at(network, point[None], Target.rows(-matrix, -offsets))[0, 0]
        assert Fraction(float(low)) <= truth <= Fraction(float(high))


def boxes_of(name: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    network = small.network(name)
    rng = np.random.default_rng(seed)
    centers = np.stack([small.center(network, k) for k in range(count)])
    radii = rng.uniform(0, 0.3, centers.shape)
    return centers - radii, centers + radii


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_its_members(method, name, dtype):
    target = Target.label(2)
    low, high = boxes_of(name, 2)
    together = bounded(name, low, high, target, method, dtype=dtype, batch=2)
    for k in range(2):
        alone = bounded(name, low[k : k + 1], high[k : k + 1], target, method, dtype=dtype)
        room = together.allowance + alone.allowance
        assert (np.abs(together.upper[k] - alone.upper[0]) <= room).all()
        assert (np.abs(together.lower[k] - alone.lower[0]) <= room).all()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", sorted(MONOTONE))
def test_shrinking_never_loosens(method, name):
    target, rng = Target.label(0), np.random.default_rng(5)
    low, high = boxes_of(name, 24, seed=3)
    shares = rng.uniform(0, 0.4, (2, *low.shape))
    inner = low + shares[0] * (high - low), high - shares[1] * (high - low)
    wide = bounded(name, low, high, target, method)
    narrow = bounded(name, *inner, target, method)
    room = wide.allowance + narrow.allowance
    assert (narrow.upper <= wide.upper + room).all()
    assert (narrow.lower >= wide.lower - room).all()


@pytest.mark.parametrize("bound_name", METHODS)
@pytest.mark.parametrize("name", ["mlp-relu", "mlp-leaky", "cnn"])
def test_after_propagation_no_sub_box_has_a_larger_bound_than_its_parent(bound_name, name):
    network = small.network(name)
    box = Box.around(small.center(network), 0.3)
    size = box.center.size
    half = np.arange(size // 2)
    members = (np.arange(0), half[:1], half, np.arange(size))  # each inside the next
    groups = Groups(network.input_shape, members, ("none", "one", "half", "all"))
    try:
        found = EVA(bound=bound_name, steps=3, restarts=1).explain(
            Query(network, box, Target.label(0), groups)
        )
    except UnsupportedBoundError as refusal:
        pytest.skip(f"refused: {refusal}")
    uppers = [found.overlaps.upper, *found.overlaps.group_upper]
    assert all(wide >= narrow for wide, narrow in pairwise(uppers))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_two_devices_agree_within_the_allowances(method, name, dtype):
    target = Target.label(0)
    low, high = boxes_of(name, 3)
    one = bounded(name, low, high, target, method, dtype=dtype, device="cpu")
    two = bounded(name, low, high, target, method, dtype=dtype, device="cuda")
    room = one.allowance + two.allowance
    assert (np.abs(one.upper - two.upper) <= room).all()
    assert (np.abs(one.lower - two.lower) <= room).all()
    for radius in RADII:
        box, target, _ = question(name, radius)
        found = bounded(name, box.lower[None], box.upper[None], target, method, device="cuda")
        for lowest, _ in true_rows(name, radius):
            assert all(
                low <= Fraction(float(u)) for low, u in zip(lowest, found.upper[0], strict=True)
            )


def test_a_box_is_rounded_outward_for_float32():
    network = loaded(mlp((2, 3, 2)))
    engine = Engine.of(network, "float32", "cpu")
    ends = torch.tensor([[0.1, -0.1, 1 / 3, 1.0, 1e-50, -1e-50]], dtype=torch.float64)
    low, high = engine.outward(ends, ends)
    assert low.dtype == high.dtype == torch.float32
    assert (low.double() <= ends).all()
    assert (high.double() >= ends).all()
    assert low[0, 3] == high[0, 3] == 1.0


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    radius=st.sampled_from([0.05, 0.2, 0.6]),
    activation=st.sampled_from(["Relu", "LeakyRelu"]),
    method=st.sampled_from([name for name in METHODS if name != "alpha-crown"]),
    dtype=st.sampled_from(DTYPES),
    frozen=st.sets(st.integers(0, 2), max_size=2),
)
def test_no_bound_is_tighter_than_exact(seed, radius, activation, method, dtype, frozen):
    _check_against_the_oracle(seed, radius, activation, method, dtype, frozen)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu"])
def test_optimised_slopes_are_never_tighter_than_exact(seed, activation):
    _check_against_the_oracle(seed, 0.6, activation, "alpha-crown", "float64", {seed % 3})


def _check_against_the_oracle(seed, radius, activation, method, dtype, frozen):
    network = loaded(mlp((3, 4, 4, 3), activation, seed=seed))
    center = np.random.default_rng(seed).uniform(-1, 1, 3).astype("f4").astype(float)
    target = Target.label(seed % 3)
    group = np.array(sorted(frozen), dtype=int)
    box = Box.around(center, radius).freeze(group)
    try:
        upper = bound(network, box.lower[None], box.upper[None], target, method, dtype=dtype)
    except UnsupportedBoundError:
        return
    exact = oracle.by_integers(network, box, target)
    assert exact.exact <= Fraction(float(upper.overlap_upper[0]))


def test_optimised_slopes_are_strictly_tighter_on_an_embedded_network():
    network = verixplain.load(models.find("digits_mlp"))
    with np.load(models.folder() / "digits_inputs.npz") as file:
        center, label = file["inputs"][0].astype(float), int(file["labels"][0])
    _check_strictly_tighter(network, Box.around(center, 0.1, (0.0, 1.0)), label)


@pytest.mark.data
def test_optimised_slopes_are_strictly_tighter_on_a_public_network(data):
    network = verixplain.load(data / "models" / "mnist" / "mnist-net_256x2.onnx")
    with np.load(data / "inputs" / "mnist_t10k_0-999.npz") as file:
        image, label = file["images"][0], int(file["labels"][0])
    center = (image.reshape(network.input_shape) / 255).astype("f4").astype(float)
    _check_strictly_tighter(network, Box.around(center, 0.02, (0.0, 1.0)), label)


def _check_strictly_tighter(network, box, label):
    ends = box.lower[None], box.upper[None]
    plain = bound(network, *ends, Target.label(label), "crown")
    better = bound(network, *ends, Target.label(label), "alpha-crown")
    assert (better.upper <= plain.upper).all()
    room = plain.allowance.max() + better.allowance.max()
    assert better.overlap_upper[0] + room < plain.overlap_upper[0]


# Refusals.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("end", [np.nan, np.inf, -np.inf, "reversed"])
def test_a_box_that_is_none_is_refused(method, end):
    network = loaded(mlp((2, 3, 2)))
    low, high = np.zeros((1, 2)), np.ones((1, 2))
    if end == "reversed":
        low, high = high, low
    else:
        (low if end == -np.inf else high)[0, 1] = end
    with pytest.raises(BoundFailedError):
        bound(network, low, high, Target.label(0), method)


def test_an_operator_without_bounds_is_refused_by_node_and_the_network_still_runs():
    pool = {"kernel_shape": [2], "dilations": [2], "pads": [1, 1], "strides": [1]}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["m"], "the_pool", **pool),
        helper.make_node("Flatten", ["m"], ["y"], "flatten"),
    ]
    network = loaded(model(nodes, {}, ("batch", 1, 5)))
    points = np.random.default_rng(0).uniform(size=(2, 1, 5)).astype("f4")
    np.testing.assert_allclose(network(points), network.run_onnx(points))
    for method in METHODS:
        with pytest.raises(UnsupportedOperatorError, match="the_pool"):
            bound(network, points - 0.1, points + 0.1, Target.label(0), method)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "nonsense"])
def test_a_device_that_is_not_there_is_refused(device):
    network = loaded(mlp((2, 3, 2)))
    with pytest.raises(SettingError):
        bound(network, np.zeros((1, 2)), np.ones((1, 2)), Target.label(0), device=device)


def test_a_precision_or_setting_nobody_knows_is_refused():
    network = loaded(mlp((2, 3, 2)))
    with pytest.raises(SettingError, match="float16"):
        bound(network, np.zeros((1, 2)), np.ones((1, 2)), Target.label(0), dtype="float16")
    with pytest.raises(SettingError):
        bound_methods["alpha-crown"](iterations=0)


# The door to auto_LiRPA leaves nothing behind.


def switches() -> dict:
    """Every global switch that the library is known to touch."""
    profiling = torch._C._jit_set_profiling_executor(True)
    torch._C._jit_set_profiling_executor(profiling)
    mode = torch._C._jit_set_profiling_mode(True)
    torch._C._jit_set_profiling_mode(mode)
    return {
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "filters": list(warnings.filters),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn": (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32),
        "nnpack": torch._C._get_nnpack_enabled() if hasattr(torch._C, "_get_nnpack_enabled") else 0,
        "profiling": (profiling, mode),
        "parse": _lirpa.library().general.parse_module,
        "streams": (sys.stdout, sys.stderr),
        "seed": torch.random.get_rng_state().sum().item(),
        "numpy seed": np.random.get_state()[1].sum(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "path": list(sys.path),
    }


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_global_switches_are_as_they_were(method, gradients):
    network = loaded(mlp((2, 3, 2)))
    with torch.set_grad_enabled(gradients):
        before = switches()
        for dtype in DTYPES:
            bound(network, np.zeros((1, 2)), np.ones((1, 2)), Target.label(0), method, dtype=dtype)
        assert switches() == before


def test_global_switches_are_as_they_were_after_an_error(monkeypatch):
    network = loaded(mlp((2, 3, 2)))
    engine = Engine.of(network, "float64", "cpu")
    before = switches()

    def fails(*values, **settings):
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(False)
        warnings.simplefilter("error")
        raise AssertionError("the library's own words")

    monkeypatch.setattr(engine.graph.module, "compute_bounds", fails)
    with pytest.raises(VerixplainError, match="the library's own words"):
        bound(network, np.zeros((1, 2)), np.ones((1, 2)), Target.label(0), "crown")
    assert switches() == before


def test_bounds_leave_the_network_as_it_was():
    network = loaded(mlp((2, 3, 2)))
    point = np.array([[0.3, 0.4]], "f4")
    before = network(point), {k: v.clone() for k, v in network.module.state_dict().items()}
    for method in METHODS:
        bound(network, point - 0.1, point + 0.1, Target.label(0), method)
    assert (network(point) == before[0]).all()
    assert all((network.module.state_dict()[k] == v).all() for k, v in before[1].items())
    assert all(parameter.grad is None for parameter in network.module.parameters())


def test_bounds_do_not_wait_for_a_compiler():
    """Some functions of torch import one when they are first called, which takes seconds."""
    program = """
import sys
import numpy as np
import verixplain
from verixplain import models
from verixplain.bounds import bound
from verixplain.query import Target
network = verixplain.load(models.find("digits_cnn"))
ends = np.zeros((1, *network.input_shape)), np.full((1, *network.input_shape), 0.01)
for method in ("interval", "crown", "crown-ibp"):
    bound(network, *ends, Target.label(0), method)
found = {"sympy", "torch._dynamo", "torch._inductor"} & set(sys.modules)
sys.exit(", ".join(sorted(found)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Memory.


class Crowded:
    """CROWN in a memory that holds `room` boxes."""

    def __init__(self, room: int) -> None:
        self.room, self.sizes = room, []

    def run(self, engine, lower, upper, rows):
        self.sizes.append(len(lower))
        if len(lower) > self.room:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        return Crown().run(engine, lower, upper, rows)


@pytest.mark.parametrize("name", ["mlp-relu", "cnn"])
def test_a_batch_that_does_not_fit_is_split_and_gives_the_same_numbers(name):
    target, crowded = Target.label(0), Crowded(2)
    low, high = boxes_of(name, 7)
    told = []
    split = bounded(
        name, low, high, target, crowded, progress=lambda *words: told.append(words[1:])
    )
    whole = bounded(name, low, high, target, "crown")
    assert max(crowded.sizes) == 7
    assert crowded.sizes[-1] <= 2
    room = split.allowance + whole.allowance
    assert split.upper.shape == whole.upper.shape
    assert (np.abs(split.upper - whole.upper) <= room).all()
    assert (np.abs(split.lower - whole.lower) <= room).all()
    assert told[-1] == (7, 7)


def test_one_box_that_does_not_fit_is_an_error_that_says_what_helps():
    low, high = boxes_of("mlp-relu", 3)
    with pytest.raises(OutOfMemoryError, match="interval"):
        bounded("mlp-relu", low, high, Target.label(0), Crowded(0))


def test_other_runtime_errors_pass():
    class Broken:
        def run(self, *given):
            raise RuntimeError("a bug")

    low, high = boxes_of("mlp-relu", 1)
    with pytest.raises(RuntimeError, match="a bug"):
        bounded("mlp-relu", low, high, Target.label(0), Broken())


@pytest.mark.parametrize("end", [np.nan, np.inf])
def test_a_method_that_gives_no_number_is_an_error(end):
    class Empty:
        def run(self, engine, lower, upper, rows):
            found = Crown().run(engine, lower, upper, rows)
            found.upper[0, 0] = end
            return found

    low, high = boxes_of("mlp-relu", 1)
    with pytest.raises(BoundFailedError):
        bounded("mlp-relu", low, high, Target.label(0), Empty())


# Known traps.


@pytest.mark.parametrize("k", [1, 10, 50, 200])
@pytest.mark.parametrize("method", METHODS)
def test_a_softmax_inside_with_wide_logits_stays_sound(method, k):
    """auto_LiRPA's own interval of Softmax is wrong by 1.0 here for k >= 50."""
    network = loaded(small.kilo_softmax(k))
    center = np.array([0.9, 0.5, 0.1], "f4").astype(float)
    box = Box.around(center, 0.5)
    for target in (Target.label(0), Target.rows(np.eye(3)), Target.rows(-np.eye(3))):
        try:
            found = bound(network, box.lower[None], box.upper[None], target, method)
        except UnsupportedBoundError as refusal:
            pytest.skip(f"refused: {refusal}")
        points = [*oracle.corners(box), center]
        points += list(np.random.default_rng(0).uniform(box.lower, box.upper, (20, 3)))
        assert (lower_at(network, np.stack(points), target) <= found.upper[0]).all()
    assert found.lower.min() > -1.1
    assert found.upper.max() < 0.1


@pytest.mark.parametrize("method", ["crown", "crown-ibp", "tightest"])
def test_adaptive_slopes_are_not_monotone(method):
    """Why these are not among the monotone methods: a smaller box with a looser bound.

    The slope below a ReLU is 0 or 1, whichever leaves less area, and the switch from one to the
    other may hurt. Both bounds are sound; EVA cuts every sub-box's bound with its parent's.
    """
    network, target = loaded(mlp((2, 4, 4, 2), seed=35)), Target.pair(0, 1)
    center = np.array([0.125, -0.75])
    wide, narrow = Box.around(center, [0.5, 1.0]), Box.around(center, [0.375, 0.625])
    assert (wide.lower <= narrow.lower).all()
    assert (narrow.upper <= wide.upper).all()
    uppers = [
        bound(network, box.lower[None], box.upper[None], target, method).overlap_upper[0]
        for box in (wide, narrow)
    ]
    assert uppers[1] > uppers[0] + 0.1
    for upper, box in zip(uppers, (wide, narrow), strict=True):
        assert oracle.by_integers(network, box, target).exact <= Fraction(float(upper))


# Without the allowance the alarm fires.


def unwidened(network, dtype):
    """The network with an engine that leaves the allowances out (engines are kept with it)."""
    Engine.of(network, dtype, "cpu").widen = False
    return network


@pytest.mark.parametrize("engine", ["parent", "per-group"])
@pytest.mark.parametrize("method", ["crown", "crown-ibp"])
def test_without_the_allowance_the_alarm_fires_and_with_it_never(method, engine):
    """A point box, bounded in float32: its best point's value is known far better than that."""
    everything = Groups((16,), (np.arange(16),), ("all",))
    alarms = {True: 0, False: 0}
    for widen in (True, False):
        network = loaded(mlp((16, 24, 24, 3), seed=7))
        if not widen:
            unwidened(network, "float32")
        for seed in range(12):
            box = Box.around(small.center(network, seed), 0.0)
            query = Query(network, box, Target.label(seed % 3), everything)
            eva = EVA(method, engine, "float32", "cpu", steps=1, restarts=1)
            try:
                eva.explain(query)
            except SoundnessAlarm:
                alarms[widen] += 1
    assert alarms[True] == 0
    assert alarms[False] > 0


@pytest.mark.parametrize("method", METHODS)
def test_without_the_allowance_a_float64_bound_is_below_the_exact_value(method):
    below = {True: 0, False: 0}
    for widen in (True, False):
        network, target = loaded(mlp((16, 24, 24, 3), seed=7)), Target.label(0)
        if not widen:
            unwidened(network, "float64")
        points = np.stack([small.center(network, seed) for seed in range(12)])
        try:
            found = bound(network, points, points, target, method, device="cpu")
        except UnsupportedBoundError as refusal:
            pytest.skip(f"refused: {refusal}")
        for point, upper in zip(points, found.upper, strict=True):
            exact = oracle.exact_rows(network, point, target)
            below[widen] += sum(
                Fraction(float(u)) < true for u, true in zip(upper, exact, strict=True)
            )
    assert below[True] == 0
    assert below[False] > 0
