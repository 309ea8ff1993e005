from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from engine.datasets import (
    DATASETS,
    DatasetConfig,
    available,
    is_path,
    listing,
    load,
    movielens,
    sources,
)
from engine.errors import InputError
from tests.conftest import DATA

EXPECTED = ("ml-latest-small", "ml-100k", "ml-1m")
"""What the data folder must hold; the larger datasets are checked wherever somebody has them."""
EACH = [
    pytest.param(name, marks=() if dataset.offline else pytest.mark.data)
    for name, dataset in DATASETS.items()
    if dataset.offline or name in EXPECTED or any(DATA.glob(f"{name}*"))
]


# Every registered dataset


@pytest.mark.parametrize("name", EACH)
def test_contract(name: str) -> None:
    if not available(name):
        pytest.skip(f"{name} is not on this machine")
    known = next(dataset for dataset in listing() if dataset.name == name)
    data = load(DatasetConfig(name=name))
    assert (data.name, data.n_users, data.n_items, data.n_ratings) == (name, known.n_users, known.n_items, known.n_ratings)
    assert (data.timestamps is not None, bool(len(data.users.columns))) == (known.has_timestamps, known.has_user_features)
    low, high = data.scale
    assert data.ratings.data.dtype == np.float32
    assert (data.ratings.data.min(), data.ratings.data.max()) == (low, high)
    assert data.ratings.has_sorted_indices and data.ratings.has_canonical_format
    assert np.diff(data.ratings.indptr).min() >= 1 and len(np.unique(data.columns)) == data.n_items
    assert data.users.index.is_unique and data.items.index.is_unique
    assert all(isinstance(label, str) and label for label in [*data.users.index, *data.items.index, *data.titles])
    assert not data.users.isna().any(axis=None) and not data.items.isna().any(axis=None)
    assert load(DatasetConfig(name=name)).fingerprint() == data.fingerprint()


def test_toy_is_the_printed_matrix() -> None:
    data = load(DatasetConfig(name="toy"))
    dense = data.ratings.toarray()
    assert dense[1].tolist() == [4, 0, 0, 0, 3, 0, 0, 0, 5, 0]
    assert dense.sum(1).tolist() == [5, 12, 3, 7, 5, 7, 14, 7, 7, 10, 10, 14, 6, 12, 8, 7, 7, 11]
    # The assignment's print of its rank-3 reconstruction, first and seventh user.
    left, values, right = np.linalg.svd(dense)
    rebuilt = np.round(left[:, :3] * values[:3] @ right[:3]).astype(int)
    assert rebuilt[0].tolist() == [1, 1, 1, 0, 2, 0, 0, 0, 1, 1]
    assert rebuilt[6].tolist() == [0, 0, 0, 4, 1, 0, 3, 0, 4, 0]
    assert (list(data.users.index[:2]), data.users.index[17], data.titles[9], data.scale) == (["1", "2"], "18", "Item 10", (1, 5))


# MovieLens


@pytest.mark.data
def test_movielens_small(data_folder: Path) -> None:
    data = load(DatasetConfig(name="ml-latest-small"))
    assert (data.n_ratings, data.n_users, data.n_items, data.duplicates) == (100_836, 610, 9724, 0)
    toy_story = data.ratings[[data.user_position("1")]][:, [data.item_position("1")]]
    assert toy_story.toarray().item() == 4.0
    assert data.items.loc["2", "title"] == "Jumanji (1995)" and data.items.loc["2", "genres"] == "Adventure|Children|Fantasy"
    assert data.timestamps is not None and data.timestamps[0] == 964_982_703
    assert "(no genres listed)" not in set(data.items["genres"])


@pytest.mark.data
def test_movielens_100k(data_folder: Path) -> None:
    data = load(DatasetConfig(name="ml-100k"))
    assert data.ratings.shape == (943, 1682)
    assert data.users.loc["1"].tolist() == ["male", "18-24", "technician"]
    assert data.items.loc["1"].tolist() == ["Toy Story (1995)", "Animation|Children's|Comedy"]
    assert data.items.loc["543", "title"] == "Misérables, Les (1995)"
    assert data.published_test is not None
    assert data.published_test.sum() == 20_000
    published = data.pick(data.published_test)
    assert published[data.user_position("1"), data.item_position("6")] == 5, "the first line of u1.test"


@pytest.mark.data
def test_movielens_1m_without_official_ratings(data_folder: Path) -> None:
    if (data_folder / "ml-1m" / "ratings.dat").exists():
        pytest.skip("the official ratings.dat is here")
    data = load(DatasetConfig(name="ml-1m"))
    assert (data.n_ratings, data.n_users, data.n_items, data.timestamps) == (1_000_209, 6040, 3706, None)
    assert data.users.loc["1"].tolist() == ["female", "under 18", "K-12 student"]
    # This copy numbers its films 1-3706; movies.dat goes to 3952, so a title would be a wrong one.
    assert list(data.titles[:2]) == ["1", "2"] and "genres" not in data.items


