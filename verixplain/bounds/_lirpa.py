"""The one door to auto_LiRPA: building its graph, calling it, and putting back what it changes.

Nothing else imports auto_LiRPA. Its graph is built straight from our primitives, through the one
seam it has (`parse_module`), so neither TorchScript nor torchvision is involved. Primitives that
it has no sound or general rule for come with rules of our own (`_operators`).

Differences between its versions, and what 0.3 needs on a current stack, stay in this file.
"""

import contextlib
import importlib
import io
import os
import sys
import traceback
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.bounds._operators import operators
from verixplain.bounds.enclosure import UNIT, Interval, Rounding
from verixplain.errors import (
    BoundFailedError,
    MissingDependencyError,
    UnsupportedBoundError,
    VerixplainError,
)
from verixplain.network.primitives import (
    Affine,
    Conv,
    Kind,
    Linear,
    MatrixProduct,
    MaxPool,
    Plan,
    Product,
    Rearrange,
    Sum,
    Univariate,
)

INSTALL = "pip install --no-deps auto-LiRPA==0.3"
METHODS = {"crown": "CROWN", "crown-ibp": "CROWN-IBP", "alpha-crown": "CROWN-Optimized"}


@contextlib.contextmanager
def undisturbed(dtype: torch.dtype | None = None) -> Iterator[None]:
    """Run foreign code without letting it change this process: prints, switches, warnings.

    Args:
        dtype: torch's default dtype meanwhile; auto_LiRPA makes tensors without saying one.
    """
    filters, grads = list(warnings.filters), torch.is_grad_enabled()
    default, tf32 = torch.get_default_dtype(), torch.backends.cuda.matmul.allow_tf32
    profiling = torch._C._jit_set_profiling_executor(True)
    torch._C._jit_set_profiling_executor(profiling)
    mode = torch._C._jit_set_profiling_mode(True)
    torch._C._jit_set_profiling_mode(mode)
    try:
        if dtype is not None:
            torch.set_default_dtype(dtype)
        torch.backends.cuda.matmul.allow_tf32 = False
        warnings.simplefilter("ignore")
        # cuDNN and NNPACK may pick Winograd or TF32, whose rounding no allowance covers.
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            torch.backends.cudnn.flags(enabled=dtype is torch.float64, allow_tf32=False),
            torch.backends.nnpack.flags(enabled=False),
        ):
            yield
    finally:
        cast(list, warnings.filters)[:] = filters
        torch.set_grad_enabled(grads)
        torch.set_default_dtype(default)
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch._C._jit_set_profiling_executor(profiling)
        torch._C._jit_set_profiling_mode(mode)


@dataclass(frozen=True)
class Library:
    """The imported library: its names that are used here."""

    version: str
    general: Any
    parse: Any
    base: Any
    patches: Any


@lru_cache(maxsize=1)
def library() -> Library:
    """Import auto_LiRPA, from `VERIXPLAIN_AUTO_LIRPA` (a checkout) or as installed.

    Raises:
        MissingDependencyError: it is not installed; the message has the command.
    """
    checkout = os.environ.get("VERIXPLAIN_AUTO_LIRPA")
    if checkout:
        sys.path.insert(0, checkout)
    _prepare()
    try:
        with undisturbed():
            package = importlib.import_module("auto_LiRPA")
            general = importlib.import_module("auto_LiRPA.bound_general")
            parse = importlib.import_module("auto_LiRPA.parse_graph")
            base = importlib.import_module("auto_LiRPA.operators.base")
            patches = importlib.import_module("auto_LiRPA.patches")
    except ModuleNotFoundError as error:
        missing = error.name or "auto_LiRPA"
        command = INSTALL if missing == "auto_LiRPA" else f"pip install {missing}"
        raise MissingDependencyError(
            f"certified bounds need {missing}, which is not installed: {command}"
        ) from error
    finally:
        if checkout:
            sys.path.remove(checkout)
    _accept_remove_duplicate(general.BoundedModule)
    version = getattr(package, "__version__", "0.3")
    return Library(version, general, parse, base, patches)


