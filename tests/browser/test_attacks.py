"""What only a real server and a real browser can show: scripts that do not run, origins and hosts that are refused."""

from __future__ import annotations

import base64
import http.client
import os
import tomllib
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from engine.config import parse
from engine.datasets import save_upload
from engine.store import RunStore

ROOT = Path(__file__).parents[2]
ACT = "window.pwned=1"
SCRIPT = f"<script>{ACT}</script><img src=x onerror='{ACT}'><svg onload='{ACT}'>"
LINK = f"[x](javascript:{ACT}) ![y](http://evil.example/t.png)"


def handshake(app: str, origin: str | None, host: str | None = None) -> int:
    """The status with which the server answers a WebSocket's first request: 101 is open."""
    where = urlsplit(app)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    connection.putrequest("GET", "/_stcore/stream", skip_host=True)
    headers = {
        "Host": host or where.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **({"Origin": origin} if origin else {}),
    }
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_websocket_of_a_foreign_page_is_refused(app: str) -> None:
    assert handshake(app, app) == 101
    assert handshake(app, "https://evil.example") == 403
    assert handshake(app, "http://127.0.0.1.evil.example") == 403
    assert handshake(app, "null") == 403


def test_a_foreign_name_that_leads_here_is_refused(app: str) -> None:
    """DNS rebinding: the page's own name is made to lead to this machine, so that origin and host agree."""
    port = urlsplit(app).port
    assert handshake(app, f"http://evil.example:{port}", f"evil.example:{port}") == 403
    assert handshake(app, f"http://localhost:{port}", f"localhost:{port}") == 101


@pytest.mark.parametrize(
    "path", ["/media/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/media/%2fetc%2fpasswd", "/media/" + "0" * 56]
)
def test_no_address_leads_out_of_the_app(app: str, path: str) -> None:
    where = urlsplit(app)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    assert b"root:" not in content and (answer.status in (400, 403, 404) or b"<title>Streamlit</title>" in content)
    connection.close()


def test_a_file_without_a_session_of_its_own_is_not_taken(app: str) -> None:
    where = urlsplit(app)
    for session, method in (("none", "PUT"), ("../../x", "PUT"), ("none", "DELETE")):
        connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
        connection.request(method, f"/_stcore/upload_file/{session}/f", body=b"x", headers={"Origin": "https://evil.example"})
        assert connection.getresponse().status in (400, 401, 403, 404)
        connection.close()


def test_the_app_is_bound_to_this_machine_and_tells_nothing() -> None:
    told = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    server = told["server"]
    assert server["address"] == "127.0.0.1" and server["enableCORS"] and server["enableXsrfProtection"] and server["maxUploadSize"] == 200
    assert set(server["allowedHosts"]) == {"127.0.0.1", "localhost", "::1"} and not server["enableAgentApi"]
    assert told["client"]["showErrorDetails"] == "none" and not told["browser"]["gatherUsageStats"]


def test_no_script_in_a_title_tag_note_or_file_name_runs(app: str, home: Path, window: BrowserContext) -> None:
    with mock.patch.dict(os.environ, {"ENCORE_HOME": str(home)}):
        lines = [f'"{SCRIPT}{user}","{SCRIPT}{LINK}{item}",{1 + (user + item) % 5}' for user in range(6) for item in range(6)]
        upload = save_upload(f"{LINK} <svg onload='{ACT}'>.csv", "\n".join(["user,item,rating", *lines]).encode())
    store = RunStore(f"sqlite:///{home}/encore.db", home / "artifacts")
    run = store.create(parse({"dataset": {"name": upload}}).model_dump(mode="json"), queue="foreground")
    store.claim(run.id)
    store.edit(run.id, tags=[f"<svg onload={ACT}>"[:24], "[x](javascript:a())"], remark=f"{SCRIPT}\n{LINK}")
    store.add_facts(run.id, {"watch_user": SCRIPT, "watch_users": [SCRIPT], "liked": 4.0, "dataset_title": SCRIPT})
    for epoch, model in ((0, "svd"), (1, "run")):
        store.add_list(run.id, epoch, model, SCRIPT, [{"item": "1", "title": f"{SCRIPT}{LINK}", "score": 4.0, "hit": True}])
    store.log(run.id, f"{SCRIPT}{LINK}")
    store.finish(run.id, "failed", error=f"{SCRIPT}{LINK}")
    asked: list[str] = []
    page = window.new_page()
    page.on("request", lambda request: asked.append(_host(request)))
    for path, sight in (
        (f"runs?run={run.id}", "Configuration"),
        (f"svd?svd_data={upload}&svd_rank=2", "Held-out error by rank"),
        (f"train?run={SCRIPT}&{SCRIPT}={SCRIPT}", "There is no run"),
    ):
        page.goto(f"{app}/{path}")
        expect(page.get_by_text(sight).first).to_be_visible()
        if "svd" in path:
            assert _tooltips(page) == {True}, "of each item its title as letters"
        assert page.evaluate("window.pwned") is None
        assert page.locator("a[href^='javascript:'], img[src='x'], img[src*='evil'], svg[onload]").count() == 0
    assert set(asked) <= {"127.0.0.1", ""}
    store.delete(run.id)
    store.close()
    page.close()


def _tooltips(page: Page) -> set[bool]:
    """Points at the map of items, of which ECharts shows the titles as HTML; whether each that it shows holds the script as text."""
    chart = page.get_by_test_id("stEChartsChart").nth(5)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    seen: set[bool] = set()
    for place in [*range(77)] * 5:
        if place == 0 and seen:
            break  # it is gone through again only where a busy machine had not drawn it yet
        page.mouse.move(box["x"] + box["width"] * (place % 11 + 1) / 12, box["y"] + box["height"] * (place // 11 + 1) / 8)
        seen |= {SCRIPT in text for text in chart.locator("div").all_inner_texts() if text.strip()}
    return seen


def _host(request: Request) -> str:
    return urlsplit(request.url).hostname or ""
