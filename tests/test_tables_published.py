"""Published tables: every row is a configuration, every claim speaks of rows and figures that are there, and figures are as printed."""

import numpy as np
import pytest
import torch

from engine.config import parse
from engine.datasets import DATASETS
from engine.datasets.toy import MATRIX
from engine.errors import InputError
from engine.interactions import Interactions
from engine.losses import REDUCTIONS, squared_error
from engine.metrics import METRICS
from engine.models.configs import AutoencoderConfig, parameter_count
from engine.models.svd import SVD, SVDConfig
from engine.presets import presets
from engine.tables import FIGURES, Claim, Comparison, higher_is_better, table, tables

RUNNABLE = [(name, row.name) for name, one in tables().items() for row in one.rows if not row.quoted]
CLAIMS = [(name, number) for name, one in tables().items() for number in range(len(one.claims))]


def known(figure: str) -> bool:
    base, _, cutoff = figure.removeprefix("reconstruction_").partition("@")
    return figure in FIGURES or (base in METRICS and (not cutoff or cutoff.isdigit()))


@pytest.mark.parametrize("name", tables())
def test_a_table_explains_itself_and_rests_on_a_preset(name):
    one = tables()[name]
    assert one.preset in presets()
    assert one.dataset in DATASETS
    assert set(one.datasets) <= set(DATASETS) - {one.dataset}
    assert name.startswith(f"{one.system}-")
    assert one.shows.count(". ") == 1, "two sentences: what it shows, and what to look for"
    assert one.protocol, "how the protocols differ"
    assert all(known(metric) for metric in (one.metric, *one.beside))
    assert len({row.name for row in one.rows}) == len(one.rows)
    for other in one.datasets.values():
        assert set(other.rows) <= {row.name for row in one.rows}
    if not one.exact:
        assert all(known(figure) for row in one.rows for figure in row.published)


@pytest.mark.parametrize(("name", "row"), RUNNABLE)
def test_every_row_is_a_configuration_on_every_dataset(name, row):
    one = table(name)
    for dataset in (None, *one.datasets):
        config = parse(one.config(one.row(row), dataset, seed=3))
        assert config.dataset.name == (dataset or one.dataset)
        assert config.training.seed == 3


@pytest.mark.parametrize("name", [name for name, one in tables().items() if not one.exact])
def test_rows_differ_and_the_preset_is_one_of_them(name):
    one = table(name)
    rows = [parse(values) for values in one.configs().values()]
    assert all(first != second for at, first in enumerate(rows) for second in rows[:at])
    assert parse(presets()[one.preset].values) in rows


def test_no_two_presets_are_alike():
    configs = [parse(preset.values) for preset in presets().values()]
    assert all(first != second for at, first in enumerate(configs) for second in configs[:at])


@pytest.mark.parametrize(("name", "number"), CLAIMS)
def test_a_claim_speaks_of_rows_that_can_be_run(name, number):
    one = table(name)
    claim = one.claims[number]
    rows = [row.name for row in one.rows if not row.quoted]
    named = {*claim.order, *claim.better, *claim.not_better, *claim.than, *claim.similar, *claim.rows}
    assert named <= set(rows)
    assert known(claim.figure)
    assert all(known(figure) for figure in claim.across or ())
    compared = claim.comparisons(rows)
    bounded = claim.low is not None or claim.high is not None
    assert bool(claim.rows) if bounded or claim.across else not claim.rows
    assert bounded or compared
    assert all(one.first != one.second for one in compared)
    assert one.reach is not None or claim.figure != "epochs_to_reach"


def test_what_the_checks_of_a_claim_compare():
    def pairs(**check):
        return [(one.first[0], one.relation, one.second[0]) for one in Claim(text="…", **check).comparisons(["a", "b", "c"])]

    assert pairs(order=["a", "b", "c"]) == [("a", "better", "b"), ("b", "better", "c")]
    assert pairs(better=["a"]) == [("a", "better", "b"), ("a", "better", "c")]
    assert pairs(not_better=["a", "b"], than=["c"]) == [("a", "not better", "c"), ("b", "not better", "c")]
    assert pairs(similar=["a", "b", "c"]) == [("a", "similar", "b"), ("a", "similar", "c"), ("b", "similar", "c")]
    across = Claim(text="…", across=["rmse", "mae"], rows=["a"]).comparisons(["a", "b"])
    assert across == [Comparison(("a", "rmse"), "better", ("a", "mae"))]
    assert pairs(rows=["a"], low=0.0) == []
    with pytest.raises(ValueError, match="one way"):
        pairs(order=["a", "b"], similar=["a", "b"])
    with pytest.raises(ValueError, match="one way"):
        pairs(rows=["a"])


@pytest.mark.parametrize(
    ("figure", "metric", "higher"),
    [
        ("test", "rmse", False),
        ("validation", "ndcg@100", True),
        ("recall@20", "rmse", True),
        ("gap", "ndcg@100", False),
        ("reconstruction_rmse", "rmse", False),
        ("epochs_to_reach", "rmse_user_mean", False),
        ("pairwise_softmax", "pairwise_random", True),
    ],
)
def test_which_end_of_a_figure_is_the_better_one(figure, metric, higher):
    assert higher_is_better(figure, metric) == higher


