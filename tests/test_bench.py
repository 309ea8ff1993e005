"""Measuring is measured by nothing but hand-made numbers: generated ratings, the textbook's loop, counts, projections, the command."""

import json
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from click.testing import CliRunner
from torch import nn

from engine.__main__ import main
from engine.bench import peak, prepared, results, run, textbook, words
from engine.bench.children import Caller, Child, ChildError, alone, peak_memory
from engine.bench.contenders import Encore, Textbook, Work
from engine.bench.epochs import Once, Training
from engine.bench.figures import Measurement, Target, Timing
from engine.bench.flops import Products
from engine.bench.generated import ML20M, NETFLIX, Shape, activity, chances, generate
from engine.bench.suites import SUITES, at_least, memory
from engine.errors import InputError
from engine.presets import preset

ROOT = Path(__file__).parents[1]
TINY = Shape("tiny", users=300, items=120, ratings=6_001, fewest=3, seed=7)
NET = {"model.layers": (8, 4), "training.batch_size": 32, "refeed.steps": 1}


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


def test_both_contenders_judge_the_same_network_alike(work):
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


def test_large_matrices_become_dense_batch_by_batch(monkeypatch):
    matrix = sp.random_array((10, 7), density=0.4, rng=0, dtype=np.float32).tocsr()
    whole = [*textbook.row_loader(matrix, 4, shuffle=False)]
    monkeypatch.setattr(textbook, "WHOLE", 100)
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
    with Products() as products:
        sparse @ torch.randn(6, 4)
        torch.sparse.sampled_addmm(sparse, torch.randn(2, 9), torch.randn(9, 6))
        torch.addmm(torch.zeros(5), torch.randn(3, 2), torch.randn(2, 5))
    assert (products.dense, products.sparse) == (2 * 3 * 2 * 5, 2 * 3 * 4 + 2 * 3 * 9)


def test_the_dense_products_of_an_epoch_are_those_of_the_layers(work):
    """Re-feeding: one dense pass over [120, 8, 4, 8, 120] forward and back, beside the first pass."""
    encore = Encore(work)
    dense, sparse = encore.operations(encore.batches())
    inner, outer = 2 * 8 * 4, 120 * 8
    rows = int((np.diff(encore.ratings.train.indptr) > 0).sum())
    forward = 2 * rows * (inner + 2 * outer)
    assert 2 * forward < dense < 6 * forward
    assert sparse >= 0


def test_the_matrix_rate_is_the_best_of_the_shapes(monkeypatch):
    seconds = {64: 1e-3, 128: 4e-3}
    monkeypatch.setattr(peak, "_median_seconds", lambda multiply, _: seconds[len(multiply())])
    found = peak.gemm_peak(torch.bfloat16, [(64, 64, 64), (128, 128, 128)], torch.device("cpu"))
    assert found == {"gflops": round(2 * 128**3 / 4e-3 / 1e9, 1), "shape": [128, 128, 128], "kernel": "mm"}


# Figures


def test_a_slice_is_projected_to_an_epoch():
    timing = Timing([3.0, 1.0, 2.0], batches=20, batches_per_epoch=1_000)
    assert (timing.seconds, timing.projected) == (100.0, True)
    assert (Timing([3.0, 1.0, 2.0], 20, 20).seconds, Timing([4.0]).projected) == (2.0, False)


def test_targets_are_judged_by_the_figures():
    slow, fast = Timing([6.0], 10, 20), Timing([1.0], 5, 10, peak_memory_gb=3.0)
    measured = Measurement("one epoch", fast, slow, [at_least(5), memory(2.5), Target("share", "share_bf16", 0.4, "least")])
    told = measured.as_dict()
    assert told["ratio"] == 6.0
    assert [(one["value"], one["met"]) for one in told["targets"]] == [(6.0, True), (3.0, False), (None, None)]
    assert told["met"] is False
    assert Measurement("one epoch", fast).as_dict()["met"] is None


def test_a_whole_epoch_that_ran_once_counts_for_its_seconds():
    timing = Timing([1.0], 5, 50)
    assert Measurement("one epoch", timing, once={"batches": 50, "seconds": 12.0}).figures()["seconds"] == 12.0
    assert Measurement("one epoch", timing, once={"batches": 20, "seconds": 4.0}).figures()["seconds"] == 10.0


