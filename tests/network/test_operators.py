"""Laws over every operator that has a converter, with ONNX's own test cases as the oracle."""

import re
import warnings
from collections import defaultdict

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from verixplain.errors import UnsupportedOperatorError
from verixplain.network.graph import Node, Site
from verixplain.network.load import array_of
from verixplain.network.operators import _table as table
from verixplain.network.primitives import Affine, Plan, Univariate

OLDEST = 7
NEWEST = onnx.defs.onnx_opset_version()
FLOATS = (np.float32, np.float64)

REFUSED: dict[str, tuple[str, ...]] = {
    "BatchNormalization": ("training_mode is 1",),
    "Dropout": ("training_mode is true", "ratio.* varies"),
    "Gemm": ("a bias of shape", "transA on an input that varies"),
    "MaxPool": ("the output Indices",),
    "Resize": (
        "align_corners with a length of 1.2",
        "mode 'cubic'",
        "coordinate_transformation_mode 'tf_crop_and_resize'",
        "antialias",
        "keep_aspect_ratio_policy 'not_larger'",
        "keep_aspect_ratio_policy 'not_smaller'",
    ),
}
"""Per operator: patterns of the refusals that ONNX's own cases run into, each met at least once."""

ROUGH = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}
"""Cases whose expected numbers ONNX gives to four digits, with the tolerance they need."""

SKIPPED = {
    "expanded": "the operator spelt out as a function of others",
    "no float input": "nothing that could vary with a network's input",
    "no float output": "a result that a network cannot go on with",
    "empty": "a tensor without numbers",
}

REVIEWED: dict[str, int] = {
    "Abs": 13,
    "Add": 14,
    "AveragePool": 22,
    "BatchNormalization": 15,
    "Cast": 28,
    "Celu": 28,
    "Clip": 13,
    "Concat": 13,
    "Conv": 22,
    "ConvTranspose": 22,
    "Div": 14,
    "Dropout": 22,
    "Elu": 22,
    "Equal": 19,
    "Erf": 13,
    "Exp": 13,
    "Expand": 13,
    "Flatten": 25,
    "Gather": 13,
    "Gelu": 20,
    "Gemm": 13,
    "GlobalAveragePool": 22,
    "Greater": 13,
    "GreaterOrEqual": 16,
    "HardSigmoid": 22,
    "HardSwish": 22,
    "Identity": 25,
    "LayerNormalization": 17,
    "LeakyRelu": 16,
    "Less": 13,
    "LessOrEqual": 16,
    "Log": 13,
    "LogSoftmax": 13,
    "MatMul": 13,
    "Max": 13,
    "MaxPool": 22,
    "Min": 13,
    "Mish": 22,
    "Mul": 14,
    "Neg": 13,
    "PRelu": 16,
    "Pad": 25,
    "Pow": 15,
    "Reciprocal": 13,
    "ReduceMean": 18,
    "ReduceSum": 13,
    "Relu": 14,
    "Reshape": 25,
    "Resize": 19,
    "Selu": 22,
    "Sigmoid": 13,
    "Slice": 13,
    "Softmax": 13,
    "Softplus": 22,
    "Softsign": 22,
    "Split": 18,
    "Sqrt": 13,
    "Squeeze": 25,
    "Sub": 14,
    "Sum": 13,
    "Swish": 24,
    "Tanh": 13,
    "ThresholdedRelu": 22,
    "Tile": 13,
    "Transpose": 25,
    "Unsqueeze": 25,
    "Upsample": 10,
    "Where": 16,
}
"""Newest version of each operator's definition that its converter was checked against."""


def skipped(case) -> str | None:
    """Why a case says nothing about a converter; a key of SKIPPED."""
    inputs, outputs = case.data_sets[0]
    if "_expanded" in case.name or len(case.model.graph.node) != 1:
        return "expanded"
    if not any(np.asarray(array).dtype in FLOATS for array in inputs):
        return "no float input"
    if np.asarray(outputs[0]).dtype not in (*FLOATS, np.bool_):
        return "no float output"
    data = [np.asarray(array) for array in (inputs[0], *outputs)]
    return "empty" if any(array.size == 0 for array in data) else None


class Cases(defaultdict):
    """ONNX's node cases by operator."""

    def __repr__(self) -> str:  # pytest prints arguments: not millions of numbers
        return f"cases of {len(self)} operators"


@pytest.fixture(scope="session")
def cases() -> Cases:
    from onnx.backend.test.case.node import collect_testcases

    found = Cases(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases():
            found[case.model.graph.node[0].op_type].append(case)
    return found


def node_of(case) -> Node:
    """The case's one node, as the loader would read it."""
    raw = case.model.graph.node[0]
    opset = next(e.version for e in case.model.opset_import if e.domain in ("", "ai.onnx"))
    attributes = {}
    for attribute in raw.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, onnx.TensorProto):
            value = array_of(value)
        attributes[attribute.name] = value
    return Node("node", raw.op_type, opset, tuple(raw.input), tuple(raw.output), attributes)


def arrays_of(values) -> list:
    return [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]


