"""A file is replaced whole or not at all."""

import pytest

from engine.files import drafts, replacing


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_there_only_when_it_is_whole(tmp_path, durable):
    path = tmp_path / "new folder" / "figures.json"
    with replacing(path, durable) as draft:
        draft.write_text("first")
        assert not path.exists() and [*drafts(path.parent)] == [*drafts(path.parent, "figures.json")] == [draft]
    assert path.read_text() == "first" and [*path.parent.iterdir()] == [path]
    with replacing(path, durable) as draft:
        draft.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"


def test_after_an_error_the_old_content_stands_and_no_draft_is_left(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as draft:
        draft.write_text("half of the n")
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), replacing(path):
        """Nothing is written."""
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "figures.json"
    with replacing(path) as one, replacing(path) as other:
        one.write_text("one")
        other.write_text("other")
        assert len([*drafts(tmp_path)]) == 2 and not [*drafts(tmp_path, "other.json")]
    assert path.read_text() == "one", "who ends last"