def _prepare() -> None:
    """What 0.3 imports and a current numpy or torch no longer has."""
    if "numpy.lib.arraysetops" not in sys.modules:
        gone = types.ModuleType("numpy.lib.arraysetops")
        gone.isin = np.isin  # type: ignore[attr-defined]
        sys.modules["numpy.lib.arraysetops"] = gone
    import torch.onnx.symbolic_helper as symbolic

    if not hasattr(symbolic, "_set_opset_version"):
        # Only the TorchScript tracer calls it, and that is not used here.
        symbolic._set_opset_version = lambda version: None  # type: ignore[attr-defined]


def _accept_remove_duplicate(module: Any) -> None:
    original = module._named_members
    if "remove_duplicate" in original.__code__.co_varnames or getattr(original, "ours", False):
        return

    def named_members(self, get, prefix="", recurse=True, **_):
        return original(self, get, prefix, recurse)

    named_members.ours = True  # type: ignore[attr-defined]
    module._named_members = named_members


class _Carrier(nn.Module):
    """BoundedModule wants a module that it can call once, for the output's shape."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan

    def forward(self, x: Tensor) -> Tensor:
        return self.plan.run(x)[self.plan.output]


def _parsed(node: Any, plan: Plan) -> tuple[list, list, list[str], None]:
    """The four values of auto_LiRPA's `parse_module`, from our plan."""
    leaves = [
        node(name=plan.input, ori_name="input", inputs=[], attr="", op="Parameter", input_index=0)
    ]
    operations = []
    for step in plan.steps:
        operator, attributes, weights = _native(step.kind, plan.shapes[step.inputs[0]])
        names = list(step.inputs)
        parameters = OrderedDict()
        for number, weight in enumerate(weights):
            name = f"{step.name}.{number}"
            parameter = nn.Parameter(weight, requires_grad=False)
            leaves.append(
                node(name=name, ori_name=name, inputs=[], attr="", op="Parameter", param=parameter)
            )
            parameters[name] = parameter
            names.append(name)
        operations.append(
            node(
                name=step.name,
                op=operator,
                inputs=names,
                attr=attributes,
                param=parameters,
                output_index=0,
            )
        )
    return operations, leaves, [plan.output], None


def _native(kind: Any, shape: tuple[int, ...]) -> tuple[str, dict[str, Any], list[Tensor]]:
    """auto_LiRPA's operator for a primitive, where it has a good one; else one of ours."""
    if isinstance(kind, Linear) and len(shape) == 1:
        bias = kind.bias
        if bias is None:
            bias = torch.zeros(kind.weight.shape[0], dtype=kind.weight.dtype)
        return "onnx::Gemm", {"transB": 1, "alpha": 1.0, "beta": 1.0}, [kind.weight, bias]
    if isinstance(kind, Conv) and not kind.transposed and kind.dimensions == 2:
        pads = [int(p) for p in np.broadcast_to(kind.settings.get("padding", 0), 2)]
        attributes = {
            "kernel_shape": list(kind.weight.shape[2:]),
            "strides": [int(n) for n in np.broadcast_to(kind.settings.get("stride", 1), 2)],
            "dilations": [int(n) for n in np.broadcast_to(kind.settings.get("dilation", 1), 2)],
            "pads": pads + pads,
            "group": int(kind.settings.get("groups", 1)),
        }
        # 0.3 divides by the groups nowhere: only the plain case is trusted to it.
        if attributes["group"] == 1 and set(attributes["dilations"]) == {1}:
            weights = [kind.weight] if kind.bias is None else [kind.weight, kind.bias]
            return "onnx::Conv", attributes, weights
    # It takes every Add for one of feature maps, whose rows it keeps as patches.
    if isinstance(kind, Sum) and kind.signs in ((1, 1), (1, -1)) and len(shape) == 3:
        return ("onnx::Add" if kind.signs[1] > 0 else "onnx::Sub"), {}, []
    if isinstance(kind, Univariate) and kind.native is not None:
        return f"onnx::{kind.native}", dict(kind.parameters), []
    if isinstance(kind, Rearrange) and kind.terms == 0:
        return "verixplain::Move", {"kind": kind}, []
    for ours in (Affine, Univariate, MaxPool, Product, MatrixProduct):
        if isinstance(kind, ours):
            return f"verixplain::{ours.__name__}", {"kind": kind}, []
    raise UnsupportedBoundError(f"no bounds for {type(kind).__name__} of shape {shape}")


