"""Does the evidence notice a broken checker? Mutants made by rule, each must be caught.

A sample by default; VERIXPLAIN_MUTANTS=all runs all of them (about twenty minutes).
"""

import os
from hashlib import sha256

import pytest

from .judge import first_complaint
from .mutants import load, mutants

SPARE = (
    "needed by the worst case; the sums of real matrix libraries stay so far below it that other "
    "terms pay, so that no exact rational has noticed"
)
HARMLESS = {  # mutant: why what it changes cannot make a false claim true
    "claims.GroupBounds.prove: the other way: np.min": "how much work to do; compared later",
    "lines.Kinked.executed: only the left of the sum: UNIT32 * self.leak * "
    "np.maximum(-lower, 0.0) + (TINY32 if self.leak else 0.0)": "the next step's flush covers it",
    "lines.Kinked.lines: the other way: np.maximum": "on a chord both ends give one intercept",
    "lines.Kinked.lines: forget the sign: -lower": "the adaptive slope is advice",
    "lines.Curved._intercept: only the left of the sum: steep + 2.0 ** (-45)": "a margin over the "
    "proved error of the derivative, which is met by less than a hundredth",
    "lines.Curved._intercept: only the left of the sum: slope - steep + 2.0 ** (-45)": "the same",
    "lines.Curved._intercept: the other way: np.maximum #2": "another touch point, as good as any",
    "operators._pad: skip the check: need(total <= MOST_NUMBERS, Reason.TOO_LARGE, "
    "'padded value')": "memory only; the value itself is refused after it",
    "operators.Network.add: skip the check: need(prod(shape) <= MOST_NUMBERS, Reason.TOO_LARGE, "
    "'a value of the network')": "memory only",
    "operators.Building.floats: skip the check: self.need((np.abs(found) < LARGEST).all(), "
    "f'input {place} is not finite or too large')": "refused later as weights or values",
    "passes.Bounder._refine: skip the check: need((low <= high).all(), Reason.NOT_FINITE, "
    "'an interval is empty')": "an alarm that cannot ring",
    "pieces.State.append: skip the check: need((lower <= upper).all(), Reason.NOT_FINITE, "
    "'an interval is empty')": "an alarm that cannot ring",
    "pieces.Sweep.add_constant: only the right of the sum: self.size + np.abs(part)": "the gamma "
    "of each part has two units to spare, which pay for adding it",
    "pieces.Affine.forward: the other way: down": "one last place, inside the four gammas",
    "pieces.Affine.forward: forget the rounding: up(center + radius)": "the same",
    "pieces.Affine.forward: forget the rounding: down(center - radius)": "the same",
    "pieces.Affine.forward: only the left of the sum: self.inexact * size + self.bias_error": "a "
    "scale and a shift are off by three units; the gammas beside it have them to spare",
    "pieces.Affine.forward: only the right of the sum: "
    "self.inexact * size + self.bias_error": SPARE,
    "pieces.State.append: skip the check: need((largest < LARGEST).all(), Reason.NOT_FINITE, "
    "'a value may be too large')": "a cap: it belongs to the argument about underflow",
    "pieces.Activation.backward: the other way: lines.upper_at #2": SPARE,
    "pieces.Activation.backward: drop the term: sweep.add_error(rows.like(positive), "
    "rounding * np.abs(lines.upper_at))": SPARE,
    "pieces.Sweep.reach: only the left of the sum: error + (self.terms + 8) * UNIT * "
    "self.size": SPARE,
    "container.read_certificate: skip the check: need(len(data) <= MOST_CERTIFICATE_BYTES, "
    "Reason.TOO_LARGE, 'certificate')": "memory only",
    "pieces.Sweep.reach: forget the rounding: up(total + up(executed))": "inside that error",
    "pieces.Sweep.reach: the other way: up #2": "inside the execution error",
    "pieces.Sweep.reach: no error at all: FLOOR": "no float32 network here reaches 1e-240",
    "pieces.Affine.forward: only the left of the sum: 1 + 2 * g": SPARE,
    "pieces.Sweep.reach: only the left of the sum: self.terms + 8": "a count with units to spare",
    "pieces.Sum.forward: only the left of the sum: gamma(roundings, UNIT32) * size * SAFETY + "
    "2 * TINY32": "flush of a sum; the steps before and after allow for more",
    "pieces.Activation.backward: the other way: lines.lower_at #2": "two sizes of one order",
    "pieces.State.append: forget the rounding: up(upper + executed)": "inside the execution error",
    "pieces.State.append: forget the rounding: down(lower - executed)": "the same",
    "pieces.Sweep.reach: only the left of the sum: error + self.executed * SAFETY + FLOOR": "the "
    "floor is in the first part already",
    "passes.Bounder._start: the other way: state.lower": "the box, one last place wider",
    "passes.Bounder.on_sets: the other way: state.lower": "the box of the sets, wide below",
    "pieces.MaxPool.derivatives: the other way: lower.max": "more numbers may be the largest",
    "pieces.MaxPool.derivatives: forget the sign: -np.inf": "the same",
    "gradients._affine: no error at all: FLOOR": "no float32 network here reaches 1e-240",
    "gradients.Gradient.plus: forget the rounding: down(self.low + other.low)": SPARE,
    "claims.Facts.follows: skip the check: need(not np.diagonal(found).any(), "
    "Reason.NOT_FINITE, 'a group counts more than itself')": "an alarm that cannot ring",
    "claims.Prover.gains: weaken: bounds >= lower": "rounded up and down: they never meet",
    "claims.Prover.groups: weaken: len(alone) > FEW": "how much work to do",
    "claims.Prover.groups: weaken: found[0] <= enough #2": "which rows faces are looked for",
    "claims.Prover.groups: weaken: sets > 0": "the box itself, bounded once more",
    "claims.Prover.gains: skip the check: need(possible.any(axis=0).all(), Reason.NOT_FINITE, "
    "'no row can be the largest')": "an alarm that cannot ring",
    "claims.Exchange.prove: weaken: self.gained > 0.0": "a gain is rounded down past 0",
    "claims.Exchange.holds: weaken: self.gained > 0.0": "the same",
    "claims._some: weaken: len(pairs) > 10": "how many pairs a sentence names",
    "claims.singles: weaken: high > upper": "one float32 number further inside",
    "claims.Reader.exchange: skip the check: need(self.question.groups <= MOST_EXCHANGED, "
    "Reason.TOO_LARGE, 'groups to exchange')": "memory only",
    "claims.Reader.exchange: weaken: self.question.groups <= MOST_EXCHANGED": "memory only",
    "container.read_certificate: skip the check: need(size <= len(data) - 8, Reason.CONTAINER, "
    "'the header is cut short')": "what is cut short is no JSON, or lacks its arrays",
    "faces.faces: weaken: face.lower < face.upper": "an input that is fixed is fixed again",
    "faces.faces: the other way: face.lower": "no face is found",
    "faces.faces: the other way: face.upper": "the same",
    "faces.faces: the other way: face.upper #2": "a face that is too large",
    "tree.covers: the other way: min": "any neuron that is split in all leaves will do",
    "tree.Tree._part: forget the sign: -np.inf": "an empty leaf is bounded by more than nothing",
    "tree.Tree._cut: the other way: state.lower": "a shape",
    "tree.Tree._cut: weaken: phase > 0": "a phase is 1 or -1",
    "exchange._expected: the other way: np.minimum": "which place is expected is advice",
    "exchange._expected: forget the rounding: up(up(more))": "two last places, inside the gammas",
    "exchange._expected: forget the rounding: up(more)": "one last place, inside the gammas",
    "exchange._expected: the other way: up": "the same",
    "exchange._expected: the other way: up #2": "the same",
    "exchange.gains: the other way: np.maximum": "a smaller gain",
    "exchange.gains: the other way: np.maximum #2": "a smaller gain",
    "exchange.gains.less: forget the rounding: down(sure - (wrong * size + FLOOR))": "one last "
    "place, inside the four gammas beside it",
    "exchange.gains.less: the other way: down": "the same",
    "exchange.gains.less: no error at all: FLOOR": "no float32 network here reaches 1e-240",
}

ALL = [mutant for mutant in mutants() if mutant.name not in HARMLESS]
WANTED = os.environ.get("VERIXPLAIN_MUTANTS", "25")
SAMPLE = (
    ALL
    if WANTED == "all"
    else sorted(ALL, key=lambda mutant: sha256(mutant.name.encode()).digest())[: int(WANTED)]
)


def test_there_are_enough_and_every_exception_still_exists():
    names = {mutant.name for mutant in mutants()}
    assert len(ALL) > 300
    assert set(HARMLESS) <= names, set(HARMLESS) - names


def test_the_checker_itself_is_not_complained_about():
    assert first_complaint("verixplain.checker", "lines", 16) is None


@pytest.mark.parametrize("mutant", SAMPLE, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant, tmp_path):
    package = load(mutant, tmp_path / "mutant", f"mutant_{ALL.index(mutant)}")
    assert first_complaint(package, mutant.module, 24) is not None
