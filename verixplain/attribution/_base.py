"""What every method shares: what is explained, its gradient, and three ways of asking."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.bounds import DTYPES, choose_device
from verixplain.errors import InputError, SettingError
from verixplain.explanation import Explanation
from verixplain.network import Network, load
from verixplain.query import Box, Query, Target
from verixplain.registry import methods

Progress = Callable[[str, int, int], None]
Baseline = float | np.ndarray
"""One number that every input takes, or an array in the input's shape."""

QUANTITIES = ("class", "margin", "probability")
"""The class's output (logit); the class's output less the best other; the class's softmax."""


class Method:
    """A method by which a query is explained; its settings are its dataclass's fields.

    Beside `explain` it can be called as captum's attributions are (`on(network).attribute`) and
    as Quantus calls an explanation function (`explain_func`).
    """

    needs: ClassVar[str] = "any network"
    guarantee: ClassVar[str] = "none"
    uses_box: ClassVar[bool] = False
    """Whether the scores depend on the query's box, not only on the input."""

    sanity: ClassVar[str] = ""
    """What is known about whether its maps depend on the class and on the weights."""

    keeps_ignored_at_zero: ClassVar[bool] = True
    """Whether inputs that the network does not look at score exactly zero."""

    @property
    def cost(self) -> str:
        """What one explanation takes with these settings, in gradients or evaluations."""
        return "1 gradient"

    @property
    def name(self) -> str:
        """The method's name, which is its file's."""
        return type(self).__module__.rsplit(".", 1)[-1].replace("_", "-")

    @property
    def source(self) -> str:
        """Where the method was published, from its documentation."""
        text = " ".join((type(self).__doc__ or "").split())
        return text.partition("Source: ")[2].rstrip(".")

    def explain(self, query: Query, progress: Progress | None = None) -> Explanation:
        """Explain one query."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The fields by name, those of a method inside this one too."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]
        return {
            name: {"name": value.name, **value.settings()} if isinstance(value, Method) else value
            for name, value in values.items()
        }

    def on(self, network: Network) -> "On":
        """This method for one network, called as captum's attributions are."""
        return On(self, network)

    def explain_func(
        self, model: "Network | nn.Module", inputs: np.ndarray, targets: Any, **settings: Any
    ) -> np.ndarray:
        """What Quantus calls: maps of a batch, in the inputs' shape.

        Args:
            model: a network, or a torch module (exported anew in every call, since metrics
                change its weights between calls).
            inputs: (batch, *input shape).
            targets: one class each.
            settings: fields of the method to be replaced; None leaves one as it is.
        """
        known = {one.name for one in fields(self)}  # type: ignore[arg-type]
        given = {name: value for name, value in settings.items() if value is not None}
        if unknown := sorted(set(given) - known):
            raise SettingError(
                f"{self.name} has no setting {unknown[0]!r}; it has: {sorted(known)}"
            )
        inputs = np.asarray(inputs)
        if isinstance(model, nn.Module):
            first = next(model.parameters(), torch.zeros(0))
            model = load(model, example=torch.from_numpy(inputs[:1].copy()).to(first))
        return np.asarray(replace(self, **given).on(model).attribute(inputs, targets))  # type: ignore[type-var]


