import numpy as np
import pytest

from tests.attribution.settings import digits, query
from verixplain import Query, Target
from verixplain.errors import TargetError
from verixplain.registry import checks
from verixplain.sanity.class_ import Class


def test_the_second_and_the_last_class_are_asked_about():
    of, inputs = digits()
    asked = query(of, inputs[0])
    ranked = np.argsort(-of(inputs[:1])[0])
    found = list(Class().variants(asked))
    assert [one.query.target.label_index for one in found] == [ranked[1], ranked[-1]]
    assert all(one.query.network is of for one in found)


def test_the_class_that_is_explained_is_no_other_class():
    of, inputs = digits()
    ranked = np.argsort(-of(inputs[:1])[0])
    found = list(Class().variants(query(of, inputs[0], label=int(ranked[1]))))
    assert found[0].query.target.label_index == ranked[0]


def test_rows_have_no_class():
    of, inputs = digits()
    asked = query(of, inputs[0])
    rows = Query(of, asked.box, Target.rows(np.ones((1, 10))), asked.groups)
    with pytest.raises(TargetError, match="needs a class"):
        list(Class().variants(rows))


def test_a_word_of_python_is_a_name_all_the_same():
    assert "class" in list(checks)
    assert checks["class"]().name == "class"
