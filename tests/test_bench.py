"""Measuring is measured by nothing but hand-made numbers: generated ratings, the textbook's loop, counts, the command."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from click.testing import CliRunner
from torch import nn

from benchmarks import paths
from engine.bench import figures, loading, machine, prepared, results, run, textbook
from engine.bench.contenders import Encore, Products, Textbook, Work
from engine.bench.duel import Conditions
from engine.bench.epochs import Once, Training
from engine.bench.suites import SUITES, at_least, memory
from engine.commands import main
from engine.datasets.generated import ML20M, NETFLIX, Shape, activity, chances, generate
from engine.settings import settings

ROOT = Path(__file__).parents[1]
TINY = Shape("tiny", users=300, items=120, ratings=6_001, fewest=3, seed=7)
NET = {"model.layers": (8, 4), "training.batch_size": 32, "refeed.steps": 1}
INNER, OUTER = 8 * 4 + 4 * 8, 120 * 8
OPERATIONS = 3 * INNER + OUTER + 3 * INNER + (2 + 3) * OUTER
"""Multiply-adds per row in dense products: the first pass's inner layers forward and back, its outputs in full without gradient, and
the re-fed pass forward and back."""


@pytest.fixture
def work(tmp_path):
    return Work(prepared.prepare(TINY, tmp_path), NET)


# Generated ratings


def test_generated_ratings_are_as_many_as_wanted_and_no_pair_comes_twice():
    made = generate(TINY)
    assert (made.shape, made.nnz) == ((300, 120), 6_001)
    assert {array.dtype.name for array in (made.indices, made.indptr)} == {"int32"}
    assert made.data.dtype == np.uint8 and set(np.unique(made.data)) == {1, 2, 3, 4, 5}
    cells = np.repeat(np.arange(300), np.diff(made.indptr)) * 120 + made.indices
    assert (np.diff(cells) > 0).all(), "sorted, and none twice"
    assert np.diff(made.indptr).min() >= 3
    assert np.diff(made.indptr).max() <= 60


def test_generated_ratings_repeat_and_follow_the_seed():
    first, again, other = generate(TINY), generate(TINY), generate(Shape("tiny", 300, 120, 6_001, fewest=3, seed=8))
    assert (first.indices == again.indices).all() and (first.data == again.data).all()
    assert first.nnz == other.nnz and (first.indices != other.indices).any()


def test_generated_ratings_are_long_tailed_on_both_sides():
    made = generate(Shape("tail", users=4_000, items=2_000, ratings=200_000))
    for counts in (np.diff(made.indptr), np.bincount(made.indices, minlength=2_000)):
        falling = np.sort(counts)[::-1]
        assert falling[: len(falling) // 10].sum() > 0.3 * made.nnz
        assert falling.max() > 5 * np.median(falling)


@pytest.mark.parametrize("shape", [ML20M, NETFLIX])
def test_activity_adds_up_at_full_size(shape):
    counts = activity(shape, np.random.default_rng(0))
    assert (counts.sum(), len(counts)) == (shape.ratings, shape.users)


def test_chances_add_up_and_none_is_more_than_certain():
    weights = np.array([8.0, 1, 1, 1, 1])
    some, more = chances(weights, np.array([1, 3]))
    assert some == pytest.approx([8 / 12, *[1 / 12] * 4])
    assert more == pytest.approx([1, *[1 / 2] * 4]), "the first is certain, the others share what is left"


def test_a_shape_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        generate(Shape("full", users=10, items=10, ratings=90, fewest=1))


def test_taste_can_be_learned_from_generated_ratings():
    """Items' means beat the mean of all, so that an RMSE on these ratings says something."""
    made = generate(Shape("taste", users=1_000, items=200, ratings=40_000)).astype(np.float32)
    means = np.bincount(made.indices, made.data, 200) / np.bincount(made.indices, minlength=200)
    assert (made.data - means[made.indices]).std() < 0.95 * made.data.std()


# What both contenders get


def test_held_out_ratings_are_a_tenth_that_training_lacks(tmp_path):
    path = prepared.prepare(TINY, tmp_path)
    ratings = prepared.load(path)
    whole = generate(TINY).astype(np.float32)
    assert (ratings.train + ratings.held_out != whole).nnz == 0
    assert 0.08 < ratings.held_out.nnz / whole.nnz < 0.12
    assert ratings.train.multiply(ratings.held_out).nnz == 0
    assert (ratings.train.indices.dtype, ratings.train.data.dtype) == (np.int32, np.float32)
    assert prepared.prepare(TINY, tmp_path) == path and [*tmp_path.iterdir()] == [path]