@pytest.mark.parametrize(
    ("name", "row", "printed"),
    [
        ("5-table-2-activations", "sigmoid, linear", {"test": 0.916, "train": 0.914, "parameters": 3956452}),
        ("5-table-2-activations", "sigmoid, elu", {"test": 0.9137, "train": 0.9156}),
        ("5-table-2-activations", "selu, linear", {"test": 0.957, "train": 0.964}),
        ("5-table-3-default-rating", "4", {"test": 0.9445, "train": 0.960}),
        ("5-table-3-default-rating", "average", {"test": 0.912, "train": 0.923}),
        ("5-table-4-average-activation", "average, selu, selu", {"test": 0.878, "train": 0.748}),
        ("5-table-5-architecture", "[512,256,512], zero", {"test": 0.856, "train": 0.764}),
        ("5-table-5-architecture", "[512,256,128,256,512], average", {"test": 0.895, "train": 0.87}),
        ("5-groups", "men of 25 to 34", {"test": 0.89}),
        ("2-figure-3-5-depth", "12 layers", {"validation": 0.9328, "parameters": 4731624}),
        ("2-figure-3-6-dropout", "0.65", {"validation": 0.9192}),
        ("2-figure-3-8-comparison", "RRN, full", {"test": 0.9224}),
        ("2-figure-4-1-windows", "Netflix 6 months", {"test": 0.9207}),
        ("4-refeeding", "re-feeding, delayed", {"test": 0.928}),
        ("field-ml-1m-ratings", "GLocal-K", {"test": 0.8227}),
        ("field-strong-generalisation", "Mult-VAE", {"ndcg@100": 0.426, "recall@20": 0.395, "recall@50": 0.537}),
    ],
)
def test_figures_are_as_printed(name, row, printed):
    assert table(name).row(row).published == printed


@pytest.mark.parametrize(
    ("name", "row"), [(name, row.name) for name, one in tables().items() for row in one.rows if "parameters" in row.published]
)
def test_networks_have_as_many_parameters_as_printed(name, row):
    one = table(name)
    model = parse(one.config(one.row(row))).model
    assert isinstance(model, AutoencoderConfig)
    assert one.columns is not None
    assert parameter_count(model, one.columns) == one.row(row).published["parameters"]


@pytest.mark.parametrize(("preset", "columns", "count"), [("5-table-2-activations", 3952, 3956452), ("2-figure-3-4-width", 17768, 9115240)])
def test_presets_have_the_published_size(preset, columns, count):
    assert parameter_count(parse(presets()[preset].values).model, columns) == count


def test_the_toy_matrix_comes_out_to_the_digit():
    import scipy.sparse as sp

    one = table("3-svd-toy")
    config = parse(presets()[one.preset].values).model
    assert isinstance(config, SVDConfig)
    svd = SVD(config, *MATRIX.shape)
    matrix = sp.csr_array(MATRIX.astype(np.float32))
    svd.fit(matrix)
    scores = svd.score(matrix, np.arange(len(MATRIX)))
    printed = np.array([list(row.published.values()) for row in one.rows])
    assert np.array_equal(np.round(scores), printed)
    assert np.where(MATRIX[1] == 0, scores[1], -np.inf).argmax() + 1 == 7


@pytest.mark.parametrize("reduction", ["sum", "rating"])
def test_the_masked_error_of_one_user_comes_out(reduction):
    loss, _ = squared_error(torch.tensor([0.25, 0.7]), torch.tensor([3.0, 4.0]), REDUCTIONS[reduction](torch.tensor([2])))
    assert float(loss) == pytest.approx(table("3-masked-mse").row(reduction).published["loss"])


def test_the_l2_of_the_autorec_study_is_twice_its_lambda():
    one = table("5-figure-5-l2")
    for row in one.rows:
        config = parse(one.config(row))
        assert config.training.l2 == pytest.approx(2 * float(row.name.removeprefix("λ ")))
        assert config.objective.reduction == "row"


def test_folds_stand_for_seeds():
    one = table("5-cross-validation")
    folds = [parse(one.config(one.row("no noise"), seed=seed)).split for seed in (0, 3, 13)]
    assert [(split.folds, split.fold) for split in folds] == [(10, 0), (10, 3), (10, 3)]


def test_a_dataset_that_is_not_listed_changes_its_name_alone():
    one = table("5-table-2-activations")
    values = one.config(one.row("elu, elu"), "ml-latest-small")
    assert values == one.config(one.row("elu, elu")) | {"dataset": {"name": "ml-latest-small"}}


def test_like_inherits_the_words_of_another_table():
    base, own = table("5-table-2-activations"), table("5-groups")
    assert own.protocol[: len(base.protocol)] == base.protocol
    assert len(own.protocol) > len(base.protocol)
    assert (own.metric, own.datasets, own.published_on) == (base.metric, base.datasets, base.published_on)
    assert own.columns is None


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean '5-table-2-activations'"):
        table("5-table-2-activation")
    with pytest.raises(InputError, match="Did you mean 'tanh, elu'"):
        table("5-table-2-activations").row("tanh,elu")


@pytest.mark.data
def test_the_group_of_the_study_has_its_1538_users(data_folder):
    from engine import datasets

    people: Interactions = datasets.load(datasets.DatasetConfig(name="ml-1m"))
    chosen = (people.users["age"] == "25-34") & (people.users["gender"] == "male")
    assert chosen.sum() == 1538
    assert parse(presets()["5-groups"].values).group.value == "age=25-34,gender=male"
