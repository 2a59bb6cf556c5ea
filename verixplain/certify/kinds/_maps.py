"""What claims about maps share: their words, their proof within a box or up to a radius."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any

import numpy as np
from torch import Tensor

from verixplain.attribution._base import Attribution
from verixplain.certify.claim import Finding, Task, in_words
from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region
from verixplain.certify.maps._goals import Goal
from verixplain.certify.maps._parts import Proof
from verixplain.certify.maps._search import Broken, MapSearch
from verixplain.errors import SettingError
from verixplain.registry import methods

NOT_SURE = "it is not sure which scores are largest at the input itself"


def method_in(words: str, usage: str) -> Attribution:
    """The method that `METHOD[,NAME=VALUE...]` stands for.

    Raises:
        SettingError: nobody bounds this method's map, or it has no such setting.
    """
    name, chosen = settings_in(words, usage)
    if name not in set(maps):
        raise SettingError(
            f"the claim is written {usage}, where METHOD is one of {', '.join(maps)}; not {name!r}"
        )
    try:
        return methods[name](**chosen)
    except TypeError as error:
        raise SettingError(f"method {name!r}: {error}") from error


def settings_in(words: str, usage: str) -> tuple[str, dict[str, Any]]:
    """The method's name and the settings in `METHOD[,NAME=VALUE...]`.

    Raises:
        SettingError: a part that is no setting.
    """
    name, *parts = words.split(",")
    return name, dict(_setting(part, usage) for part in parts)


def _setting(words: str, usage: str) -> tuple[str, Any]:
    name, separator, value = words.partition("=")
    if not (name and separator):
        raise SettingError(f"{words!r} is no setting; the claim is written {usage}")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def top_in_words(members: Tensor, names: tuple[str, ...]) -> str:
    """That these features have the largest scores, in words."""
    listed = ", ".join(names[u] for u in members.tolist())
    if len(members) == 1:
        return f"the score that is largest in size is that of feature {listed}"
    return f"the {len(members)} scores that are largest in size are those of features {listed}"


class MapClaim:
    """A goal for the map of a method, in the whole box or up to the largest radius.

    Args:
        method: whose map.
        k: how many of the largest scores the report of changes is about.
        radius: `max` looks for the largest radius; None is the box of the query.
    """

    def __init__(self, method: Attribution, k: int, radius: str | None) -> None:
        self.explained_by, self.k, self.radius = method, k, radius

    def goal(self, start: Region, names: tuple[str, ...]) -> tuple[Goal | None, str]:
        """What is claimed, given the scores at the input, and in words; None where nothing can."""
        raise NotImplementedError

    def prove(self, task: Task) -> Iterator[Finding]:
        """See `Proving`."""
        search = MapSearch(task, self.explained_by, self.k)
        goal, words = self.goal(search.start, task.query.groups.names)
        if goal is None:
            yield Finding("unknown", words, arrays=_point(search))
        elif self.radius is None:
            yield from _within(search, goal, words, task)
        else:
            yield from _largest(search, goal, words, task)


def _within(search: MapSearch, goal: Goal, words: str, task: Task) -> Iterator[Finding]:
    """The box of the query: one bound, attacks, then smaller and smaller boxes."""
    box, statement = task.query.box, f"{words}, for every input of the box"
    seen: dict[str, Any] = {}
    for proof in search.proofs(box.lower, box.upper, goal, narrow=True):
        task.progress("boxes", proof.boxes - 1, proof.boxes)
        status = "estimate" if proof.holds else "unknown"
        details, arrays = described(search, proof)
        yield Finding(status, statement, details=details | seen, arrays=arrays)
        if seen:
            continue
        broken = None if proof.holds else search.attack(box.lower, box.upper, goal)
        if broken is not None:
            yield _refuted(search, broken, statement)
            return
        seen["change_linf_at_least"] = search.farthest(box.lower, box.upper)
        yield Finding(status, statement, details=details | seen, arrays=arrays)


def _largest(search: MapSearch, goal: Goal, words: str, task: Task) -> Iterator[Finding]:
    """Radius after radius."""
    for number, (proved, broken, proof) in enumerate(search.largest(goal)):
        task.progress("radii", number, number + 1)
        radii = {"r_estimate": proved, "r_attacked": broken and broken.radius}
        above = "no attack found where it is not so"
        if broken:
            above = f"not so at {in_words(broken.radius, ROUND_CEILING)}"
        up_to = in_words(proved, ROUND_FLOOR)
        statement = f"{words}, for every input within {up_to} (model's units); {above}"
        if proof is None:
            yield Finding("unknown", statement, details=radii, arrays=_point(search))
            continue
        details, arrays = described(search, proof)
        arrays |= _both(search, broken) if broken else {}
        yield Finding("estimate", statement, proved, details=details | radii, arrays=arrays)


def described(search: MapSearch, proof: Proof) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Everything that is proved of the map over a box: numbers, and arrays."""
    sure = np.where(proof.lower > 0, 1, np.where(proof.upper < 0, -1, 0))
    change = proof.change
    details = {
        "features": len(sure),
        "certain_signs": int((sure != 0).sum()),
        "k": len(search.members),
        "top_k": sorted(search.members.tolist()),
        "top_k_kept_at_least": change.kept,
        "change_linf_at_most": change.linf,
        "change_l2_at_most": change.l2,
        "cosine_at_least": change.cosine,
        "boxes": proof.boxes,
    }
    arrays = {"score_lower": proof.lower, "score_upper": proof.upper, "score_sign": sure}
    return details, arrays | _point(search)


def _refuted(search: MapSearch, broken: Broken, statement: str) -> Finding:
    details = {
        "distance": broken.radius,
        "replayed": broken.overlap,
        "top_k": sorted(search.members.tolist()),
    }
    arrays = _both(search, broken)
    return Finding("refuted", statement, None, broken.point, details=details, arrays=arrays)


def _point(search: MapSearch) -> dict[str, np.ndarray]:
    """The scores at the input itself."""
    start = search.start
    return {
        "center_score_lower": start.lower[0].cpu().numpy(),
        "center_score_upper": start.upper[0].cpu().numpy(),
    }


def _both(search: MapSearch, broken: Broken) -> dict[str, np.ndarray]:
    """Two inputs of one class with different maps, and where the scores of both lie."""
    return {
        "other_input": broken.point.astype(search.query.network.input_dtype),
        "other_score_lower": broken.region.lower[0].cpu().numpy(),
        "other_score_upper": broken.region.upper[0].cpu().numpy(),
        **_point(search),
    }
