"""The two packages are frozen at submission: one copy per state of them, whole, and left alone afterwards."""

from labrun.slurm import executor as code


def test_a_copy_is_made_once_and_an_edit_makes_another(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path / "runs"))
    root = tmp_path / "root"
    package = root / "labkit"
    (package / "sites").mkdir(parents=True)
    (package / "a.py").write_text("x = 1\n")
    (package / "sites" / "s.yaml").write_text("gpus: 1\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_text("")

    first = code.take_snapshot(root)
    assert first == code.snapshot_folder(root) == code.take_snapshot(root)
    assert sorted(path.name for path in first.rglob("*")) == ["a.py", "labkit", "s.yaml", "sites"]
    (package / "a.py").write_text("x = 2\n")
    second = code.take_snapshot(root)
    assert second != first and (first / "labkit" / "a.py").read_text() == "x = 1\n"
    assert (second / "labkit" / "a.py").read_text() == "x = 2\n"
    assert {path.name for path in first.parent.iterdir()} == {first.name, second.name}


def test_the_own_copy_holds_all_that_both_packages_read(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_RUNS", str(tmp_path))
    folder = code.take_snapshot()
    assert (folder / "labrun" / "slurm" / "sites" / "byu.yaml").is_file()
    assert (folder / "labkit" / "train" / "loop.py").is_file()
