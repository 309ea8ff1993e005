"""The schema of the run store: whatever an Encore before made is brought up with all it holds, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from engine.errors import InputError
from engine.store import RunStore, database, schema, tables
from engine.store.migrations import VERSION, numbered

ROOT = Path(__file__).parents[1]
INSERT = (
    "INSERT INTO runs (id, name, state, want, config, queue, created, epoch, epochs, step, attempts, strikes, mark, note) "
    "VALUES (:id, :name, 'finished', 'run', '{\"training\": {\"epochs\": 7}}', 'daemon', 1.5, 7, 7, 70, 1, 0, 0, 'done')"
)
OLD = {"id": "0123456789ab", "name": "jolly-lynx-42"}


@pytest.fixture
def engine(store_url):
    engine = database.connect(database.absolute(store_url))
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir(exist_ok=True)
        Path(str(engine.url.database)).touch()
    yield engine
    engine.dispose()


def make(engine, version):
    """A database as an Encore of that version left it, with a run and what belongs to it."""
    with engine.execution_options(writes=True).begin() as connection:
        tables.versions.create(connection)
        for each in range(1, version + 1):
            schema.climb(connection, each - 1, each)
            connection.execute(tables.versions.insert().values(version=each))
        connection.execute(sa.text(INSERT), OLD)
        connection.execute(sa.text("INSERT INTO metrics VALUES (:id, 10, 'loss', 0.5, 1, 0.1)"), OLD)


def differences(engine):
    """Between the database and tables.py, as Alembic sees them."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), tables.metadata)


def test_the_steps_lead_to_the_tables(engine):
    make(engine, VERSION)
    assert differences(engine) == []


def test_a_new_database_has_the_tables(engine, store_url, tmp_path):
    RunStore(store_url, tmp_path).close()
    assert differences(engine) == []


def test_a_difference_would_be_seen(engine):
    make(engine, VERSION)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(sa.text("ALTER TABLE runs DROP COLUMN remark"))
    assert [(what, column.name) for what, _, _, column in differences(engine)] == [("add_column", "remark")]


@pytest.mark.parametrize("version", range(1, VERSION))
def test_an_older_store_is_brought_up_with_all_it_holds(engine, store_url, tmp_path, version):
    make(engine, version)
    store = RunStore(store_url, tmp_path)
    assert differences(engine) == []
    (run,) = store.list()
    assert (run.id, run.name, run.state, run.epoch, run.note, run.tags) == (*OLD.values(), "finished", 7, "done", [])
    assert store.metrics(run.id)["value"].tolist() == [0.5]
    assert store.create({"training": {"epochs": 2}}).process is None
    assert store.edit(run.id, starred=True, tags=["kept"]).tags == ["kept"]
    store.close()
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.max(tables.versions.c.version))).scalar() == VERSION


def add_step(monkeypatch, upgrade):
    """Pretend that one more version of the schema has come, and that this step leads there."""
    real = schema.step
    monkeypatch.setattr(schema, "step", lambda version: SimpleNamespace(upgrade=upgrade) if version == VERSION + 1 else real(version))
    for module in (schema, database):
        monkeypatch.setattr(module, "VERSION", VERSION + 1)


def test_a_step_that_rebuilds_a_table_loses_nothing(engine, store_url, tmp_path, monkeypatch):
    def upgrade(op):
        with op.batch_alter_table("runs") as batch:
            batch.alter_column("note", new_column_name="remark_of_run", existing_type=sa.Text())
            batch.add_column(sa.Column("colour", sa.String(16), server_default="red", nullable=False))
        op.create_table("more", sa.Column("number", sa.Integer, primary_key=True))

    make(engine, VERSION)
    add_step(monkeypatch, upgrade)
    RunStore(store_url, tmp_path).close()
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT remark_of_run, colour FROM runs")).one() == ("done", "red")
        assert connection.execute(sa.text("SELECT value FROM metrics")).scalars().all() == [0.5]
    with engine.execution_options(writes=True).begin() as connection:  # and what belongs to a run still goes with it
        connection.execute(sa.text("DELETE FROM runs"))
        assert connection.execute(sa.text("SELECT count(*) FROM metrics")).scalar() == 0


def test_a_step_that_fails_has_not_begun(engine, store_url, tmp_path, monkeypatch):
    def upgrade(op):
        op.add_column("runs", sa.Column("colour", sa.String(16)))
        op.add_column("nowhere", sa.Column("colour", sa.String(16)))

    make(engine, VERSION)
    add_step(monkeypatch, upgrade)
    with pytest.raises(InputError, match=r"cannot be opened|is damaged"):
        RunStore(store_url, tmp_path)
    monkeypatch.undo()
    assert differences(engine) == []
    store = RunStore(store_url, tmp_path)
    assert [run.name for run in store.list()] == [OLD["name"]]
    store.close()


def test_migrations_are_numbered_without_gaps(tmp_path):
    for name in ("v0001_runs.py", "v0002_marks.py", "__init__.py", "notes.txt"):
        (tmp_path / name).touch()
    assert numbered(tmp_path) == {1: "v0001_runs", 2: "v0002_marks"}
    for wrong in ("v0002_sweeps.py", "v0004_sweeps.py"):
        (tmp_path / wrong).touch()
        with pytest.raises(RuntimeError, match="v0002_marks"):
            numbered(tmp_path)
        (tmp_path / wrong).unlink()


def test_opening_a_store_that_is_up_to_date_needs_neither_alembic_nor_the_drivers_of_a_cluster(tmp_path):
    code = (
        "import sys, pathlib, engine.background\n"
        "from engine.store import RunStore\n"
        f"for _ in range(2): RunStore('sqlite:///{tmp_path}/runs.db', pathlib.Path('{tmp_path}')).close()\n"
        "print(*{'alembic', 'psycopg', 'distributed', 'dask', 'torch', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")
