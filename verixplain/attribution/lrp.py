"""Layer-wise relevance propagation."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._affine import is_affine, parts
from verixplain.attribution._base import Attribution, Explained, Scores, at_least, one_of
from verixplain.attribution._layers import CURVES, MOVES, SUMS, Layer, run, with_back
from verixplain.errors import ConservationError, UnsupportedMethodError
from verixplain.registry import methods

RULES = ("epsilon", "z-plus", "alpha2-beta1", "gamma")
TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}


@dataclass(eq=False)
class Account:
    """Where relevance went that did not reach the input, and how much moved in all."""

    offsets: float = 0.0
    stabiliser: float = 0.0
    nowhere: float = 0.0
    moved: float = 0.0
    seen: list[str] = field(default_factory=list)


@methods.add
@dataclass(frozen=True)
class LRP(Attribution):
    """Relevance of each input, in units of the explained number.

    The number is handed back layer by layer, in shares of what each entry contributed to each
    result; sums of branches are shared likewise, functions of one number and moves hand on what
    they get. What is lost to offsets (biases) and to the stabiliser is accounted for, and the
    account must balance.

    Args:
        rule: epsilon; z-plus (alpha1-beta0), positive contributions only; alpha2-beta1; gamma.
        epsilon: stabiliser, as a share of a layer's mean result, of the rule epsilon.
        gamma: how much contributions of the result's sign are favoured, of the rule gamma.

    Source: Bach et al. 2015, doi:10.1371/journal.pone.0130140; gamma Montavon et al. 2019,
    doi:10.1007/978-3-030-28954-6_10.
    """

    rule: str = "epsilon"
    epsilon: float = 1e-6
    gamma: float = 0.25

    needs = "layers that are affine, functions of one number, sums or moves"

    @property
    def sanity(self) -> str:  # type: ignore[override]
        if self.rule == "z-plus":
            return "sanity checks: fails; up to its sign its map hardly changes with the class"
        return "sanity checks: passes; its map changes with the class and with the weights"

    def check(self) -> None:
        one_of("rule", self.rule, RULES)
        at_least("epsilon", self.epsilon, 0)
        at_least("gamma", self.gamma, 0)

    def scores(self, explained: Explained) -> Scores:
        """The relevance of every input.

        Raises:
            UnsupportedMethodError: a layer for which there is no rule, by name.
            ConservationError: the account does not balance.
        """
        if explained.probability:
            raise UnsupportedMethodError("lrp explains class and margin, not the probability")
        account = Account()

        def call(layer: Layer, *inputs: Tensor):
            if layer.operator in MOVES:
                return layer.module(*inputs)
            if layer.operator in CURVES:
                return with_back(layer, lambda relevance: (relevance,), *inputs)
            if is_affine(layer, *inputs) or (layer.operator in SUMS and len(inputs) > 1):
                account.seen.append(layer.name)
                return with_back(layer, lambda given: self._back(layer, inputs, given, account),
                                 *inputs)  # fmt: skip
            raise UnsupportedMethodError(
                f"lrp has no rule for node {layer.name!r} ({layer.operator}, {len(inputs)} varying "
                "inputs)"
            )

        with torch.enable_grad():
            x = explained.x[None].detach().requires_grad_()
            outputs = run(explained, x, call)
            given = self._given(explained, outputs.detach())
            (found,) = torch.autograd.grad((outputs * given).sum(), x)
        begin, end = float(given.sum()), float(found.sum())
        lost = account.offsets + account.stabiliser + account.nowhere
        limit = TOLERANCE[explained.dtype] * max(account.moved, abs(begin), 1e-30)
        if not abs(begin - end - lost) <= limit:
            raise ConservationError(
                f"lrp ({self.rule}) handed out {begin:.9g}, but the inputs got {end:.9g} and "
                f"{lost:.9g} was lost to offsets and stabiliser"
            )
        note = (
            f"rule {self.rule}: of {begin:.6g}, the inputs got {end:.6g}, offsets (biases) "
            f"{account.offsets:.6g}, the stabiliser {account.stabiliser:.3g}; "
            f"{account.nowhere:.3g} had no contribution to go to"
        )
        return Scores(found[0], (note,), {"relevance_lost": np.array(lost)})

    def _given(self, explained: Explained, outputs: Tensor) -> Tensor:
        """What each output starts with: its part in the explained number."""
        row = int((outputs @ explained.rows.T + explained.offsets)[0].argmax())
        return -explained.rows[row] * outputs

    def _back(
        self, layer: Layer, inputs: tuple[Tensor, ...], given: Tensor, account: Account
    ) -> list[Tensor]:
        """A layer's relevance in shares of its inputs' contributions; losses are accounted."""
        found = parts(layer, *inputs)
        constant = found.constant.expand_as(given)
        more, less = constant.clamp(min=0), constant.clamp(max=0)
        raised, lowered = found.raised.detach() + more, found.lowered.detach() + less
        up, down, stabiliser = self._per_unit(raised, lowered, given)
        total = (found.raised * up).sum() + (found.lowered * down).sum()
        slopes = torch.autograd.grad(total, found.sources)
        shares = [one.detach() * slope for one, slope in zip(found.sources, slopes, strict=True)]
        account.offsets += float((more * up + less * down).sum())
        account.stabiliser += float(stabiliser.sum())
        handed = raised * up + lowered * down + stabiliser
        account.nowhere += float((given - handed)[(up == 0) & (down == 0)].sum())
        account.moved += float(given.abs().sum() + (raised * up).abs().sum())
        count = len(inputs)
        return [shares[k] + shares[count + k] for k in range(count)]

    def _per_unit(
        self, raised: Tensor, lowered: Tensor, given: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Relevance per unit of what was added and taken, and what a stabiliser keeps."""
        nothing, result = torch.zeros_like(given), raised + lowered
        if self.rule == "epsilon":
            small = self.epsilon * (raised - lowered).mean()
            kept = torch.where(result >= 0, small, -small)
            each = _ratio(given, result + kept)
            return each, each, each * kept
        if self.rule == "gamma":
            favoured = torch.where(result >= 0, raised, lowered)
            each = _ratio(given, result + self.gamma * favoured)
            more = (1 + self.gamma) * each
            positive = result >= 0
            return torch.where(positive, more, each), torch.where(positive, each, more), nothing
        alpha, beta = (1.0, 0.0) if self.rule == "z-plus" else (2.0, 1.0)
        up, down = alpha * _ratio(given, raised), -beta * _ratio(given, lowered)
        if beta:  # where there is only one side, it gets everything
            up = torch.where(lowered == 0, up / alpha, up)
            down = torch.where(raised == 0, -down / beta, down)
        return up, down, nothing


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """A quotient that is zero where nothing is below."""
    return torch.where(below == 0, 0.0, above / torch.where(below == 0, 1.0, below))