def test_figures_are_kept_suite_by_suite_in_order(tmp_path):
    path = tmp_path / "speed.json"
    results.merge(path, {"b": {"order": 1}, "a": {"order": 2, "met": None}})
    results.merge(path, {"b": {"order": 1, "met": True}, "c": {"order": 0}})
    assert [*results.read(path)] == ["c", "b", "a"]
    assert results.read(path)["b"] == {"order": 1, "met": True}
    text = path.read_text()
    results.merge(path, {})
    assert path.read_text() == text
    path.write_text("{")
    assert results.read(path) == {} == results.read(tmp_path / "absent.json")


def test_reading_results_needs_no_torch():
    code = "import sys, engine.bench.results, engine.bench.words; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# Processes


def test_a_child_keeps_its_state_and_tells_what_went_wrong():
    with Child("the queue", deque, [1]) as child:
        child.ask("append", 5)
        assert [child.ask("count", 5), child.ask("pop"), child.ask("pop")] == [1, 5, 1]
        with pytest.raises(ChildError, match=r"the queue failed(.|\n)*IndexError: pop from an empty deque"):
            child.ask("pop")
        assert child.ask("count", 5) == 0
    assert not child._process.is_alive()


def test_the_end_of_a_child_is_told():
    with Child("the caller", Caller) as child:
        with pytest.raises(InputError, match="Did you mean 'demo'"):
            child.ask("call", preset, "dmo")
        with pytest.raises(ChildError, match="the caller was killed by signal 9, perhaps for want of memory"):
            child.ask("call", signal.raise_signal, signal.SIGKILL)
        with pytest.raises(ChildError, match="the caller was killed"):
            child.ask("call", print)


def test_a_childs_memory_is_its_own():
    ballast = np.ones(60_000_000)
    assert alone("a small one", peak_memory) < peak_memory() - ballast.nbytes // 2


# The command


def call(*arguments, code=0):
    result = CliRunner().invoke(main, ["bench", *map(str, arguments)])
    assert result.exit_code == code, (result.stderr, result.exception)
    return result


TIMING = {"seconds", "projected", "samples", "batches", "batches_per_epoch", "peak_memory_gb", "rmse"}


def test_a_tiny_suite_from_end_to_end(monkeypatch, tmp_path):
    suite = Training("tiny", "Generated, tiny", TINY, NET, [at_least(1e-9), memory(1e-9)], batches=4, once=Once(batches=3), judging=[])
    monkeypatch.setitem(SUITES, "tiny", suite)
    monkeypatch.setattr(run.peak, "SQUARES", ((64, 64, 64),))
    monkeypatch.setattr(results, "RECORDED", tmp_path / "speed.json")
    result = call("--suite", "tiny", "--rounds", 1, "--save", "--json")
    found = json.loads(result.stdout.strip().splitlines()[-1])
    assert len(result.stdout.strip().splitlines()) == 1
    assert {"cpu", "cores", "threads", "memory_gb", "gpu", "versions"} <= set(found["machine"])
    assert {name: set(one) for name, one in found["peaks"].items()} == {name: {"gflops", "shape", "kernel"} for name in ("bf16", "fp32")}
    told = found["suites"]["tiny"]
    assert {"title", "measurements", "target", "met", "machine", "peaks", "rounds", "date", "settings", "command"} <= set(told)
    assert told["command"].endswith("bench --suite tiny --rounds 1 --json")
    epoch, judging = told["measurements"]
    assert set(epoch["textbook"]) == set(epoch["encore"]) == TIMING
    for timing in (epoch["textbook"], epoch["encore"]):
        assert (timing["batches"], timing["batches_per_epoch"], timing["projected"]) == (4, 10, True)
        assert timing["seconds"] == pytest.approx(timing["samples"][0] / 4 * 10)
        assert 0.1 < timing["peak_memory_gb"] < 3
        assert 0.5 < timing["rmse"] < 5
    assert epoch["ratio"] == pytest.approx(epoch["textbook"]["seconds"] / epoch["encore"]["seconds"])
    assert epoch["share"]["bf16"] == pytest.approx(
        epoch["gflop"]["dense"] / epoch["encore"]["seconds"] / found["peaks"]["bf16"]["gflops"], abs=0.1
    )
    assert (epoch["once"]["batches"], epoch["notes"]["batches"]) == (3, 8)
    assert [one["met"] for one in epoch["targets"]] == [True, False]
    assert (told["met"], judging["what"], judging["met"]) == (False, "evaluation", None)
    assert "tiny: round 1: encore" in result.stderr
    assert "target peak memory ≤ 1e-09 GB: not met" in result.stderr
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
    assert [words.seconds(value) for value in (0.0042, 0.611, 12.34, 1234.5)] == ["4.2 ms", "0.611 s", "12.3 s", "1,234 s"]