@lru_cache(maxsize=1)
def _own_operators() -> dict[str, type]:
    """Our rules for primitives, as classes of auto_LiRPA (made once it is imported)."""
    found = library()
    return operators(found.base, found.patches)


def _weigh(node: Any, rows: Any, size: Tensor) -> Any:
    """`|rows| . size`, whatever form auto_LiRPA keeps its rows in: (rows, batch) or patches."""
    if rows is None:
        return 0
    if torch.is_tensor(rows):
        sizes = rows.flatten(2).abs()
        if len(size) == 1:
            sums = sizes @ size.flatten()
        else:
            sums = (sizes * size.flatten(1)).sum(-1)
        if not bool(torch.isfinite(sums).all()):  # as every size is positive
            raise BoundFailedError(f"coefficients at {node.name!r} are NaN or infinite")
        return sums
    if isinstance(rows, library().patches.Patches):
        if rows.identity == 1:
            if rows.unstable_idx is not None:
                channel, row, column = rows.unstable_idx
                return size[:, channel, row, column].expand(rows.shape[1], -1).t()
            return size.expand(rows.shape[1], *size.shape[1:]).permute(1, 0, 2, 3)
        batch = rows.patches.shape[1]
        return node.get_bias(
            rows.create_similar(rows.patches.abs()), size.expand(batch, *size.shape[1:])
        )
    count, batch = rows.shape[0], rows.shape[1]
    flat = size.flatten(1).expand(batch, -1).t()
    if not hasattr(rows, "coeffs"):  # the identity
        return flat
    if rows.index.ndim == 1:
        return flat[rows.index]
    return flat.gather(0, rows.index.reshape(count, batch))


