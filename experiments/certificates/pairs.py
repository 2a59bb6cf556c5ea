"""How many pairs of an order the checker accepts, way by way.

    python experiments/certificates/pairs.py NETWORK INPUT RADIUS [BUDGET]

16 patches, radius in the model's units; by bounds and exchanges, then also by faces, by leaves.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from realdata import real

import verixplain.certificate.issue as issuing
from verixplain.attribution.eva import EVA
from verixplain.certify.run import certify
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

WAYS = {"bounds, exchanges": 2, "faces": 3, "leaves": 5}


def main(name: str, number: str, radius: str, budget: str = "25s") -> None:
    found = real(name, int(number) + 1)
    network, image = found.network, found.inputs[int(number)]
    label = Target.label(int(network(image[None])[0].argmax()))
    query = Query(network, Box.around(image, float(radius)), label, Groups.grid(image.shape, 4, 4))
    proved = certify(query, ["order", "prediction"], EVA(steps=20, restarts=1), budget=budget)
    print(name, number, radius, "decided", proved.explanation.order.decided, end="")
    ways = issuing.WAYS
    for words, count in WAYS.items():
        issuing.WAYS = ways[:count]
        order = issuing.issue(proved).explanation.order
        print(f"; {words}: {order.certified}", end="", flush=True)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
