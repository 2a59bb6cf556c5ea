import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from tests.attribution.settings import digits, query
from verixplain.attribution.saliency import Saliency
from verixplain.errors import NoBoundaryError, SettingError, UnknownNameError
from verixplain.evaluation import Case
from verixplain.examination import examine
from verixplain.registry import checks
from verixplain.report.json import model_dict
from verixplain.report.tables import save_examination


@pytest.fixture(scope="module")
def queries():
    of, inputs = digits()
    return [query(of, x) for x in inputs[:4]]


def mean(found, method, check, step, similarity="spearman"):
    (line,) = [
        one
        for one in found.table()
        if (one["method"], one["check"], one["similarity"]) == (method, check, similarity)
        and one["step"].startswith(step)
    ]
    return line["mean"]


@pytest.fixture(scope="module")
def found(queries):
    return examine(
        queries, ["saliency", "guided-backprop", "lrp"], ["class", "cascade", "model-perturbation"]
    )


def test_positive_propagation_hardly_looks_at_the_class(found):
    """An ordering that the papers say must hold, here on the embedded digits network."""
    last = {one: mean(found, one, "class", "last") for one in ("saliency", "guided-backprop")}
    assert last["guided-backprop"] > last["saliency"] + 0.2


def test_maps_of_noised_networks_are_ever_less_alike_and_the_score_falls(found):
    lines = [
        one
        for one in found.table()
        if one["check"] == "model-perturbation"
        and (one["method"], one["similarity"]) == ("saliency", "spearman")
    ]
    means = [one["mean"] for one in lines]
    assert means == sorted(means, reverse=True)
    assert 0 <= lines[-1]["score"] < lines[0]["score"] <= 1


def test_a_map_of_new_weights_is_another_map(found):
    assert abs(mean(found, "saliency", "cascade", "down to /0")) < 0.3


def test_constant_maps_are_counted_and_not_compared(queries):
    class Flat(Saliency):
        def scores(self, explained):
            found = super().scores(explained)
            return type(found)(0 * found.map + 1)

    lines = examine(queries[:2], [Flat()], ["class"]).table()
    assert {one["mean"] for one in lines} == {None}
    assert {one["constant"] for one in lines} == {2}
    assert {one["count"] for one in lines} == {0}


def test_a_variant_that_cannot_be_explained_costs_its_step(queries):
    first = queries[0].target.label_index

    class Picky(Saliency):
        def explain(self, query, progress=None):
            if query.target.label_index != first:
                raise NoBoundaryError("none was found")
            return super().explain(query, progress)

    found = examine(queries[:1], [Picky()], ["class"])
    assert [step["error"] for step in found.rows[0]["steps"]] == [
        "NoBoundaryError: none was found"
    ] * 2
    assert found.table()[0]["failed"] == 1


def test_rows_that_are_there_are_not_computed_again_and_failures_are(queries, tmp_path):
    def broken():
        raise ValueError("no such input")

    cases = [Case("good", queries[0]), Case("bad", broken)]
    first = examine(cases, ["saliency"], ["class"], folder=tmp_path)
    assert [bool(row["error"]) for row in first.rows] == [False, True]
    again = examine(cases, ["saliency"], ["class"], folder=tmp_path)
    assert again.known == 1
    assert again.rows[0] == first.rows[0]


def test_names_and_settings_nobody_knows_are_refused(queries):
    with pytest.raises(UnknownNameError, match="no sanity check 'luck'; there are: cascade, class"):
        examine(queries, ["saliency"], ["luck"])
    with pytest.raises(SettingError, match="sanity check 'cascade'"):
        examine(queries, ["saliency"], ["cascade"], settings={"cascade": {"colour": 1}})
    with pytest.raises(SettingError, match="takes no part"):
        examine(queries, ["saliency"], ["class"], settings={"cascade": {}})


def test_the_files_follow_the_published_schema(found, queries, tmp_path):
    schema = json.loads((files("verixplain") / "schemas" / "sanity-1.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    about = {"model": model_dict(queries[0].network), "data": "x", "request": {}}
    save_examination(found, tmp_path, about)
    values = json.loads((tmp_path / "sanity.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(values)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**values, "extra": 1})
    assert len((tmp_path / "sanity.csv").read_text().splitlines()) == 1 + len(values["table"])
    assert (tmp_path / "sanity.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", list(checks))
def test_every_check_has_its_test_a_source_and_leaves_the_query_alone(name, queries):
    from pathlib import Path

    file = f"test_{name.replace('-', '_')}{'_' * (name == 'class')}.py"
    assert (Path(__file__).parent / "sanity" / file).is_file()
    assert "Source: " in " ".join((checks[name].__doc__ or "").split())
    of, before = queries[0].network, queries[0].network(queries[0].box.center[None])
    found = list(checks[name]().variants(queries[0]))
    levels = [one.level for one in found]
    assert levels == sorted(levels)
    assert all(0 < level <= 1 for level in levels)
    assert len({one.name for one in found}) == len(found)
    np.testing.assert_array_equal(of(queries[0].box.center[None]), before)