class Run:
    """A case with some of its inputs varying and the others as constants."""

    def __init__(self, case, all_vary: bool) -> None:
        self.name, self.node, (inputs, outputs) = case.name, node_of(case), case.data_sets[0]
        names = [value.name for value in case.model.graph.input]
        values = dict(zip(names, map(np.asarray, arrays_of(inputs)), strict=True))
        floats = [name for name in self.node.inputs if name and values[name].dtype in FLOATS]
        chosen = floats if all_vary else floats[:1]
        self.inputs = {name: values.pop(name) for name in chosen}
        self.expected = [np.asarray(array) for array in arrays_of(outputs)]
        self.shapes = {name: array.shape for name, array in self.inputs.items()}
        self.site = Site(self.node, values, self.shapes)
        self.converter = table.at(self.node.operator, self.node.opset)
        module = self.converter.build(self.site)
        self.module = module.eval()
        self.varying = [self.node.inputs[k] for k in self.site.varying]

    def results(self, dtype: torch.dtype | None = None) -> list[torch.Tensor]:
        tensors = [torch.from_numpy(self.inputs[name].copy()) for name in self.varying]
        module = self.module if dtype is None else self.module.to(dtype)
        tensors = tensors if dtype is None else [x.to(dtype) for x in tensors]
        with torch.no_grad():
            results = module(*tensors)
        results = [results] if isinstance(results, torch.Tensor) else list(results)
        named = zip(self.node.outputs, results, strict=False)
        self.shapes.update({name: tuple(result.shape) for name, result in named})
        return results

    def agrees(self) -> None:
        for ours, theirs in zip(self.results(), self.expected, strict=False):
            assert tuple(ours.shape) == theirs.shape
            assert ours.numpy().dtype == theirs.dtype
            rtol = ROUGH.get(self.name, 1e-5)
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=rtol, atol=1e-6)

    def lowers(self) -> bool:
        """Compare the primitives with the module in float64, where both have a batch."""
        module = self.results(torch.float64)
        used = {name: self.shapes[name] for name in self.varying}
        if any(shape[:1] != (1,) for shape in used.values()):
            return False
        if self.converter.mixes_batch(self.site) is not None:
            return False
        plan = Plan(self.varying[0])
        plan.node = "node"
        names = self.converter.lower(self.site, plan)
        names = (names,) if isinstance(names, str) else names
        values = {name: torch.from_numpy(self.inputs[name]).double() for name in self.varying}
        for step in plan.steps:
            kind = step.kind.double() if isinstance(step.kind, Affine) else step.kind
            function = kind.function if isinstance(kind, Univariate) else kind
            values[step.name] = function(*[values[name] for name in step.inputs])
        for name, result in zip(names, module, strict=False):
            found = values[plan.resolve(name)]
            assert found.shape == result.shape
            np.testing.assert_allclose(found, result.double(), rtol=1e-9, atol=1e-12)
        return True


@pytest.mark.parametrize("operator", table.names())
def test_onnx_own_cases_agree_or_are_refused_by_name(operator, cases):
    wrong, refused, met, patterns = [], [], set(), REFUSED.get(operator, ())
    for case in cases[operator]:
        if skipped(case) is not None:
            continue
        for all_vary in (False, True):
            try:
                run = Run(case, all_vary)
                run.agrees()
            except UnsupportedOperatorError as error:
                hits = {p for p in patterns if re.search(p, str(error))}
                met |= hits
                if not hits and not all_vary:
                    refused.append(f"{case.name}: {error}")
                continue
            except Exception as error:
                wrong.append(f"{case.name}: {type(error).__name__} {str(error)[:300]}")
                continue
            try:
                run.lowers()
            except UnsupportedOperatorError as error:
                met |= {p for p in patterns if re.search(p, str(error))}
            except Exception as error:
                wrong.append(f"{case.name}, lowered: {type(error).__name__} {str(error)[:300]}")
    assert not wrong, "\n".join(wrong)
    assert not refused, "not on the list of refusals:\n" + "\n".join(refused)
    assert met == set(patterns), f"no case is refused with {set(patterns) - met} any more"


def test_the_list_of_refusals_names_only_operators_with_a_converter():
    assert set(REFUSED) <= set(table.names())


def test_every_reason_to_skip_a_case_is_met(cases):
    met = {skipped(case) for name in table.names() for case in cases[name]}
    assert met - {None} == set(SKIPPED)


def versions(operator: str) -> list[int]:
    """Every opset at which ONNX changed the operator."""
    schemas = onnx.defs.get_all_schemas_with_history()
    return sorted(s.since_version for s in schemas if s.name == operator and s.domain == "")


@pytest.mark.parametrize("operator", table.names())
def test_every_version_of_an_operator_is_served_or_refused(operator):
    history = versions(operator)
    assert history, f"ONNX has no operator {operator}"
    for opset in range(max(OLDEST, history[0]), NEWEST + 1):
        table.at(operator, opset)  # raises where there is none
    for since in table._versions[operator]:
        assert since <= NEWEST
    assert REVIEWED.get(operator) == history[-1], (
        f"ONNX defines {operator} anew since opset {history[-1]}; read what changed, serve or "
        "refuse it, and note the version in REVIEWED"
    )


def test_an_opset_before_the_first_converter_is_refused():
    with pytest.raises(UnsupportedOperatorError, match="first supported at opset 8"):
        table.at("Expand", 7)