@dataclass(frozen=True)
class On:
    """A method and the network it explains."""

    method: Method
    network: Network

    def attribute(
        self,
        inputs: Any,
        target: Any = None,
        baselines: Any = None,
        *,
        radius: float | np.ndarray = 0.0,
        clip: tuple[Any, Any] | None = None,
    ) -> Any:
        """Maps of a batch: array or tensor in (or a tuple of one), the same in shape out.

        Args:
            inputs: (batch, *input shape), in the model's units.
            target: a class, a `Target`, or one of them per input; by default the predicted class.
            baselines: for methods that have one: a number, an input, or one input each.
            radius, clip: of the box around every input, for methods that look at it.

        Raises:
            InputError: the inputs do not fit the network, or the targets the inputs.
            SettingError: `baselines` for a method without one.
        """
        if isinstance(inputs, tuple):
            if len(inputs) != 1:
                raise InputError(f"a network has one input, but there are {len(inputs)}")
            return (self.attribute(inputs[0], target, baselines, radius=radius, clip=clip),)
        given = inputs.detach().cpu().numpy() if isinstance(inputs, Tensor) else np.asarray(inputs)
        points = self.network.check_inputs(given)
        found = np.zeros(given.shape)
        targets = self._targets(points, target)
        for k, (point, wanted) in enumerate(zip(points, targets, strict=True)):
            query = Query(self.network, Box.around(point, radius, clip), wanted)
            found[k] = self._with_baseline(baselines, k, len(points)).explain(query).scores
        if isinstance(inputs, Tensor):
            return torch.from_numpy(found).to(inputs)
        return found.astype(given.dtype) if np.issubdtype(given.dtype, np.floating) else found

    def _targets(self, points: np.ndarray, target: Any) -> list[Target]:
        if isinstance(target, Target):
            return [target] * len(points)
        smallest = self.network.card.kind == "scores-min"
        if target is None and self.network.outputs == 1:
            return [Target.rows(np.array([[-1.0]]))] * len(points)
        if target is None:
            outputs = self.network(points)
            target = outputs.argmin(1) if smallest else outputs.argmax(1)
        if isinstance(target, Tensor):
            target = target.cpu().numpy()
        if np.ndim(target) == 0:
            target = [target] * len(points)
        if len(target) != len(points):
            raise InputError(f"{len(points)} inputs but {len(target)} targets")
        return [
            one if isinstance(one, Target) else Target.label(int(one), smallest) for one in target
        ]

    def _with_baseline(self, baselines: Any, number: int, count: int) -> Any:
        if baselines is None:
            return self.method
        if not any(one.name == "baseline" for one in fields(self.method)):  # type: ignore[arg-type]
            raise SettingError(f"{self.method.name} has no baseline")
        if isinstance(baselines, tuple):
            (baselines,) = baselines
        array = baselines.cpu().numpy() if isinstance(baselines, Tensor) else np.asarray(baselines)
        if array.ndim == len(self.network.input_shape) + 1:
            if len(array) not in (1, count):
                raise InputError(f"{count} inputs but {len(array)} baselines")
            array = array[number % len(array)]
        return replace(self.method, baseline=array if array.ndim else float(array))  # type: ignore[type-var]


class Explained:
    """One query's number that is explained, as torch sees it.

    The number is minus the largest of the target's rows (`margin`), the class's output (`class`;
    its negative where the smallest wins), or the class's softmax (`probability`). For a target of
    rows, which has no class, `class` is `margin`.

    Attributes:
        x: the input, in the working precision, without a batch.
        words: what the number is, for a reader.
        label, sign: the class, and -1 where the smallest output wins.
        progress: who is told of progress, or None.
    """

    def __init__(self, query: Query, method: "Attribution", progress: Progress | None) -> None:
        self.query, self.network, self.method = query, query.network, method
        self.device, self.dtype = choose_device(method.device), DTYPES[method.dtype]
        self.x = self.tensor(query.box.center)
        self.batch, self.progress = method.batch, progress
        self.words = ""
        self._choose(method.quantity)

    def _choose(self, quantity: str) -> None:
        target, outputs = self.query.target, self.network.outputs
        rows, offsets = target.matrix(outputs)
        self.label = target.label_index
        self.sign = -1.0 if target.smallest_wins else 1.0
        self.probability = quantity == "probability"
        if self.label is None:
            if self.probability:
                raise SettingError(
                    "a target of rows has no class, so no probability; set quantity=margin"
                )
            self.words = "minus the largest row of the target"
        elif quantity == "margin":
            others = "the best other" if target.other_index is None else f"{target.other_index}"
            self.words = f"margin of class {self.label} over {others}"
        else:
            rows, offsets = np.zeros((1, outputs)), np.zeros(1)
            rows[0, self.label] = -self.sign
            what = "probability (softmax)" if self.probability else "output (logit)"
            self.words = f"{what} of class {self.label}" + (", negated" * (self.sign < 0))
        self.rows, self.offsets = self.tensor(rows), self.tensor(offsets)

    def tensor(self, values: Any) -> Tensor:
        """Numbers in the working precision, on the device."""
        return torch.tensor(np.asarray(values), dtype=self.dtype, device=self.device)

    def representable(self, points: np.ndarray) -> Tensor:
        """Points rounded to the model's own input type, so that the model can be run on them."""
        return self.tensor(np.asarray(points).astype(self.network.input_dtype))

    def number(self, outputs: Tensor) -> Tensor:
        """The explained number of outputs (batch, outputs): (batch,)."""
        if self.probability:
            return torch.softmax(self.sign * outputs, 1)[:, self.label]
        return -(outputs @ self.rows.T + self.offsets).amax(1)

    @torch.no_grad()
    def value(self, points: Tensor) -> Tensor:
        """The explained number at points (batch, *input shape): (batch,)."""
        parts = [self.number(self.network.forward(part)) for part in points.split(self.batch)]
        return torch.cat(parts)

    def gradient(self, points: Tensor, stage: str = "") -> Tensor:
        """Its gradient at points, in their shape; `stage` tells of progress under this name."""
        found, done = [], 0
        for part in points.split(self.batch):
            found.append(gradient(lambda x: self.number(self.network.forward(x)), part))
            done += len(part)
            if stage:
                self.tell(stage, done, len(points))
        return torch.cat(found)

    def tell(self, stage: str, done: int, total: int) -> None:
        """Tell of progress, where someone listens."""
        if self.progress is not None:
            self.progress(stage, done, total)

    def baseline(self, value: Baseline) -> Tensor:
        """A baseline in the input's shape.

        Raises:
            SettingError: it is no number, or does not broadcast to the input.
        """
        try:
            return self.tensor(value).expand(self.x.shape).clone()
        except (RuntimeError, TypeError, ValueError) as error:
            raise SettingError(
                f"baseline {value!r} is neither a number nor an array of shape "
                f"{tuple(self.x.shape)}"
            ) from error


