"""The two kinds of errors: their sentences name the value, the valid names and the nearest ones."""

from labkit.run_folder import LabError, unknown_name


def test_nearest_names_come_first_and_every_valid_name_is_listed():
    error = unknown_name("model", "resnet81", ["lenet", "resnet18", "resnet34"])
    assert isinstance(error, LabError) and isinstance(error, ValueError)
    assert "Unknown model 'resnet81'" in str(error)
    assert "Did you mean resnet18" in str(error)
    assert str(error).endswith("Valid: lenet, resnet18, resnet34.")


def test_a_name_like_nothing_gets_no_guess():
    assert "Did you mean" not in str(unknown_name("model", "zzz", ["lenet"]))


def test_a_name_that_is_no_string_is_shown_as_it_is():
    assert "None" in str(unknown_name("model", None, ["lenet"]))
