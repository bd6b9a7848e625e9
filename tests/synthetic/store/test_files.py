from synthetic.store.files import clone_root


def test_the_clone_holds_the_project_file():
    assert (clone_root() / "pyproject.toml").is_file()
