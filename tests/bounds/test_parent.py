"""One parent pass serves every group: laws of `mathematics`, section 4."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.small import normalised, pooled, softmax_inside
from networks import cnn, loaded, mlp, residual
from oracle import exact_overlap, exact_overlaps

from verixplain.attack.pgd import PGD
from verixplain.bounds import Engine, bound, lower_at
from verixplain.bounds import parent as parent_module
from verixplain.bounds.enclosure import enclose
from verixplain.bounds.parent import bound_groups
from verixplain.bounds.slack import Slack
from verixplain.errors import OutOfMemoryError
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

NETWORKS = {
    "mlp": lambda: mlp((4, 8, 8, 3)),
    "leaky": lambda: mlp((4, 8, 8, 3), "LeakyRelu"),
    "sigmoid": lambda: mlp((4, 8, 8, 3), "Sigmoid"),
    "tanh": lambda: mlp((4, 8, 8, 3), "Tanh"),
    "cnn": cnn,
    "residual": residual,
    "pooled": lambda: pooled(2),
    "overlapping pools": lambda: pooled(1, 3),
    "softmax inside": softmax_inside,
    "layer normalisation": normalised,
}
SETTINGS = {
    "crown": {},
    "crown-ibp": {"intermediate": "ibp"},
    "alpha-crown": {"iterations": 5},
}


def question(name: str, radius: float = 0.2, groups: str = "columns") -> Query:
    network = loaded(NETWORKS[name]())
    x = np.random.default_rng(1).uniform(0.2, 0.8, network.input_shape).astype("f4")
    box = Box.around(x, radius, (0.0, 1.0))
    found = Groups.columns(network.input_shape)
    if groups == "overlapping":
        size = x.size
        members = [np.arange(size), np.array([], int), np.arange(size // 2), np.arange(1, size)]
        found = Groups(network.input_shape, tuple(members), ("all", "none", "half", "most"))
    return Query(network, box, Target.label(int(network(x[None])[0].argmax())), found)


def parent(query: Query, dtype: str = "float64", **chosen):
    engine = Engine.of(query.network, dtype, "cpu")
    return bound_groups(engine, query.box, query.groups, query.target, **chosen)


def per_group(query: Query, method: str = "crown", dtype: str = "float64") -> np.ndarray:
    held = query.groups.memberships().reshape(-1, *query.box.center.shape)
    lower = np.where(held, query.box.center, query.box.lower)
    upper = np.where(held, query.box.center, query.box.upper)
    found = bound(query.network, lower, upper, query.target, method, dtype=dtype, device="cpu")
    return found.overlap_upper


@pytest.fixture(params=sorted(NETWORKS))
def name(request):
    return request.param


@pytest.fixture(params=sorted(SETTINGS))
def chosen(request):
    return SETTINGS[request.param]


@pytest.mark.parametrize("groups", ["columns", "overlapping"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_attacked_point_of_a_sub_box_exceeds_its_bound(name, chosen, groups, dtype):
    query = question(name, groups=groups)
    found = parent(query, dtype, **chosen)
    attack = PGD(steps=15, restarts=3, batch=64)
    for held in (query.groups.memberships(), np.zeros((1, query.box.center.size), bool)):
        upper = found.groups if len(held) > 1 else [found.parent.max()]
        witnesses = attack.run(query, held, device="cpu")
        assert (witnesses.lower <= upper).all()


def test_the_refined_bound_is_never_above_the_shared_one(name, chosen):
    query = question(name)
    found = parent(query, **chosen)
    assert (found.groups <= found.shared.max(axis=0)).all()


def test_the_box_itself_is_bounded_as_by_crown(name):
    query = question(name)
    whole = bound(
        query.network, query.box.lower[None], query.box.upper[None], query.target, device="cpu"
    )
    found = parent(query)
    np.testing.assert_allclose(found.parent, whole.upper[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(name for name in NETWORKS if "pool" not in name))
def test_interval_intermediate_bounds_are_never_looser_than_every_group_alone(name):
    """Not for pools: of numbers with one lower end, rounding decides which the lower line takes."""
    query = question(name)
    found = parent(query, intermediate="ibp")
    # The shared coefficients may be tighter still: of both, the minimum is taken.
    assert (found.groups <= per_group(query, "crown-ibp") + 1e-8).all()


def test_without_unstable_neurons_it_is_the_bound_of_every_group_alone():
    query = question("mlp", radius=1e-4)
    found = parent(query)
    np.testing.assert_allclose(found.groups, per_group(query), rtol=0, atol=1e-11)


def test_a_batch_of_groups_is_its_members(name, chosen, monkeypatch):
    query = question(name)
    together = parent(query, **chosen)
    monkeypatch.setattr(parent_module, "_GROUPS", 1)
    alone = parent(query, **chosen)
    np.testing.assert_allclose(together.groups, alone.groups, rtol=1e-9, atol=1e-9)


def test_a_group_of_everything_is_a_point_and_an_empty_one_is_the_box(name):
    query = question(name, groups="overlapping")
    found = parent(query)
    everything, nothing = found.groups[0], found.groups[1]
    center = query.box.center[None]
    point = bound(query.network, center, center, query.target, device="cpu").overlap_upper[0]
    value = lower_at(query.network, center, query.target).max()  # rigorous, so without tolerance
    assert everything >= value
    assert everything <= point + 1e-6 * (1 + abs(point))
    assert nothing == pytest.approx(found.parent.max(), abs=1e-9)


def test_groups_that_leave_inputs_out_and_radii_per_feature_are_served():
    network = loaded(cnn())
    x = np.random.default_rng(2).uniform(0.2, 0.8, network.input_shape).astype("f4")
    radius = np.random.default_rng(3).uniform(0, 0.3, network.input_shape)
    radius.flat[::3] = 0.0
    groups = Groups(network.input_shape, (np.array([0, 3]), np.array([5])), ("fixed", "five"))
    query = Query(network, Box.around(x, radius), Target.pair(0, 1), groups)
    found = parent(query)
    assert found.groups[0] == pytest.approx(found.parent.max(), abs=1e-9)  # it could not move
    witnesses = PGD(restarts=4).run(query, groups.memberships(), device="cpu")
    assert (witnesses.lower <= found.groups).all()


def test_memory_running_out_changes_numbers_by_rounding_only(monkeypatch):
    query = question("cnn")
    expected = parent(query).groups
    original = parent_module.Parent._refined

    def refined(self, part, rows):
        if len(part) > 2:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        return original(self, part, rows)

    monkeypatch.setattr(parent_module.Parent, "_refined", refined)
    np.testing.assert_allclose(parent(query).groups, expected, rtol=1e-9, atol=1e-9)

    def never(self, part, rows):
        raise RuntimeError("DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(parent_module.Parent, "_refined", never)
    with pytest.raises(OutOfMemoryError, match="not even one group"):
        parent(query)


def test_row_pruning_changes_nothing(monkeypatch):
    query = question("mlp", radius=0.4)
    pruned = parent(query)
    rows = len(pruned.parent)
    assert pruned.rows_evaluated < rows * len(query.groups)
    engine = Engine.of(query.network, "float64", "cpu")
    one_by_one = [
        bound_groups(engine, query.box, query.groups, Target.pair(query.target.label_index, k))
        for k in range(query.network.outputs)
        if k != query.target.label_index
    ]
    largest = np.max([found.groups for found in one_by_one], axis=0)
    np.testing.assert_allclose(pruned.groups, largest, rtol=1e-9, atol=1e-9)


def test_optimised_slopes_are_never_looser_over_the_box(name):
    query = question(name, radius=0.4)
    assert (parent(query, iterations=10).parent <= parent(query).parent + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.6), st.sampled_from(["Relu", "LeakyRelu"]))
def test_it_holds_the_exact_overlap_of_random_networks(seed, radius, activation):
    network = loaded(mlp((3, 4, 3, 2), activation, seed=seed))
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, 3).astype("f4")
    groups = Groups((3,), (np.array([0]), np.array([1, 2]), np.array([2])), ("a", "b", "c"))
    query = Query(network, Box.around(x, radius), Target.label(int(rng.integers(2))), groups)
    exact = exact_overlaps(network, query.box, query.target, groups.members)
    found = parent(query)
    for upper, truth in zip([found.parent.max(), *found.groups], exact, strict=True):
        assert Fraction(float(upper)) >= truth.exact


def test_without_the_allowance_a_point_box_breaks_its_bound():
    """The mutation that the allowance is there for: some exact value lies above the bound."""
    broken = 0
    for seed in range(40):
        network = loaded(mlp((6, 16, 16, 3), seed=seed))
        x = np.random.default_rng(seed).uniform(0, 1, 6).astype("f4")
        query = Query(network, Box.around(x, 0.0), Target.label(0), Groups.columns((6,)))
        truth = exact_overlap(network, query.box.center, query.target)
        engine = Engine(network, network.plan, torch.float64, "cpu")
        engine.widen = False
        bare = bound_groups(engine, query.box, query.groups, query.target)
        # What is reported is rounded up once more; take that step back.
        broken += Fraction(float(np.nextafter(bare.parent.max(), -np.inf))) < truth
        engine = Engine(network, network.plan, torch.float64, "cpu")
        widened = bound_groups(engine, query.box, query.groups, query.target)
        assert Fraction(float(widened.parent.max())) >= truth
    assert broken > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_cpu_and_the_gpu_agree(name):
    query = question(name)
    here = bound_groups(
        Engine.of(query.network, "float64", "cpu"), query.box, query.groups, query.target
    )
    there = bound_groups(
        Engine.of(query.network, "float64", "cuda"), query.box, query.groups, query.target
    )
    np.testing.assert_allclose(here.groups, there.groups, rtol=1e-9, atol=1e-9)


def run_parent(query: Query) -> parent_module.Parent:
    engine = Engine.of(query.network, "float64", "cpu")
    found = parent_module.Parent(engine, query.box, query.groups, query.target, "crown", None, None)
    with torch.no_grad():
        found.run(0)
    return found


def test_no_neuron_of_a_sub_box_leaves_its_interval(name):
    """Corners of every B_u: what is proved of single neurons, not only of the rows."""
    query = question(name, groups="overlapping")
    found, box, rng = run_parent(query), query.box, np.random.default_rng(0)
    for u, members in enumerate(query.groups.members):
        points = np.where(rng.random((300, *box.lower.shape)) < 0.5, box.lower, box.upper)
        points.reshape(300, -1)[:, members] = box.center.ravel()[members]
        here = torch.as_tensor(points)
        values = enclose(found.engine.exact, here, here, True)
        for value, tight in found.tight.items():
            low, high = (
                end.flatten(1)[:, tight.index] for end in (values[value].lower, values[value].upper)
            )
            assert (high >= tight.lower[u]).all()
            assert (low <= tight.upper[u]).all()


def test_what_lines_are_off_tightens_neurons_behind_them(monkeypatch):
    query = question("cnn", groups="overlapping")
    found = run_parent(query)
    monkeypatch.setattr(Slack, "gain", lambda self, rows, side: rows.new_zeros(1, len(rows)))
    plain = run_parent(query)
    last = list(found.tight)[-1]
    assert (found.tight[last].upper <= plain.tight[last].upper).all()
    assert (found.tight[last].upper < plain.tight[last].upper - 1e-3).any()
    assert (found.tight[last].lower > plain.tight[last].lower + 1e-3).any()
