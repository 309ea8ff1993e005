"""A run store on a PostgreSQL server: connections are lost, and of many daemons one serves."""

from __future__ import annotations

import traceback

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from engine.errors import InputError
from engine.store import MetricRow, RunStore, database
from engine.store.urls import absolute
from tests.background_lab import until


@pytest.fixture
def url(server):
    return server.fresh()


@pytest.fixture
def store(url, tmp_path):
    store = RunStore(url, tmp_path)
    yield store
    store.close()


def cut(store, connection=None):
    """The server ends a connection, by default the one that the store uses next."""
    ask = "SELECT pg_backend_pid()"
    if connection is None:
        pid = store._read(lambda connection: connection.exec_driver_sql(ask).scalar())
    else:
        pid = connection.exec_driver_sql(ask).scalar()
    other = database.connect(store.url)
    with other.begin() as connection:
        assert connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)").scalar()
    other.dispose()


def test_an_idle_connection_that_was_cut_is_made_again(store):
    run = store.create({})
    cut(store)
    assert store.claim(run.id)
    cut(store)
    assert store.beat(run.id, epoch=1).want == "run"


def test_a_transaction_that_was_cut_is_done_again(store, monkeypatch):
    run, cuts = store.create({}), [True, True]
    monkeypatch.setattr(database, "RETRIES", (0.01, 0.01))

    def work(connection):
        connection.execute(sa.text("UPDATE runs SET epoch = epoch + 1"))
        if cuts:
            cuts.pop()
            cut(store, connection)
        return connection.execute(sa.text("SELECT epoch FROM runs")).scalar()

    assert store._write(work) == 1
    assert store.get(run.id).epoch == 1
    cuts[:] = [True] * 3
    with pytest.raises(OperationalError):
        store._write(work)
    assert store.get(run.id).epoch == 1


def test_a_run_whose_insertion_was_answered_by_silence_is_there_once(store, monkeypatch):
    write, tries = store._write, []

    def written_unheard(work):
        answer = write(work)
        tries.append(1)
        return answer if len(tries) > 1 else write(work)

    monkeypatch.setattr(store, "_write", written_unheard)
    run = store.create({"training": {"epochs": 3}})
    assert [found.id for found in store.list()] == [run.id]


def test_metrics_survive_a_server_that_ends_connections(store):
    run = store.create({})
    for step in range(6):
        if step % 2:
            cut(store)
        assert store.add_metrics(run.id, [MetricRow(step, "loss", 0.5, 1, 1)])
    assert store.metrics(run.id)["step"].tolist() == [*range(6)]


def test_one_of_many_daemons_serves(store, url, tmp_path):
    other = RunStore(url, tmp_path)
    first, second = store.office(), other.office()
    assert [first.held(), second.held(), first.held(), second.held()] == [True, False, True, False]
    cut(store, first._connection)
    assert [second.held(), first.held(), first.held(), second.held()] == [True, False, False, True]
    second.leave()
    assert until(first.held)  # the server learns of a closed connection a moment later
    first.leave()
    assert until(second.held)
    second.leave()
    other.close()


def test_every_store_has_an_office_of_its_own(store, server, tmp_path):
    other = RunStore(server.fresh(), tmp_path)
    mine, its = store.office(), other.office()
    assert mine.held() and its.held()
    mine.leave()
    its.leave()
    other.close()


def test_a_file_is_served_by_whoever_has_its_lock(tmp_path):
    store = RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path)
    assert store.office().held()
    store.close()


def test_the_driver_need_not_be_named():
    assert absolute("postgresql://u:p@h/d") == absolute("postgres://u:p@h/d") == "postgresql+psycopg://u:p@h/d"


def test_a_password_is_in_no_message(server, tmp_path):
    with pytest.raises(database.InputError) as told:
        RunStore("postgresql://me:s3cret@127.0.0.1:1/x", tmp_path)
    assert "s3cret" not in str(told.value)
    assert str(told.value).endswith(".") and "\n" not in str(told.value)


@pytest.mark.parametrize("url", ["postgresql//me:s3cr3t@host/d", "postgresql://me@host:s3cr3t/d", "s3cr3t", ""])
def test_a_mistyped_url_is_not_shown_for_its_password(url):
    with pytest.raises(InputError, match=r"^ENCORE_STORE is no database URL; write for example sqlite:////") as told:
        absolute(url)
    assert "s3cr3t" not in "".join(traceback.format_exception(told.value))
