"""Min."""

from verixplain.network.operators._table import converts
from verixplain.network.operators.max import Extreme


@converts("Min", since=1)
class Min(Extreme):
    sign = -1