def gradient(function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """The gradient of `function(points).sum()`; no module's state is touched."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        (found,) = torch.autograd.grad(function(points).sum(), points, allow_unused=True)
    return torch.zeros_like(points) if found is None else found


@dataclass(frozen=True, eq=False)
class Scores:
    """What a method computes.

    Args:
        map: in the input's shape.
        notes: what a reader must know.
        arrays: whatever else belongs to the map (noise, a boundary point), for the npz.
    """

    map: Tensor
    notes: tuple[str, ...] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attribution(Method):
    """A method that scores every single input. A subclass gives `scores`.

    Args:
        quantity: which number is explained: class (its output), margin (less the best other
            class's), or probability.
        dtype: working precision, `float64` or `float32`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        batch: points evaluated at once.
    """

    quantity: str = "class"
    dtype: str = "float64"
    device: str = "auto"
    batch: int = 256

    def __post_init__(self) -> None:
        one_of("quantity", self.quantity, QUANTITIES)
        one_of("precision (dtype)", self.dtype, DTYPES)
        at_least("batch", self.batch, 1)
        self.check()

    def check(self) -> None:
        """Refuse settings that the method cannot have."""

    def scores(self, explained: Explained) -> Scores:
        """The map of one input."""
        raise NotImplementedError

    def explain(self, query: Query, progress: Progress | None = None) -> Explanation:
        """Score every input of the query; a group's score is the sum over its inputs."""
        begin = time.perf_counter()
        explained = Explained(query, self, progress)
        found = self.scores(explained)
        scores = found.map.detach().double().cpu().numpy().reshape(query.box.center.shape)
        notes = [f"explained is the {explained.words}", *found.notes]
        if self.sanity:
            notes.append(self.sanity)
        return Explanation(
            query=query,
            method=self.name,
            guarantee=self.guarantee,
            group_scores=np.array([scores.flat[group].sum() for group in query.groups.members]),
            settings=self.settings(),
            map=scores,
            arrays=found.arrays,
            timing={"total": time.perf_counter() - begin},
            notes=tuple(notes),
        )


def method_named(method: Any) -> Any:
    """A method by its name, or the method itself."""
    if isinstance(method, str):
        return methods[method]()
    if isinstance(method, Method) and is_dataclass(method):
        return method
    raise SettingError(f"{method!r} is neither a method nor the name of one")


def one_of(what: str, value: Any, choices: Any) -> None:
    """Refuse a value that is not among the choices."""
    if value not in tuple(choices):
        raise SettingError(f"no {what} {value!r}; there are: {', '.join(map(str, choices))}")


def at_least(what: str, value: Any, least: float) -> None:
    """Refuse a value that is no number, or too small."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:
        raise SettingError(f"{what} must be at least {least}, not {value!r}")