def _matrix_of(rows: Any, chosen: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Some of the rows of a pass over one box: (chosen, numbers).

    Args:
        rows: in a form of auto_LiRPA's.
        chosen: numbers of rows.
        shape: of what they act on, with a batch of one.
    """
    count = int(np.prod(shape))
    if torch.is_tensor(rows):
        return rows.detach().reshape(-1, count)[chosen]
    if not isinstance(rows, library().patches.Patches) or rows.identity == 1:
        return None
    if rows.unstable_idx is None:
        channels, height, width = rows.output_shape[1:]
        places = chosen // (height * width), chosen // width % height, chosen % width
        pieces = rows.patches.reshape(channels, 1, height, width, *rows.patches.shape[-3:])
        pieces = pieces[places[0], :, places[1], places[2]]
    else:
        places = tuple(place[chosen] for place in rows.unstable_idx)
        pieces = rows.patches[chosen]
    found = rows.create_similar(pieces, unstable_idx=places).to_matrix(shape)
    return found.detach().reshape(-1, count)


def _added(one: Any, two: Any) -> Any:
    """Their sum; where just one is laid out as feature maps (channel, batch, ...), both as rows."""
    if torch.is_tensor(one) and torch.is_tensor(two) and {one.ndim, two.ndim} == {2, 4}:
        one, two = (x.transpose(0, 1).flatten(1).t() if x.ndim == 4 else x for x in (one, two))
    return one + two


@contextlib.contextmanager
def _its_errors(method: str) -> Iterator[None]:
    """Say what failed inside the library, in a class of ours; memory errors pass."""
    try:
        yield
    except (VerixplainError, MemoryError):
        raise
    except (AssertionError, ArithmeticError, AttributeError, LookupError) as error:
        raise _refused(method, error) from error
    except (NotImplementedError, TypeError, ValueError) as error:
        raise _refused(method, error) from error
    except RuntimeError as error:  # shapes that do not fit; memory is the caller's to handle
        if "memory" in str(error).lower():
            raise
        raise _refused(method, error) from error


def _refused(method: str, error: Exception) -> UnsupportedBoundError:
    lines = traceback.extract_tb(error.__traceback__)
    return UnsupportedBoundError(
        f"{method}: auto_LiRPA cannot bound this network ({type(error).__name__} in "
        f"{lines[-1].name}: {str(error)[:200] or 'no message'}); try --bound interval or crown-ibp"
    )


Coefficients = Callable[[Tensor], tuple[Tensor | None, Tensor | None]]
"""Numbers of rows -> their coefficients in the lower and the upper side, (rows, numbers) each; None
where a side is not computed or is not kept as numbers."""


class Watcher(Protocol):
    """Told of every backward pass over one box, as it goes."""

    def begin(self) -> None:
        """A pass begins."""

    def relu(
        self,
        name: str,
        line: tuple[Tensor, Tensor, Tensor],
        coefficients: Coefficients,
    ) -> None:
        """The pass goes through a ReLU.

        Args:
            name: of the ReLU's input.
            line: slope and offset of the line above, and slope of the line below, (numbers,) each.
            coefficients: those of the ReLU's output.
        """

    def rows(
        self,
        name: str,
        index: Tensor,
        lower: Tensor | None,
        upper: Tensor,
        coefficients: Coefficients,
    ) -> None:
        """The pass has ended.

        Args:
            name: the value it started from.
            index: which of its numbers (flattened), in the order of the pass's rows.
            lower, upper: the rows' bounds, (rows,); no lower ones of the output.
            coefficients: those of the input.
        """


class Graph:
    """A plan as auto_LiRPA's bound graph, in one precision on one device.

    Every bound it computes, intermediate ones included, is widened by its rounding as it is made.

    Args:
        plan: affine maps already in `dtype` on `device`.
        exact: the same in float64.
        dtype, device: of everything.
    """

    def __init__(self, plan: Plan, exact: Plan, dtype: torch.dtype, device: str) -> None:
        found = library()
        self.exact = exact
        self._rounding: Rounding | None = None
        self._spent: Any = 0
        self._watcher: Watcher | None = None
        self.plan, self.dtype, self.device = plan, dtype, device
        example = torch.zeros((1, *plan.shapes[plan.input]), dtype=dtype, device=device)
        real, carrier = found.general.parse_module, _Carrier(plan).eval()

        def parse(module, inputs, *rest, **settings):
            return _parsed(found.parse.Node, plan)

        with undisturbed(dtype), torch.no_grad():
            try:
                found.general.parse_module = parse
                self.module = found.general.BoundedModule(
                    carrier,
                    example,
                    device=device,
                    bound_opts={"conv_mode": "patches"},
                    custom_ops=_own_operators(),
                )
            finally:
                found.general.parse_module = real
        # No backward pass (over a dense identity) for values that only change places.
        self.module.ibp_intermediate.append(_own_operators()["verixplain::Move"])
        self.activations = plan.relaxed_inputs()
        for step in plan.steps:
            self._widen(self.module[step.name], step.kind, step.inputs)
        passes = self.module.backward_general

        def one_pass(**settings):
            self._spent = 0
            if self._watcher is not None:
                self._watcher.begin()
            found = passes(**settings)
            if self._watcher is not None and not isinstance(settings["C"], str):
                self._report(settings["node"].name, settings.get("unstable_idx"), *found[:2])
            return found

        self.module.backward_general = one_pass

    def _widen(self, node: Any, kind: Kind, inputs: tuple[str, ...]) -> None:
        """Make one node subtract and add its rounding wherever it takes part in a bound."""
        back, forth = node.bound_backward, node.interval_propagate
        affine, plain = isinstance(kind, Affine), (Tensor, library().patches.Patches)

        def bound_backward(last_lower, last_upper, *x, **settings):
            # Before its first relaxation a pass has one side twice; a unit matrix it keeps so.
            same = affine and last_lower is last_upper and isinstance(last_lower, plain)
            pairs, low, high = back(last_lower, None if same else last_upper, *x, **settings)
            if same:
                pairs, high = [(rows, rows) for rows, _ in pairs], low
            if self._watcher is not None and type(node).__name__ == "BoundRelu":
                self._tell(inputs[0], node, x[0], last_lower, last_upper)
            if self._rounding is None:
                return pairs, low, high
            spent = [self._rounded(node, last_lower, pairs, 0, inputs)] * 2
            if not same:
                spent[1] = self._rounded(node, last_upper, pairs, 1, inputs)
            if last_upper is not None:
                self._spent = _added(
                    self._spent, spent[1].detach() if torch.is_tensor(spent[1]) else spent[1]
                )
            return pairs, _added(low, -spent[0]), _added(high, spent[1])

        def interval_propagate(*values, **settings):
            low, high = forth(*values, **settings)[:2]
            if self._rounding is None or settings:  # with rows merged in: a bound nobody uses
                return low, high
            size = self._rounding.size(node.name, self.dtype)
            return low - size, high + size

        node.bound_backward, node.interval_propagate = bound_backward, interval_propagate

    def _rounded(
        self, node: Any, rows: Any, pairs: list, side: int, inputs: tuple[str, ...]
    ) -> Any:
        """What rounding can do to one side of a bound at one node, and at the input behind it."""
        spent = _weigh(node, rows, self._rounding.size(node.name, self.dtype))  # type: ignore[union-attr]
        if self.plan.input in inputs:
            size = self._rounding.size(self.plan.input, self.dtype)  # type: ignore[union-attr]
            for number, name in enumerate(inputs):
                if name == self.plan.input:
                    spent = _added(spent, _weigh(node, pairs[number][side], size))
        return spent

    def bounds(
        self,
        method: str,
        lower: Tensor,
        upper: Tensor,
        rows: Tensor,
        reference: Mapping[str, tuple[Tensor, Tensor]],
        settings: Mapping[str, Any],
        rows_at_once: int | None = None,
        widen: bool = True,
        watcher: Watcher | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, tuple[Tensor, Tensor]]]:
        """Rigorous bounds of `rows . output` over a batch of boxes, computed by auto_LiRPA.

        Args:
            method: key of `METHODS`.
            lower, upper: (batch, *input shape), in this graph's precision and device.
            rows: (batch, rows, outputs).
            reference: valid bounds of intermediate values; the tighter of both is used.
            settings: of the optimisation of slopes.
            rows_at_once: how many backward rows of a layer are carried together; all by default.
            widen: False leaves the allowances out, for tests that show why they are there.
            watcher: told of every backward pass, the first layer's and the rows' own included;
                then only upper bounds of the rows are computed.

        Returns:
            Lower and upper bounds (batch, rows); the allowance in each upper one; and the bounds
            that relaxations were made from.
        """
        found = library()
        center = (lower + upper) / 2
        perturbation = found.general.PerturbationLpNorm(norm=np.inf, x_L=lower, x_U=upper)
        batch = len(lower)
        held = {
            name: [side.expand(batch, *side.shape[1:]).contiguous() for side in sides]
            for name, sides in reference.items()
            if name in self.activations
        }
        self.module.bound_opts["optimize_bound_args"].update(settings)
        self.module.bound_opts["crown_batch_size"] = rows_at_once or np.inf
        sparse = method != "alpha-crown"
        for relu in self.module.relus:
            # 0.3's sparse slopes assert on convolutions; dense ones are the same numbers.
            relu.use_sparse_spec_alpha = relu.use_sparse_features_alpha = sparse
        gradients = torch.enable_grad() if method == "alpha-crown" else torch.no_grad()
        box = Interval(lower.double(), upper.double())
        look = held if method == "alpha-crown" else None
        if widen:
            self._rounding = Rounding(self.exact, box, UNIT[self.dtype], self._look(look))
        self._watcher = watcher
        if watcher is not None and batch != 1:
            raise BoundFailedError("coefficients are handed over for one box at a time")
        with undisturbed(self.dtype), gradients, _its_errors(method):
            low, high = self.module.compute_bounds(
                x=(found.general.BoundedTensor(center, perturbation),),
                C=rows,
                method=METHODS[method],
                reference_bounds=held,
                bound_lower=watcher is None,
                # Without its coefficients being asked for, the first layer is bounded forwards.
                needed_A_dict=dict.fromkeys(self.activations, ()) if watcher else None,
            )
        values = {}
        for name in self.activations:
            node = self.module[name]
            if torch.is_tensor(getattr(node, "lower", None)):
                values[name] = (node.lower.detach(), node.upper.detach())
        low = high if low is None else low
        spent = torch.as_tensor(self._spent, dtype=self.dtype, device=self.device)
        spent = spent.reshape(rows.shape[1], batch).t() if spent.ndim else spent.expand(low.shape)
        result = low.detach(), high.detach(), spent, values
        self._rounding = self._watcher = None
        self._forget()
        return result

    def _report(self, name: str, index: Any, low: Any, high: Any) -> None:
        """Hand over what a pass over one box has found."""
        root = self.module[self.plan.input]
        if isinstance(index, tuple):  # channel, row, column
            channel, row, column = index
            _, rows, columns = self.plan.shapes[name]
            index = (channel * rows + row) * columns + column
        if index is None:
            index = torch.arange(high.numel(), device=high.device)
        coefficients = self._coefficients(self.plan.input, root.lA, root.uA)
        low = None if low is None else low.detach().flatten()
        self._watcher.rows(name, index, low, high.detach().flatten(), coefficients)  # type: ignore[union-attr]

    def _tell(self, name: str, node: Any, ends: Any, low: Any, high: Any) -> None:
        """Hand over what a pass does at a ReLU: its line once more, and the coefficients."""
        line = tuple(
            part.flatten() for part in node._backward_relaxation(low, high, ends, None, None)[:3]
        )
        self._watcher.relu(name, line, self._coefficients(name, low, high))  # type: ignore[union-attr]

    def _coefficients(self, name: str, low: Any, high: Any) -> Coefficients:
        """Coefficients of a value, in whatever form auto_LiRPA keeps them, as plain tensors."""
        shape = (1, *self.plan.shapes[name])

        def coefficients(chosen: Tensor) -> tuple[Tensor | None, Tensor | None]:
            first = _matrix_of(low, chosen, shape)
            return first, first if high is low else _matrix_of(high, chosen, shape)

        return coefficients

    def _look(self, held: Mapping[str, Any] | None) -> Any:
        """How the interval in use for a relaxed input is found.

        While slopes are optimised intervals move, but never out of `held`, with which they are
        cut: so that is what counts. Otherwise it is what stands on the node by now.
        """
        names = set(self.activations)

        def look(name: str) -> Interval | None:
            if name not in names:
                return None
            if held is not None:
                sides = held.get(name)
            else:
                node = self.module[name]
                low, high = getattr(node, "lower", None), getattr(node, "upper", None)
                sides = (low, high) if torch.is_tensor(low) and torch.is_tensor(high) else None
            return None if sides is None else Interval(sides[0].double(), sides[1].double())

        return look

    def _forget(self) -> None:
        """Let go of the tensors that a call leaves on the graph."""
        with undisturbed(self.dtype):
            self.module._clear_and_set_new(None)
        for node in self.module._modules.values():
            for name in ("lA", "uA", "lw", "uw", "lb", "ub"):
                if hasattr(node, name):
                    setattr(node, name, None)
        for node in self.module.optimizable_activations:
            node.alpha = OrderedDict()
