"""Decide one VNN-LIB query: a line of an instances.csv."""

import json
from collections.abc import Mapping
from typing import Any

from verixplain.jobs.parts import kinds

STATUS = {"unsat": "estimate", "sat": "refuted", "unknown": "unknown", "timed-out": "timeout"}
"""The query describes what must not happen: unsat says that the property holds."""


@kinds.add
def verify(task: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as a VNN-COMP result file and as JSON."""
    from verixplain.vnnlib.assignment import lines
    from verixplain.vnnlib.deadline import Deadline
    from verixplain.vnnlib.model import load_for
    from verixplain.vnnlib.parse import read
    from verixplain.vnnlib.solve import solve

    specification = read(task["query"])
    network = load_for(specification, task["model"]["path"])
    answer = solve(specification, network, Deadline(task["seconds"]), seed=task["seed"])
    word = "timeout" if answer.verdict == "timed-out" else answer.verdict
    text = [word]
    if answer.witness is not None:
        text += lines(specification, answer.witness)
    record = {"verdict": answer.verdict, "how": answer.how, "notes": list(answer.notes)}
    claim = {"id": "property", "kind": "property", "status": STATUS[answer.verdict], **record}
    return {
        "outcome": "timeout" if answer.verdict == "timed-out" else "done",
        "reason": "the time was over" if answer.verdict == "timed-out" else "",
        "claims": [claim],
        "files": {
            "result.txt": ("\n".join(text) + "\n").encode(),
            "answer.json": (json.dumps(record, indent=1, sort_keys=True) + "\n").encode(),
        },
        "facts": {"verdict": answer.verdict},
    }
