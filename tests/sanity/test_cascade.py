import networks
import numpy as np
from onnx import helper

from tests.attribution.settings import digits, query
from verixplain.attribution._weights import Weights
from verixplain.sanity.cascade import Cascade


def test_layers_are_drawn_anew_from_the_last_down_and_stay_so():
    of, inputs = digits()
    before = {name: array.copy() for name, array in of.graph.constants.items()}
    layers = list(Weights().layers_of(of).items())[::-1]
    found = list(Cascade().variants(query(of, inputs[0])))
    assert [one.name for one in found] == [f"down to {layer}" for layer, _ in layers]
    assert found[-1].level == 1
    drawn: set[str] = set()
    for variant, (_, names) in zip(found, layers, strict=True):
        drawn |= set(names)
        constants = variant.query.network.graph.constants
        for name in Weights().names(of):
            same = np.array_equal(constants[name], before[name])
            assert same == (name not in drawn), name
    last = found[-1].query.network.graph.constants
    for name in layers[0][1]:  # drawn once, not again at every step
        np.testing.assert_array_equal(last[name], found[0].query.network.graph.constants[name])
    for name, array in of.graph.constants.items():
        np.testing.assert_array_equal(array, before[name])


def test_new_weights_have_mean_and_deviation_of_the_old_ones():
    of, inputs = digits()
    after = list(Cascade().variants(query(of, inputs[0])))[-1].query.network.graph.constants
    for name in Weights(biases=False).names(of):
        old, new = of.graph.constants[name], after[name]
        assert abs(new.std() / old.std() - 1) < 4 / old.size**0.5
        assert abs(new.mean() - old.mean()) < 5 * old.std() / old.size**0.5


def test_a_seed_decides_the_weights():
    of, inputs = digits()
    first, again, other = (
        next(Cascade(seed).variants(query(of, inputs[0]))).query.network(inputs[:1])
        for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_a_bias_that_is_added_belongs_to_the_layer_before_it():
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["centered"], "centre"),
        helper.make_node("MatMul", ["centered", "w"], ["s"], "first"),
        helper.make_node("Add", ["s", "b"], ["a"], "bias"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "v"], ["y"], "second"),
    ]
    shapes = {"mean": (4,), "w": (4, 5), "b": (5,), "v": (5, 3)}
    generator = np.random.default_rng(0)
    constants = {name: generator.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    of = networks.loaded(networks.model(nodes, constants))
    assert Weights().layers_of(of) == {"first": ["w", "b"], "second": ["v"]}
    assert Weights().names(of) == ["w", "b", "v"]
