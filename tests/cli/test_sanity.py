import csv


def test_a_table_and_a_picture_say_what_the_maps_depend_on(say, model, digits, tmp_path):
    words = ["sanity", model, f"{digits}:inputs#0:2", "--methods", "saliency,lrp"]
    words += ["--set", "model-perturbation.levels=10,100", "--out", tmp_path]
    said = say(*words)
    assert said.code == 0, said.err
    for text in ("class (spearman)", "last class", "noise of 100 %", "softmax kept"):
        assert text in said.out
    lines = list(csv.DictReader((tmp_path / "sanity.csv").open()))
    assert {line["similarity"] for line in lines} == {
        *("spearman", "spearman-absolute", "cosine", "top", "ssim")
    }
    assert (tmp_path / "sanity.png").is_file()
    assert "12 rows were there already" in say(*words).out


def test_what_cannot_be_checked_is_refused_or_counted(say, model, digits):
    words = ["sanity", model, f"{digits}:inputs#0:2", "--checks", "class", "--methods"]
    said = say(*words, "grad-cam")
    assert said.code == 4
    assert "grad-cam needs a convolution" in said.out
    assert say(*words, "eva").code == 2  # it looks at a box
    said = say(*words, "saliency", "--set", "cascade.seed=1")
    assert said.code == 2
    assert "takes no part" in said.err
