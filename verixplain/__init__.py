"""verixplain: explanations of ONNX networks with formal guarantees."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {  # public name -> module that defines it; imported on first use
    "Box": "verixplain.query",
    "EVA": "verixplain.attribution.eva",
    "Explanation": "verixplain.explanation",
    "Groups": "verixplain.features",
    "Network": "verixplain.network",
    "Query": "verixplain.query",
    "Target": "verixplain.query",
    "VerixplainError": "verixplain.errors",
    "evaluate": "verixplain.evaluation",
    "explain": "verixplain.explainer",
    "load": "verixplain.network",
    "save": "verixplain.report",
}
__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from verixplain.attribution.eva import EVA
    from verixplain.errors import VerixplainError
    from verixplain.evaluation import evaluate
    from verixplain.explainer import explain
    from verixplain.explanation import Explanation
    from verixplain.features import Groups
    from verixplain.network import Network, load
    from verixplain.query import Box, Query, Target
    from verixplain.report import save


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
