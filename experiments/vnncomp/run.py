"""Instances of every benchmark in ../shared/data/specs, as a job, against the published verdicts.

python experiments/vnncomp/run.py DATA OUT [--each 3] [--seconds 20]
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

from verixplain.jobs.run import run

ANSWERS = {"estimate": "unsat", "refuted": "sat"}


def chosen(rows, each):
    """Of every benchmark the first, the middle and the last instance with a published verdict."""
    groups = {}
    for row in rows:
        if row["verdict"] in ("sat", "unsat"):
            groups.setdefault(row["spec"].split("/")[1], []).append(row)
    for found in groups.values():
        places = {round(k * (len(found) - 1) / max(1, each - 1)) for k in range(each)}
        yield from (found[place] for place in sorted(places))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20)
    asked = parser.parse_args()
    data = asked.data.resolve()
    with (data / "specs" / "verdicts.tsv").open() as file:
        rows = list(chosen(csv.DictReader(file, delimiter="\t"), asked.each))
    asked.out.mkdir(parents=True, exist_ok=True)
    lines = [f"{data / row['model']},{data / row['spec']},{asked.seconds}" for row in rows]
    (asked.out / "instances.csv").write_text("\n".join(lines) + "\n")
    items = run(asked.out / "instances.csv", asked.out / "run", workers=1)
    table(rows, items)


def table(rows, items):
    counts = {}
    for row, item in zip(rows, items, strict=True):
        (claim,) = item["claims"]
        name, answer = row["spec"].split("/")[1], ANSWERS.get(claim["status"], claim["status"])
        seen = counts.setdefault(name, Counter())
        seen["instances"] += 1
        seen["published unsat"] += row["verdict"] == "unsat"
        seen["solved"] += answer in ("sat", "unsat")
        seen["agree"] += answer == row["verdict"]
        seen["contradict"] += {answer, row["verdict"]} == {"sat", "unsat"}
        words = f"{Path(row['model']).name} {Path(row['spec']).name}"
        print(f"{item['seconds']:6.1f} s  {answer:13} published {row['verdict']:6} {words}")
    head = ("instances", "published unsat", "solved", "agree", "contradict")
    print("\n| benchmark |", " | ".join(head), "|")
    print("|---|" + "---:|" * len(head))
    for name, seen in counts.items():
        print(f"| {name} |", " | ".join(str(seen[column]) for column in head), "|")


if __name__ == "__main__":
    main()
