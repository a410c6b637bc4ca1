"""The library is frozen at submission: one copy per state of it, whole, and left alone afterwards."""

from labkit.cluster import code


def test_a_copy_is_made_once_and_an_edit_makes_another(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
    package = tmp_path / "kit"
    (package / "sites").mkdir(parents=True)
    (package / "a.py").write_text("x = 1\n")
    (package / "sites" / "s.yaml").write_text("gpus: 1\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_text("")

    first = code.freeze(package)
    assert first == code.place(package) == code.freeze(package)
    assert sorted(path.name for path in first.rglob("*")) == ["a.py", "kit", "s.yaml", "sites"]
    (package / "a.py").write_text("x = 2\n")
    second = code.freeze(package)
    assert second != first and (first / "kit" / "a.py").read_text() == "x = 1\n"
    assert (second / "kit" / "a.py").read_text() == "x = 2\n"
    assert {path.name for path in first.parent.iterdir()} == {first.name, second.name}


def test_the_librarys_own_copy_holds_all_that_it_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path))
    folder = code.freeze() / "labkit"
    assert (folder / "cluster" / "sites" / "byu.yaml").is_file() and (folder / "train.py").is_file()