OFFICIAL_1M = {
    "ratings.dat": "1::1193::5::978300760\n2::661::3::978302109\n2::1193::4::978298413\n",
    "movies.dat": "661::James and the Giant Peach (1996)::Animation|Children's\n1193::Café (1975)::Drama\n7::Sabrina (1995)::Comedy\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}


def archive(files: dict[str, str], folder: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in files.items():
            packed.writestr(f"{folder}/{name}", text.encode("latin-1"))
        packed.writestr("../outside.txt", "never written")
    return content.getvalue()


def test_official_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "ml-1m").mkdir(parents=True)
    # The folder with the partial file stands back behind the complete archive.
    (tmp_path / "data" / "ml-1m" / "ratings.csv.gz").write_bytes(gzip.compress(b"userId,movieId,rating\n1,1,1\n", mtime=0))
    (tmp_path / "data" / "ml-1m.zip").write_bytes(archive(OFFICIAL_1M, "ml-1m"))
    assert available("ml-1m")
    data = load(DatasetConfig(name="ml-1m"))
    assert data.ratings.toarray().tolist() == [[0, 5], [3, 4]]
    assert list(data.titles) == ["James and the Giant Peach (1996)", "Café (1975)"]
    assert data.timestamps is not None and data.timestamps.tolist() == [978300760, 978302109, 978298413]
    assert data.users["occupation"].tolist() == ["K-12 student", "self-employed"]
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ({"users.dat": "1::F::1\n"}, "users.dat in .* is damaged"),
        ({"ratings.dat": "1::1193::five::978300760\n"}, "ratings.dat in .* is damaged"),
        ({"movies.dat": None}, "holds no movies.dat; put all files"),
    ],
)
def test_damaged_archive(spoil: dict[str, str | None], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_DATA", str(tmp_path))
    files = {name: text for name, text in (OFFICIAL_1M | spoil).items() if text is not None}
    (tmp_path / "ml-1m.zip").write_bytes(archive(files, "ml-1m"))
    with pytest.raises(InputError, match=sentence):
        load(DatasetConfig(name="ml-1m"))


def test_no_zip_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_DATA", str(tmp_path))
    (tmp_path / "ml-100k.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="not a readable zip archive"):
        load(DatasetConfig(name="ml-100k"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A local web server of the files in tmp_path / "www"."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "ml-1m.zip").write_bytes(archive(OFFICIAL_1M, "ml-1m"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_download(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.md5((tmp_path / "www" / "ml-1m.zip").read_bytes()).hexdigest()
    published = replace(movielens.ML_1M, url=f"{server}/ml-1m.zip", checksum=f"md5:{digest}")
    monkeypatch.setattr(movielens, "ML_1M", published)
    assert not available("ml-1m")
    told: list[str] = []
    assert load(DatasetConfig(name="ml-1m"), told.append).n_ratings == 3
    assert told[0].startswith("Downloading ml-1m: 0.0 of 0.0 MB") and told[-1] == "Reading ml-1m"
    assert available("ml-1m") and (tmp_path / "home" / "datasets" / "ml-1m.zip").is_file()
    assert load(DatasetConfig(name="ml-1m"), told.append).n_ratings == 3 and told[-1] == told[-2]


def test_download_of_something_else(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not the published archive \(its checksum differs\); put ml-1m.zip by hand into .*datasets"):
        sources.fetch(replace(movielens.ML_1M, url=f"{server}/ml-1m.zip"))
    assert not available("ml-1m")


def test_download_without_network() -> None:
    with pytest.raises(InputError, match=r"127.0.0.1:9/ml-1m.zip could not be downloaded \(ConnectionError\).*by hand into .*datasets"):
        sources.fetch(replace(movielens.ML_1M, url="http://127.0.0.1:9/ml-1m.zip"))


# Names


def test_unknown_names() -> None:
    for call in (lambda name: load(DatasetConfig(name=name)), available):
        with pytest.raises(InputError, match=r"Unknown dataset 'ml-1n'\. Did you mean 'ml-1m'"):
            call("ml-1n")
    with pytest.raises(InputError, match="There is no upload 'upload:mine'"):
        load(DatasetConfig(name="upload:mine"))
    assert not available("upload:mine")
    with pytest.raises(ValidationError):
        DatasetConfig.model_validate({"name": "toy", "colour": "red"})


@pytest.mark.parametrize("name", ["ratings.csv", "/etc/passwd", "a\\b", "~/x", "../x", "upload:../secret", "upload:a/b", "x.parquet"])
def test_paths_are_told_from_names(name: str) -> None:
    assert is_path(name)


@pytest.mark.parametrize("name", [*DATASETS, "upload:my-ratings", "ml-1n"])
def test_names_are_no_paths(name: str) -> None:
    assert not is_path(name) and DatasetConfig(name=name).name == name


def test_a_path_stays_right_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = DatasetConfig(name="mine.csv")
    assert config.name == str(tmp_path / "mine.csv") and DatasetConfig(**config.model_dump()) == config
    assert not available("mine.csv")
    Path("mine.csv").write_text("user,item,rating\n1,2,3\n")
    monkeypatch.chdir("/")
    assert available(config.name)
    data = load(config)
    assert (data.name, data.ratings.toarray().tolist(), data.scale) == ("mine.csv", [[3]], (3, 3))
