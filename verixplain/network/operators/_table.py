"""The table of operators: (ONNX name, since opset) -> converter."""

from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import torch
from torch import nn

from verixplain.errors import NameTakenError, UnsupportedOperatorError
from verixplain.network.graph import Site
from verixplain.network.primitives import Plan


class Operator:
    """What one ONNX operator means. Subclass, set nothing, override what differs.

    A converter is stateless; everything it needs is in the `Site`. Inputs that are constants
    belong into the module `build` returns: it is called with the varying inputs only, in order.
    """

    def build(self, site: Site) -> nn.Module:
        """The torch module of this node, in the dtype of its constants.

        Weights are Parameters, so that methods which perturb weights find them; constants of
        preprocessing are buffers (`site.after_weights` tells).

        Raises:
            UnsupportedOperatorError: an attribute or input that is not handled, by name.
        """
        raise NotImplementedError

    def lower(self, site: Site, plan: Plan) -> str | tuple[str, ...]:
        """Append this node's primitives to `plan`; returns the name of its output, or of each.

        Raises:
            UnsupportedOperatorError: there are no sound bounds for this node.
        """
        raise UnsupportedOperatorError(
            "no bounds for this operator (gradient methods still work on it)"
        )

    def mixes_batch(self, site: Site) -> str | None:
        """Why this node would mix or lose the samples of a batch; None where it provably does not.

        The answer is about shapes alone: with a batch of N in place of 1 as first dimension, is
        output sample k the same function of input sample k?
        """
        return None


_versions: dict[str, dict[int, Operator]] = {}


def converts(*names: str, since: int) -> Callable[[type[Operator]], type[Operator]]:
    """Announce a converter for the operators `names` from opset `since` on."""

    def keep(cls: type[Operator]) -> type[Operator]:
        for name in names:
            known = _versions.setdefault(name, {})
            if since in known:
                raise NameTakenError(f"two converters for {name} since opset {since}")
            known[since] = cls()
        return cls

    return keep


@cache
def _load() -> None:
    """Import every operator file, so that its decorators run; a broken one fails loudly."""
    package = import_module("verixplain.network.operators")
    for module in sorted(iter_modules(package.__path__), key=lambda found: found.name):
        if not module.name.startswith("_"):
            import_module(f"{package.__name__}.{module.name}")


def names() -> list[str]:
    """Every operator with a converter."""
    _load()
    return sorted(_versions)


def at(operator: str, opset: int) -> Operator:
    """The newest converter that is not newer than `opset`.

    Raises:
        UnsupportedOperatorError: there is none.
    """
    _load()
    since = sorted(_versions.get(operator, {}))
    place = bisect_right(since, opset)
    if place == 0:
        raise UnsupportedOperatorError(
            f"{operator} at opset {opset}: "
            + (f"first supported at opset {since[0]}" if since else "not supported at any opset")
        )
    return _versions[operator][since[place - 1]]


class Apply(nn.Module):
    """A function without weights, as a module that hooks can find by its node's name."""

    def __init__(self, function: Callable[..., torch.Tensor], label: str = "") -> None:
        super().__init__()
        self.function, self.label = function, label

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)

    def extra_repr(self) -> str:
        return self.label
