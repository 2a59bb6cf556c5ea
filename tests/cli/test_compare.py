from PIL import Image


def test_the_maps_of_several_methods_stand_in_one_picture(say, model, digits, tmp_path):
    out = tmp_path / "new" / "sheet.png"
    words = ["compare", model, f"{digits}:inputs#3", "--out", out, "--methods"]
    said = say(*words, "saliency,rise,eva", "--radius", 0.01, "--set", "rise.masks=20")
    assert said.code == 0, said.err
    assert "estimate" in said.out
    with Image.open(out) as picture:
        assert picture.width > picture.height > 200
    assert "rank correlation of maps" in said.out
    with Image.open(out.with_name("sheet-agreement.png")) as picture:
        assert picture.width > 200


def test_a_method_that_cannot_explain_is_left_out_and_named(say, model, digits, tmp_path):
    out = tmp_path / "sheet.png"
    words = ["compare", model, f"{digits}:inputs#3", "--out", out, "--methods"]
    said = say(*words, "saliency,grad-cam")
    assert said.code == 4
    assert "left out: grad-cam: UnsupportedMethodError" in said.err
    assert out.is_file()
    said = say(*words, "grad-cam")
    assert said.code == 2
    assert "none of the methods" in said.err


def test_one_input_and_a_png_are_asked_for(say, model, digits, tmp_path):
    words = ["compare", model, f"{digits}:inputs", "--methods", "saliency", "--out"]
    said = say(*words, tmp_path / "sheet.png")
    assert said.code == 2
    assert "name one" in said.err
    assert say(*words, tmp_path / "sheet.pdf").code == 2
