import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.attribution.settings import digits, query
from verixplain import evaluation, explain
from verixplain.attribution.saliency import Saliency
from verixplain.errors import InputError, SettingError, SoundnessAlarm, UnknownNameError
from verixplain.evaluation import Case, evaluate
from verixplain.metrics._base import Measured
from verixplain.metrics.sparseness import Sparseness
from verixplain.report.json import model_dict
from verixplain.report.tables import save_evaluation


@pytest.fixture(scope="module")
def queries():
    of, inputs = digits("digits_mlp")
    return [query(of, x) for x in inputs[:3]]


def test_the_table_is_mean_and_standard_error_of_the_rows(queries):
    found = evaluate(queries, ["saliency"], ["sparseness"])
    values = np.array([row["value"] for row in found.rows])
    (line,) = found.table()
    assert line["count"] == 3
    assert line["mean"] == pytest.approx(values.mean())
    assert line["standard_error"] == pytest.approx(values.std(ddof=1) / 3**0.5)
    direct = [Saliency().explain(one) for one in queries]
    gini = evaluate([queries[0]], [Saliency()], ["sparseness"]).rows[0]["value"]
    assert gini == values[0]
    assert len(direct) == 3


def test_rows_that_are_there_are_not_computed_again(queries, tmp_path):
    seen = []

    class Watched(Saliency):
        def explain(self, query, progress=None):
            seen.append(query)
            return super().explain(query, progress)

    first = evaluate(queries, [Watched()], ["sparseness", "deletion"], folder=tmp_path)
    assert (len(seen), first.known) == (3, 0)
    again = evaluate(queries, [Watched()], ["sparseness", "deletion"], folder=tmp_path)
    assert (len(seen), again.known) == (3, 6)
    assert again.rows == first.rows
    more = evaluate(queries, [Watched()], ["insertion", "deletion"], folder=tmp_path)
    assert (len(seen), more.known) == (6, 3)
    changed = evaluate(
        queries, [Watched(absolute=True)], ["deletion"], folder=tmp_path,
    )  # fmt: skip
    assert changed.known == 0


def test_another_box_mask_or_metric_setting_is_another_row(queries, tmp_path):
    evaluate(queries[:1], ["saliency"], ["deletion"], folder=tmp_path)
    wider = query(queries[0].network, queries[0].box.center.astype("f4"), radius=0.2)
    mask = np.ones(queries[0].box.center.shape, dtype=bool)
    for case, settings in (
        (wider, {}),
        (Case("0", queries[0], mask), {}),
        (queries[0], {"deletion": {"steps": 3}}),
    ):
        found = evaluate([case], ["saliency"], ["deletion"], folder=tmp_path, settings=settings)
        assert found.known == 0


def test_a_failure_costs_its_rows_says_why_and_is_tried_again(queries, tmp_path):
    def broken():
        raise InputError("the second input is broken")

    cases = [Case("good", queries[0]), Case("bad", broken)]
    found = evaluate(cases, ["saliency", "bsm"], ["deletion", "energy-game"], folder=tmp_path)
    lines = {(line["method"], line["metric"]): line for line in found.table()}
    assert lines["saliency", "deletion"]["count"] == 1
    assert lines["saliency", "deletion"]["failed"] == 1
    assert lines["bsm", "energy-game"]["mean"] is None
    reasons = {one["reason"]: one["inputs"] for one in found.failures()}
    assert reasons["InputError: the second input is broken"] == ["bad"]
    assert sum("--masks" in reason for reason in reasons) == 1
    mended = [cases[0], Case("bad", queries[1])]
    again = evaluate(mended, ["saliency", "bsm"], ["deletion"], folder=tmp_path)
    assert again.known == 2
    assert not again.failures()


def test_a_method_that_fails_fails_once_for_all_metrics(queries):
    seen = []

    class Broken(Saliency):
        def explain(self, query, progress=None):
            seen.append(query)
            raise InputError("no")

    found = evaluate(queries[:1], [Broken()], ["deletion", "insertion", "sparseness"])
    assert len(seen) == 1
    assert len(found.failures()) == 3


