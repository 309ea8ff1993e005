"""Who may see a page, where the app is opened to others."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit import config

from engine import background
from engine.settings import settings
from tests.visits import dashboard


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "ensure_daemon", lambda *_: pytest.fail("a stranger starts no engine"))


def test_where_a_login_is_asked_for_a_stranger_sees_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.user_info.get_secrets_auth_section", lambda: {"client_id": "encore"})
    page = dashboard().run()
    assert not page.exception
    assert [title.value for title in page.title] == ["Encore"] and [button.label for button in page.button] == ["Log in"]
    assert not settings().home.exists(), "not even a store is made"


def test_secrets_that_cannot_be_read_let_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_text("[auth\n")
    before = config.get_option("secrets.files")
    config.set_option("secrets.files", [str(tmp_path / "secrets.toml")])
    try:
        page = dashboard().run()
    finally:
        config.set_option("secrets.files", before)
    assert not page.exception and not page.title and not page.button
    assert [error.value.replace("\\", "") for error in page.error] == [
        "The server's secrets cannot be read, so that nobody is let in: its log says why."
    ]