def test_newcomers_are_taken_out_of_the_training(tmp_path):
    path = prepared.prepare(TINY, tmp_path)
    before, after = prepared.load(path), prepared.load(path, newcomers=9)
    assert after.newcomers.shape == (9, 120)
    assert after.train.nnz + after.newcomers.nnz == before.train.nnz
    assert (np.diff(after.train.indptr) == 0).sum() >= 9


# The textbook's loop


def test_the_masked_loss_is_the_mean_over_rated_cells():
    outputs, labels = torch.tensor([[1.0, 5, 9], [2, 2, 2]]), torch.tensor([[3.0, 0, 0], [0, 1, 5]])
    assert textbook.masked_mse(outputs, labels).item() == pytest.approx((4 + 1 + 9) / 3)
    assert textbook.masked_mse(outputs, torch.zeros(2, 3)) == 0


def test_a_step_of_the_textbook_is_the_gradient_step_by_hand():
    """One linear layer, plain gradient descent: W − lr · ∂L/∂W, and the same once more on its own output."""
    torch.manual_seed(0)
    model, rows = nn.Sequential(nn.Linear(3, 3)), torch.tensor([[5.0, 0, 3], [0, 4, 1]])
    weight, bias = (parameter.detach().clone().double() for parameter in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    next(textbook.losses(model, [rows], optimizer, 1, torch.device("cpu")))
    x = target = rows.double()
    y = x @ weight.T + bias
    for mask in ((rows != 0).double(), torch.ones(2, 3).double()):
        error = 2 * mask * (x @ weight.T + bias - target) / mask.sum()
        weight, bias = weight - 0.01 * error.T @ x, bias - 0.01 * error.sum(0)
        x = target = y
    assert torch.allclose(model[0].weight.double(), weight, atol=1e-5)
    assert torch.allclose(model[0].bias.double(), bias, atol=1e-5)


def test_both_contenders_judge_and_list_alike_with_the_same_network(work):
    mine, theirs = Encore(work), Textbook(work)
    assert torch.allclose(theirs.model[-1].bias, mine.model.decoder_bias[-1]), "both start at the items' means"
    linears = [layer for layer in theirs.model if isinstance(layer, nn.Linear)]
    ways = [weight.T for weight in mine.model.encoder] + [*mine.model.decoder]
    biases = [*mine.model.encoder_bias, *mine.model.decoder_bias]
    with torch.no_grad():
        for linear, weight, bias in zip(linears, ways, biases, strict=True):
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
    assert mine.judge().rmse == pytest.approx(theirs.judge().rmse, abs=1e-5)
    assert mine.judge().pairs == theirs.judge().pairs
    lists = mine.everybody()
    assert (lists == theirs.everybody()).all()
    for user in (0, 7):
        row = mine.ratings.train[[user]]
        for contender in (mine, theirs):
            assert (contender.answer(row.indices, row.data) == lists[user]).all()
        assert not np.isin(lists[user], row.indices).any()


def test_large_matrices_become_dense_batch_by_batch(monkeypatch):
    matrix = sp.random_array((10, 7), density=0.4, rng=0, dtype=np.float32).tocsr()
    whole = [*textbook.row_loader(matrix, 4, shuffle=False)]
    monkeypatch.setattr(textbook, "DENSE_BYTES", 100)
    cut = [*textbook.row_loader(matrix, 4, shuffle=False)]
    assert [len(batch) for batch in cut] == [4, 4, 2]
    assert all((a == b).all() for a, b in zip(whole, cut, strict=True))


# Counting


def test_products_are_counted_by_their_multiply_adds():
    left, right = torch.randn(5, 7), torch.randn(7, 3, requires_grad=True)
    with Products() as products:
        (left @ right).sum().backward()
    assert (products.dense, products.sparse) == (2 * 2 * 5 * 7 * 3, 0)


def test_products_over_stored_entries_are_counted_apart():
    sparse = torch.sparse_csr_tensor([0, 2, 3], [0, 4, 1], torch.ones(3), (2, 6), check_invariants=True)
    table, picks, offsets = torch.randn(6, 4, requires_grad=True), torch.tensor([0, 4, 1]), torch.tensor([0, 2])
    with Products() as products:
        torch.sparse.sampled_addmm(sparse, torch.randn(2, 9), torch.randn(9, 6))
        for rows in (table, table.detach()):
            torch.nn.functional.embedding_bag(picks, rows, offsets, mode="sum")
        torch.addmm(torch.zeros(5), torch.randn(3, 2), torch.randn(2, 5))
    assert (products.dense, products.sparse) == (2 * 3 * 2 * 5, 2 * 3 * 9 + 2 * (2 * 3 * 4))


@pytest.mark.parametrize("refeeds", [0, 1])
def test_the_products_of_an_epoch_are_those_of_the_layers(work, refeeds):
    """Network [120, 8, 4, 8, 120]; a product has two gradients as large as itself, but the first layer's input needs none."""
    fixed = {"refeed.steps": refeeds, "training.path": "sparse", "training.precision": "float32"}
    encore = Encore(Work(work.ratings, {**NET, **fixed}))
    rows, entries = int((np.diff(encore.ratings.train.indptr) > 0).sum()), encore.ratings.train.nnz
    at_entries = 2 * 8 + (2 if refeeds else 3) * 8  # Outputs that are known in full are not computed from entries.
    expected = 2 * rows * (OPERATIONS if refeeds else 3 * INNER), 2 * entries * at_entries
    assert encore.operations(encore.batches()) == expected


def test_the_matrix_rate_is_the_best_of_the_sizes(monkeypatch):
    seconds = {64: 1e-3, 128: 4e-3}
    monkeypatch.setattr(machine, "_seconds", lambda multiply: seconds[len(multiply())])
    found = machine.gemm_peak(torch.bfloat16, [64, 128], torch.device("cpu"))
    assert found == {"gflops": round(2 * 128**3 / 4e-3 / 1e9, 1), "shape": [128, 128, 128], "kernel": "mm"}


def test_products_that_would_take_too_long_are_not_tried(monkeypatch):
    tried = []
    monkeypatch.setattr(machine, "LONGEST", 0.01)
    monkeypatch.setattr(machine, "_seconds", lambda multiply: tried.append(len(multiply())) or len(multiply()) ** 3 / 64**3 * 1e-3)
    machine.gemm_peak(torch.bfloat16, [64, 128, 256], torch.device("cpu"))
    assert tried == [64, 128], "256³ would take 64 ms"


def test_a_product_is_timed(monkeypatch):
    monkeypatch.setattr(machine, "MEASURED", 0.05)
    assert 0.001 < machine._seconds(lambda: time.sleep(0.001)) < 0.1


def test_the_figures_behind_the_plans_thresholds_can_be_taken(monkeypatch, capsys):
    monkeypatch.setattr(paths, "BATCHES", 2)
    monkeypatch.setattr(paths, "WARM_UP", 1)
    paths.by_density([(12, (4, 3))], (0.1, 0.5))
    paths.by_weights(12, [(4,), (6, 4)])
    paths.by_columns_in_a_batch([(40, 4, 0.001)])
    told = re.sub(r"\d+\.\d\d", "?", capsys.readouterr().out).splitlines()
    assert [line.strip() for line in told if line.startswith("  ")] == [
        "float32, 12 columns, layers (4, 3): 10% ?, 50% ?",
        "bfloat16, 12 columns, layers (4, 3): 10% ?, 50% ?",
        "0: ?, 96: ?",
        "48: ?, 192: ?",
        "12% of 40 × 4: ?",
    ]


def test_every_suite_has_a_title_and_stands_in_the_commands_help():
    assert {name: str(title) for name, title in results.TITLES.items()} == {name: suite.title for name, suite in SUITES.items()}
    told = call("--help").stdout
    assert all(re.search(rf"^ +{name} +\S", told, re.MULTILINE) for name in SUITES)


# The command


def call(*arguments, code=0):
    result = CliRunner().invoke(main, ["bench", *map(str, arguments)])
    assert result.exit_code == code, (result.stderr, result.exception)
    return result


def test_each_round_of_loading_has_an_empty_home_once(monkeypatch):
    asked = []

    def alone(_name, function, folder, home=None):
        asked.append((function.__name__, home and home.name))
        return {"seconds_of_textbook": 4.0, "write_official_form": 25_100_000}.get(function.__name__, 0.5)

    monkeypatch.setattr(loading, "alone", alone)
    first, second = SUITES["load"].run(Conditions(1, {}, lambda _: None))
    rounds = [[("seconds_of_textbook", None)] + [("seconds_of_load", f"home-{turn}")] * 2 for turn in (1, 2)]
    assert asked == [("write_official_form", None), *rounds[0], *rounds[1]]
    assert (first.ratio, second.encore.samples, first.notes["megabytes"]) == (8.0, [0.5], 25.1)


TIMING = {"seconds", "projected", "samples", "batches", "batches_per_epoch", "peak_memory_gb", "rmse"}


def test_a_tiny_suite_from_end_to_end(monkeypatch, tmp_path):
    net = {**NET, "training.path": "sparse"}
    suite = Training("tiny", "Generated, tiny", TINY, net, [at_least(1e-9), memory(1e-9)], batches=4, once=Once(batches=3), judging=[])
    monkeypatch.setitem(SUITES, "tiny", suite)
    monkeypatch.setattr(machine, "SQUARES", (64,))
    monkeypatch.setattr(results, "RECORDED", tmp_path / "speed.json")
    result = call("--suite", "tiny", "--rounds", 1, "--save", "--json")
    found = json.loads(result.stdout.strip().splitlines()[-1])
    assert len(result.stdout.strip().splitlines()) == 1
    assert {"cpu", "cores", "threads", "memory_gb", "gpu", "versions"} <= set(found["machine"])
    assert {name: set(one) for name, one in found["peaks"].items()} == {name: {"gflops", "shape", "kernel"} for name in ("bf16", "fp32")}
    told = found["suites"]["tiny"]
    assert {"title", "measurements", "machine", "peaks", "rounds", "date", "settings", "command"} <= set(told)
    assert told["command"].endswith("bench --suite tiny --rounds 1 --json")
    epoch, judging = told["measurements"]
    assert set(epoch["textbook"]) == set(epoch["encore"]) == TIMING
    for timing in (epoch["textbook"], epoch["encore"]):
        assert (timing["batches"], timing["batches_per_epoch"], timing["projected"]) == (4, 10, True)
        assert timing["seconds"] == pytest.approx(timing["samples"][0] / 4 * 10)
        assert 0.1 < timing["peak_memory_gb"] < 3
        assert 0.5 < timing["rmse"] < 5
    assert epoch["ratio"] == pytest.approx(epoch["textbook"]["seconds"] / epoch["encore"]["seconds"])
    ratings = prepared.load(prepared.prepare(TINY, settings().home / "bench"))
    short = (np.diff(ratings.train.indptr) > 0).sum() - 9 * 32
    counted = 2 * (3 * 32 + short) * OPERATIONS / 4 * 10  # Batches 9 to 12, for after the tenth, which is short, comes the first.
    assert epoch["gflop"]["dense"] == pytest.approx(counted / 1e9, rel=1e-6)
    for name, peak in found["peaks"].items():
        assert epoch["share"][name] == pytest.approx(counted / epoch["encore"]["seconds"] / (peak["gflops"] * 1e9), rel=1e-6)
    assert (epoch["once"]["batches"], epoch["once"]["trained"], epoch["notes"]["batches"]) == (3, 3, 8)
    afresh = Encore(Work(next((settings().home / "bench").glob("*.npz")), net))
    afresh.train(3)
    assert epoch["once"]["rmse"] == pytest.approx(afresh.judge().rmse, rel=1e-4), "after its own batches alone"
    assert epoch["met"] is False and [one["met"] for one in epoch["targets"]] == [True, False]
    assert (judging["what"], judging["met"]) == ("evaluation", None)
    assert "tiny: round 1: encore" in result.stderr
    assert f"target peak memory ≤ 1e-09 GB: {epoch['encore']['peak_memory_gb']:.2f} GB, not met" in result.stderr
    assert "1 round, matrix rate " in result.stderr
    assert f"; RMSE {epoch['once']['rmse']:.4f} after 3 batches in all" in result.stderr
    assert results.read(results.RECORDED) == results.read(results.here()) == {"tiny": told}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--suite", "mlm1"], "Unknown suite 'mlm1'. Did you mean 'ml1m'?"),
        (["--suite", "ml1m"], "MovieLens 1M is not on this machine: name its folder's parent in ENCORE_DATA"),
        (["--suite", "load"], "is not on this machine"),
        (["--suite", "amazon", "--set", "training.pth=dense"], "Did you mean 'training.path'?"),
        (["--suite", "amazon", "--set", "dense"], "--set takes section.field=value"),
        (["--suite", "amazon", "--set", "training.path=dense", "--save"], "leave --set out"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, words):
    assert words in call(*arguments, code=2).stderr.splitlines()[-1]


def test_without_names_suites_whose_ratings_are_missing_are_left_out():
    told = []
    assert [suite.name for suite in run.choose([], told.append)] == ["amazon", "ml20m", "netflix"]
    assert "ml1m is left out: MovieLens 1M is not on this machine" in told[0]


def test_the_command_that_measures_again_names_every_setting():
    told = run.command("ml1m", 3, {"training.path": "dense", "model.layers": [512, 256]})
    assert told.endswith("bench --suite ml1m --rounds 3 --set training.path=dense --set model.layers=512,256 --json")


def test_times_are_told_in_fitting_units():
    assert [figures.seconds(value) for value in (0.0042, 0.611, 12.34, 1234.5)] == ["4.2 ms", "0.611 s", "12.3 s", "1,234 s"]
