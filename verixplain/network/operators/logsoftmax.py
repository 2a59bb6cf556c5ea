"""LogSoftmax: `axis` means what it means for Softmax."""

from torch import nn

from verixplain.network.operators._aligned import float64
from verixplain.network.operators._table import converts
from verixplain.network.operators.log import LOG
from verixplain.network.operators.softmax import Flattening, OneAxis
from verixplain.network.primitives import Plan, ScaleShift


class _LogSoftmax(OneAxis):
    def module(self, axis: int) -> nn.Module:
        return nn.LogSoftmax(dim=axis)

    def finish(self, plan: Plan, denominator: str) -> str:
        return plan.add(ScaleShift(scale=float64(-1.0)), plan.add(LOG, denominator))


@converts("LogSoftmax", since=1)
class LogSoftmax1(_LogSoftmax, Flattening):
    pass


@converts("LogSoftmax", since=13)
class LogSoftmax(_LogSoftmax):
    pass
