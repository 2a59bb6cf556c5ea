"""Query and method in, explanation with its claims out."""

import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from verixplain.certify.order import decided
from verixplain.certify.topk import top_k as top_k_of
from verixplain.errors import SettingError
from verixplain.explanation import Explanation
from verixplain.query import Query
from verixplain.registry import methods

Progress = Callable[[str, int, int], None]


def explain(
    query: Query,
    method: Any = "eva",
    *,
    top_k: int = 3,
    progress: Progress | None = None,
    **settings: Any,
) -> Explanation:
    """Explain a query, and say what follows from it about order and the top k.

    Args:
        query: network, box, target and groups.
        method: a method's name, or one; `settings` are its fields where it is a name.
        top_k: how many most important groups are claimed; cut at the number of groups.
        progress: called with a stage, how much is done and how much there is.
        settings: fields of the method.

    Raises:
        UnknownNameError: no such method; the message lists them.
        SettingError: no such setting.
    """
    if top_k < 1:
        raise SettingError(f"top-k must be at least 1, not {top_k}")
    found = made(method, settings).explain(query, progress)
    notes = list(found.notes)
    if query.network.stripped:
        notes.append(
            f"the trailing {query.network.stripped} was left out: scores and bounds are of its "
            "input (logits)"
        )
    if query.network.unbatchable:
        notes.append(f"inputs run one by one: {query.network.unbatchable}")
    found = replace(found, notes=tuple(notes))
    if found.overlaps is None:
        return found
    begin = time.perf_counter()
    order, without = decided(query, found.overlaps, str(found.settings.get("device", "auto")))
    timing = {**found.timing, "order": time.perf_counter() - begin}
    timing["total"] = timing.get("total", 0.0) + timing["order"]
    k = min(top_k, len(query.groups))
    return replace(
        found,
        order=order,
        top_k=top_k_of(order, found.group_scores, k),
        timing=timing,
        notes=(*found.notes, without) if without else found.notes,
    )


def made(method: Any, settings: dict[str, Any]) -> Any:
    """A method with its settings; those of a method inside it are named `base.NAME`."""
    if not isinstance(method, str):
        if settings:
            raise SettingError("settings go with a method's name, not with a method")
        return method
    kind, own = methods[method], dict(settings)
    inner: dict[str, dict[str, Any]] = {}
    for name in [name for name in own if "." in name]:
        outer, _, rest = name.partition(".")
        inner.setdefault(outer, {})[rest] = own.pop(name)
    for outer, given in inner.items():
        defaults = {one.name: one.default for one in fields(kind)}
        if outer not in defaults:
            raise SettingError(f"method {method!r} has no setting {outer!r}")
        own[outer] = made(own.get(outer, defaults[outer]), given)
    try:
        return kind(**own)
    except TypeError as error:
        raise SettingError(f"method {method!r}: {error}") from error