def test_every_two_methods_are_compared_and_their_maps_not_made_again(queries, tmp_path):
    seen = []

    class Watched(Saliency):
        def explain(self, query, progress=None):
            seen.append(query)
            return super().explain(query, progress)

    def compared():
        parts = [Watched(), "gradient-times-input", "grad-cam"]
        return evaluate(queries[:2], parts, ["sparseness"], folder=tmp_path).agreement

    found = compared()
    names = ("saliency", "gradient-times-input")
    maps = [[explain(one, name).group_scores for name in names] for one in queries[:2]]
    assert found.mean[0, 1] == pytest.approx(np.mean([spearmanr(*two).statistic for two in maps]))
    assert found.count.tolist() == [[2, 2, 0], [2, 2, 0], [0, 0, 0]]  # an mlp has no GradCAM
    assert len(seen) == 2
    np.testing.assert_array_equal(compared().mean, found.mean)
    assert len(seen) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_a_failure(queries, value):
    class Wrong(Sparseness):
        def measure(self, sample):
            return Measured(value)

    (failure,) = evaluate(queries[:1], ["saliency"], [Wrong()]).failures()
    assert failure["reason"].startswith("NotFiniteError")


def test_an_alarm_is_never_a_row(queries):
    class Wrong(Saliency):
        def explain(self, query, progress=None):
            raise SoundnessAlarm("two bounds contradict each other")

    with pytest.raises(SoundnessAlarm):
        evaluate(queries[:1], [Wrong()], ["deletion"])


def test_the_verified_map_is_made_once_an_input_by_the_eva_that_is_evaluated(queries, monkeypatch):
    made = []

    def watched(query, method):
        made.append(method)
        return explain(query, method)

    monkeypatch.setattr(evaluation, "explain", watched)
    settings = {"eva": {"steps": 1, "restarts": 1, "bound": "interval"}}
    found = evaluate(
        queries[:1], ["saliency", "eva"], ["audit", "ranking-agreement"], settings=settings
    )
    rows = {(row["method"], row["metric"]): row for row in found.rows}
    assert rows["eva", "ranking-agreement"]["value"] == pytest.approx(1)
    assert [one.bound for one in made] == ["interval"]
    audit = found.table()[0]["details"]
    assert audit["in"] + audit["out"] + audit["undecided"] == audit["k"] == 5


def test_names_and_settings_nobody_knows_are_refused(queries):
    with pytest.raises(UnknownNameError, match="no metric 'accuracy'; there are: aic"):
        evaluate(queries, ["saliency"], ["accuracy"])
    with pytest.raises(SettingError, match="metric 'deletion'"):
        evaluate(queries, ["saliency"], ["deletion"], settings={"deletion": {"colour": 1}})
    with pytest.raises(SettingError, match="which is not evaluated"):
        evaluate(queries, ["saliency"], ["deletion"], settings={"insertion": {}})
    with pytest.raises(SettingError, match="twice: saliency"):
        evaluate(queries, ["saliency", "saliency"], ["deletion"])


def test_progress_counts_rows(queries):
    told = []
    evaluate(queries[:2], ["saliency"], ["deletion", "sparseness"],
             progress=lambda *words: told.append(words))  # fmt: skip
    assert told == [("rows", k, 4) for k in (1, 2, 3, 4)]


def test_the_files_follow_the_published_schema(queries, tmp_path):
    from verixplain.registry import metrics

    schema = json.loads((files("verixplain") / "schemas" / "evaluation-1.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    found = evaluate(queries[:2], ["saliency", "bsm"], list(metrics))
    about = {"model": model_dict(queries[0].network), "data": "x#0:2", "request": {"radius": 0.1}}
    save_evaluation(found, tmp_path, about)
    values = json.loads((tmp_path / "evaluation.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(values)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**values, "extra": 1})
    assert [row["value"] for row in values["rows"]] == [row["value"] for row in found.rows]
    lines = (tmp_path / "evaluation.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * len(list(metrics))
    assert lines[0].startswith("method,metric,direction,mean,standard_error,count,failed")
