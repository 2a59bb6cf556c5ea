"""What a row's floor says of neurons: never against points above it, in exact rationals."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import cnn, loaded, mlp
from oracle import exact_rows, exact_values

from verixplain.bounds import Engine
from verixplain.bounds.enclosure import enclose
from verixplain.bounds.superlevel import Piece, Superlevel
from verixplain.errors import UnsupportedBoundError
from verixplain.query import Box, Target


def made(network, box: Box, floor: float) -> tuple[Superlevel, Piece, Target]:
    """The superlevel set of the first row, and the whole box as its piece."""
    engine, target = Engine.of(network, "float64", "cpu"), Target.label(0)
    matrix, offsets = target.matrix(network.outputs)
    row = engine.tensor(matrix[:1]).reshape(1, *engine.exact.shapes[engine.exact.output])
    ends = engine.tensor(box.lower), engine.tensor(box.upper)
    plain = enclose(engine.exact, ends[0][None], ends[1][None])
    values = {n: (plain[n].lower, plain[n].upper) for n in engine.exact.relaxed_inputs()}
    return Superlevel(engine, *ends, row, float(offsets[0]), floor), Piece(values), target


def high_points(network, box: Box, target: Target, seed: int) -> list[np.ndarray]:
    """Points of the box, those first where the first row is largest."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(box.lower, box.upper, (40, *box.center.shape)).astype("f4")
    points[:20] = np.where(rng.random(points[:20].shape) < 0.5, box.lower, box.upper)
    points = [p for p in points if ((box.lower <= p) & (p <= box.upper)).all()]
    return sorted(points, key=lambda p: -exact_rows(network, p, target)[0])


@settings(max_examples=30, deadline=None)
@example(274, 0.5, "Relu")
@given(st.integers(0, 100_000), st.floats(0.05, 0.8), st.sampled_from(["Relu", "LeakyRelu"]))
def test_points_above_the_floor_are_in_some_piece(seed, radius, activation):
    network = loaded(mlp((3, 5, 4, 2), activation, seed=seed))
    box = Box.around(np.random.default_rng(seed).uniform(0, 1, 3).astype("f4"), radius)
    points = high_points(network, box, Target.label(0), seed)
    floor = float(exact_rows(network, points[len(points) // 4], Target.label(0))[0])
    level, piece, target = made(network, box, np.nextafter(floor, -np.inf))
    pieces = [piece]
    for _ in range(3):
        tight = [level.tightened(one) for one in pieces]
        known = [one for one in tight if one is not None]
        for point in points:
            if exact_rows(network, point, target)[0] < level.floor:
                continue
            values = exact_values(Engine.of(network, "float64", "cpu").exact, point)
            assert any(holds(one, values) for one in known)
            flat = torch.as_tensor(point, dtype=torch.float64).flatten()[None]
            most = max(float(level.most(one, flat, flat)[0]) for one in known)
            assert exact_rows(network, point, target)[0] <= most
        pieces = [half for one in known for half in one.halves() or [one]]


def holds(piece: Piece, values: dict) -> bool:
    """Whether every value of a point lies in the piece's intervals, exactly."""
    return all(
        low <= number <= high
        for name, ends in piece.values.items()
        for number, low, high in zip(
            values[name].ravel(), *(end.flatten().tolist() for end in ends), strict=True
        )
    )


def test_a_floor_tightens_what_the_box_alone_does_not():
    widths = [0.0, 0.0]
    for seed in range(8):
        network = loaded(mlp((6, 8, 8, 2), seed=seed))
        box = Box.around(np.full(6, 0.5, "f4"), 0.2)
        points = high_points(network, box, Target.label(0), 0)
        top = float(exact_rows(network, points[0], Target.label(0))[0])
        for place, floor in enumerate((-1e3, top)):
            level, piece, _ = made(network, box, floor)
            tight = level.tightened(piece)
            assert tight is not None
            widths[place] += sum(float((end[1] - end[0]).sum()) for end in tight.values.values())
    assert widths[1] < widths[0]


def test_above_every_value_there_is_no_point():
    network = loaded(cnn())
    level, piece, _ = made(network, Box.around(np.full(network.input_shape, 0.5, "f4"), 0.1), 1e6)
    assert level.tightened(piece) is None


def test_a_network_without_phases_is_refused():
    network = loaded(mlp(activation="Sigmoid"))
    with pytest.raises(UnsupportedBoundError, match="phases"):
        made(network, Box.around(np.full(network.input_shape, 0.5, "f4"), 0.1), 0.0)
