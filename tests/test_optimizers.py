"""Row steps are dense Adam's, whatever a batch leaves alone, and wherever they are interrupted; L2 is the gradient of λ/2 · Σ w²."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.config import ObjectiveConfig, RefeedConfig, TrainingConfig
from engine.models.autoencoder import Autoencoder
from engine.models.configs import AutoencoderConfig
from engine.optimizers import RowAdam, make_optimizer
from engine.training import Trainer

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def trainer(row_steps, device="cpu", layers=(6, 4), tied=True, **options):
    """60 users, 80 items, batches of 4 rows: most columns are absent most of the time."""
    rng = np.random.default_rng(0)
    matrix = sp.csr_array(rng.integers(1, 6, (60, 80)) * (rng.random((60, 80)) < 0.05), dtype=np.float32)
    torch.manual_seed(3)
    model = Autoencoder(AutoencoderConfig(layers=layers, tied=tied), 60, 80).to(device)
    training = TrainingConfig(batch_size=4, row_steps=row_steps, path="sparse", precision="float32", **options)
    return Trainer(model, matrix, lambda: {"rmse": model.encoder[0].square().mean().item()}, training, RefeedConfig(), ObjectiveConfig())


def losses(one):
    return [event.loss for event in one if hasattr(event, "validation")]


def sparse(rows, values, height):
    """A gradient that holds these rows alone."""
    places = torch.tensor([rows], device=values.device)
    return torch.sparse_coo_tensor(places, values, (height, values.shape[1]), is_coalesced=True, check_invariants=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("tied", [True, False])
def test_row_steps_are_dense_adam(tied, device):
    rows, dense = (trainer(mode, device, tied=tied, epochs=6, lr=0.01) for mode in ("on", "off"))
    assert isinstance(rows.optimizer, RowAdam) and not isinstance(dense.optimizer, RowAdam)
    assert losses(rows) == pytest.approx(losses(dense), rel=1e-4)
    for mine, theirs in zip(rows.model.parameters(), dense.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_row_steps_of_a_row_left_alone_for_long(device):
    """One row gets gradients in steps 1 to 20 and again in step 200; in between it moves by its momentum alone."""
    torch.manual_seed(0)
    start, gradients = torch.rand(3, 4, device=device), torch.randn(21, 4, device=device)
    lazy, plain = (torch.nn.Parameter(start.clone()) for _ in range(2))
    mine, theirs = RowAdam([lazy], lr=0.01), torch.optim.Adam([plain], lr=0.01)
    for step in range(200):
        row, gradient = (0, gradients[min(step, 20)]) if step < 20 or step == 199 else (1, gradients[0])
        plain.grad = torch.zeros(3, 4, device=device)
        plain.grad[row] = gradient
        theirs.step()
        mine.settle([lazy], torch.tensor([row], device=device))
        if step == 199:
            torch.testing.assert_close(mine.open[lazy][1][0], lazy[0].detach())
        lazy.grad = sparse([row], gradient[None], 3)
        mine.step()
    mine.settle([lazy])
    torch.testing.assert_close(lazy, plain, atol=1e-6, rtol=1e-5)
    assert (lazy[2] == start[2]).all()


@pytest.mark.parametrize("device", DEVICES)
def test_interrupted_row_steps_end_the_same(device):
    """What rows owe is part of a checkpoint, and by how many steps it is counted."""

    def start():
        return trainer("on", device, layers=(6,), epochs=3)

    straight = start()
    expected = losses(straight)
    broken = start()
    list(itertools.islice(broken, 22))
    tensors, progress = broken.state()
    resumed = start()
    resumed.restore({name: value.clone() for name, value in tensors.items()}, progress)
    assert losses(resumed) == expected[1:]
    assert resumed.optimizer.steps == dict.fromkeys(resumed.model.column_weights, resumed.progress.step)
    for mine, theirs in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        assert (mine == theirs).all()


def test_a_step_reads_no_number_back():
    """To read one would be to wait for a GPU at every batch."""
    read = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            read.extend([function] * (function.overloadpacket is torch.ops.aten._local_scalar_dense))
            return function(*args, **(kwargs or {}))

    weight = torch.nn.Parameter(torch.rand(5, 2))
    optimizer = RowAdam([weight], lr=0.01)
    for step in range(3):
        rows, gradient = torch.tensor([0, 3]), sparse([0, 3], torch.ones(2, 2), 5)
        with Watch():
            optimizer.settle([weight], rows)
            weight.grad = gradient
            optimizer.step()
        assert len(read) == 1, f"the count of steps once, at the first; now {step + 1}"


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_l2_and_weight_decay_reach_what_they_are_meant_for(name):
    """L2 the matrices alone, weight decay biases too; the loop itself adds L2 under AdamW, whose decay is another thing."""
    model = trainer("off").model
    groups = make_optimizer(model, TrainingConfig(optimizer=name, l2=0.5, weight_decay=0.25, lr=0.1)).param_groups
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    matrices = {id(weight) for weight in model.weights}
    assert decay.keys() == {id(parameter) for parameter in model.parameters()}
    for parameter in decay:
        assert decay[parameter] == (0.75 if name != "adamw" and parameter in matrices else 0.25)


def test_a_step_with_l2_by_hand():
    model = trainer("off").model
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = make_optimizer(model, TrainingConfig(optimizer="sgd", momentum=0, l2=0.5, lr=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    matrices = {id(weight) for weight in model.weights}
    for parameter, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.1 * (1 + 0.5 * old * (id(parameter) in matrices)))
