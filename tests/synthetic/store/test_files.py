from synthetic.store import files
from synthetic.store.files import clone_root


def test_the_clone_holds_the_project_file():
    assert (clone_root() / "pyproject.toml").is_file()


def test_another_project_file_beside_the_packages_makes_no_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "__file__", str(tmp_path / "synthetic" / "store" / "files.py"))
    assert clone_root() is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert clone_root() is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "projhead"\n')
    assert clone_root() == tmp_path
