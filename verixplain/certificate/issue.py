"""Certificates for what was proved: the only place that turns an estimate into certified.

The independent checker, a process of its own, sees drafts and says what it can derive; then it
sees the certificates, and only those that it accepts count. So whatever the producer's bounds say
is advice: it decides what is tried, never what is certified.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from verixplain.certificate.checking import check_bytes
from verixplain.certificate.draft import Way
from verixplain.certificate.made import Made, Wanted
from verixplain.certificate.wanted import wanted
from verixplain.certify.claim import Finding
from verixplain.certify.run import Certified
from verixplain.certify.topk import top_k
from verixplain.errors import CheckerError
from verixplain.explanation import Explanation, Order
from verixplain.network import Network

WAYS = (
    Way(),
    Way(("real",)),
    Way(("real",), faces=4),
    Way(tree=True),
    Way(("real",), faces=4, tree=True),
)

SECONDS = 600.0
"""How long the checker may take at a time for the claims of one input."""


def issue(found: Certified, seconds: float = SECONDS) -> Certified:
    """Have what holds checked; what the checker accepts becomes certified.

    Args:
        found: claims and their proofs.
        seconds: how long one process of the checker may take.

    Returns:
        The same with certificates, the pairs that they decide, and in the notes why there is none.
    """
    explanation = found.explanation
    asked = wanted(explanation, [one.finding for one in found.claims], found.tree)
    checker = _Checker(explanation.query.network, seconds)
    try:
        accepted = checker.accepted(_made(asked, checker))
    except CheckerError as error:
        accepted, checker.why = {}, str(error)
    except KeyboardInterrupt:
        accepted, checker.why = {}, "interrupted"
    explanation = _explained(explanation, accepted.values(), checker.why)
    claims = []
    for number, one in enumerate(found.claims):
        if number in accepted:
            finding = _judged(one.finding, accepted[number], explanation.order)
            one = replace(one, finding=finding)
        claims.append(one)
    return replace(found, explanation=explanation, claims=tuple(claims), tree=None)


def _made(asked: Mapping[int, Wanted], checker: "_Checker") -> dict[int, Made]:
    """The certificates that say most, by the first way that says it."""
    best: dict[int, Made] = {}
    for way in WAYS:
        open_ = {n: one for n, one in asked.items() if not (n in best and best[n].most)}
        left = {n: one for n, one in open_.items() if one.takes(way)}
        proved = checker.measured([one.draft(way).encoded() for one in left.values()])
        for (number, want), numbers in zip(left.items(), proved, strict=True):
            made = None if numbers is None else want.made(way, numbers)
            if made is not None and (
                number not in best or len(made.pairs) > len(best[number].pairs)
            ):
                best[number] = made
    return best


def _judged(finding: Finding, made: Made, order: Order | None) -> Finding:
    """The finding with its certificate; certified where that says all of it."""
    details = dict(finding.details or {})
    if made.overlaps is not None:
        details["certified_groups"] = len(made.overlaps.group_upper)
    elif made.bounds:
        details |= {"certified_bounds": made.bounds, "producer_bound": finding.bound}
    else:
        details["certified_pairs"] = len(made.pairs)
    if "order" in details and order is not None:
        details["order"] = order.to_dict()
    return replace(
        finding,
        status="certified" if made.whole and finding.status == "estimate" else finding.status,
        bound=made.bounds.get("real", finding.bound),
        details=details,
        semantics="+".join(made.semantics),
        certificate=made.data,
    )


def _explained(explanation: Explanation, accepted: Iterable[Made], why: str) -> Explanation:
    """The explanation with the pairs that accepted certificates decide, and the map of one."""
    notes = (*explanation.notes, *([f"not certified: {why}"] if why else []))
    order, ranked, accepted = explanation.order, explanation.top_k, list(accepted)
    for overlaps in (made.overlaps for made in accepted if made.overlaps is not None):
        scores = overlaps.upper - overlaps.group_upper
        explanation = replace(
            explanation, guarantee="certified", overlaps=overlaps, group_scores=scores
        )
    if order is not None:
        checked = np.zeros_like(order.above)
        for made in accepted:
            checked[made.pairs[:, 0], made.pairs[:, 1]] = True
        order = replace(order, checked=checked)
        ranked = ranked and top_k(order, explanation.group_scores, ranked.k)
    return replace(explanation, order=order, top_k=ranked, notes=notes)


class _Checker:
    """The checker asked about one network; `why` says why something was refused."""

    def __init__(self, network: Network, seconds: float) -> None:
        self.network, self.seconds, self.why = network, seconds, ""

    def measured(self, drafts: Sequence[bytes]) -> list[list[dict[str, np.ndarray]] | None]:
        """What can be derived for every claim with numbers of each draft; None if refused."""
        found, once = {}, list(dict.fromkeys(drafts))
        for draft, report in zip(once, self._ask(once), strict=True):
            claims = [] if report["verdict"] == "REFUSED" else report["claims"]
            proved = [claim["proved"] for claim in claims if claim["proved"]]
            arrays = [{name: np.array(one) for name, one in each.items()} for each in proved]
            found[draft] = arrays or None
        return [found[draft] for draft in drafts]

    def accepted(self, made: Mapping[int, Made]) -> dict[int, Made]:
        """The certificates that are accepted."""
        reports = self._ask([one.data for one in made.values()])
        answers = zip(made.items(), reports, strict=True)
        return {number: one for (number, one), report in answers if report["verdict"] == "ACCEPTED"}

    def _ask(self, certificates: Sequence[bytes]) -> list[dict[str, Any]]:
        """One report each; refused also where the checker speaks of another output than we do."""
        if not certificates:
            return []
        reports = check_bytes(self.network.data, certificates, self.seconds)
        for report in reports:
            if report["verdict"] == "REFUSED":
                self.why = f"the checker refuses ({report['reason']}): {report['detail']}"
            elif report["skipped"] != self.network.stripped:
                report["verdict"] = "REFUSED"
                self.why = f"the checker leaves out the last {report['skipped']}, we do not"
        return reports
