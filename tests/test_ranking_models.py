"""The networks that rank: every loss against its formula written out on dense arrays, and what each must learn."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from engine.config import parse
from engine.errors import InputError
from engine.models import build
from engine.models.cdae import drawn_negatives
from engine.models.mult_vae import kl_from_standard
from engine.models.ranking import RankingNetwork, matrices, unit_rows
from engine.models.recvae import log_normal
from engine.models.sparse import ResidentRows, SparseRows
from engine.models.weighted_bce import positive_weights

CPU = torch.device("cpu")
SMALL = {
    "weighted-bce": {"layers": [4]},
    "cdae": {"hidden": 4},
    "mult-dae": {"layers": [6, 4]},
    "mult-vae": {"layers": [6, 4], "anneal_steps": 0},
    "recvae": {"hidden": 6, "latent": 4},
    "elsa": {"latent": 4},
}
each = pytest.mark.parametrize("name", SMALL)


def network(name: str, n_users: int, n_items: int, **options) -> RankingNetwork:
    torch.manual_seed(0)
    model = build(parse({"model": {"name": name, **SMALL[name], **options}}).model, n_users, n_items)
    assert isinstance(model, RankingNetwork)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)  # biases and scales too, so that none can be forgotten unnoticed
    return model.train()


def chosen(n_users=8, n_items=11, share=0.4, seed=0) -> np.ndarray:
    """Zeros and ones; item 3 is nobody's, and everybody has an item."""
    table = np.random.default_rng(seed).random((n_users, n_items)) < share
    table[:, 3], table[:, 5] = False, True
    return table.astype(np.float32)


def rows_of(table: np.ndarray, values: float | None = None) -> SparseRows:
    matrix = sp.csr_array(table)
    matrix.data[:] = matrix.data if values is None else values
    return ResidentRows(matrix, CPU).take(np.arange(len(table)))


def dense(layer: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    return x @ layer.weight.T + layer.bias


def negative_log_likelihood(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return -(x * torch.log(logits.exp() / logits.exp().sum(dim=1, keepdim=True))).sum(dim=1).mean()


# --- what they share ---


@each
def test_values_are_not_read(name):
    model, table = network(name, 8, 11).eval(), chosen()
    assert torch.equal(model(rows_of(table)), model(rows_of(table, values=4.5)))
    torch.manual_seed(1)
    loss = model.train().batch_loss(rows_of(table))
    torch.manual_seed(1)
    assert torch.equal(model.batch_loss(rows_of(table, values=4.5)), loss)


@each
def test_losses_are_numbers_under_bfloat16_too_and_reach_every_weight(name):
    model, batch = network(name, 8, 11), rows_of(chosen())
    torch.manual_seed(1)
    exact = model.batch_loss(batch)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.batch_loss(batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0.02)
    loss.backward()
    for label, parameter in model.named_parameters():
        assert not parameter.requires_grad or bool(parameter.grad.isfinite().all() and parameter.grad.any()), label


@each
def test_a_row_without_entries_does_no_harm(name):
    table = chosen()
    table[2] = 0
    model = network(name, 8, 11)
    model.batch_loss(rows_of(table)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.requires_grad)
    assert model.eval()(rows_of(table)).isfinite().all()


@each
def test_l2_is_of_the_matrices_alone(name):
    model = network(name, 8, 11)
    assert all(weight.ndim == 2 and weight.requires_grad for weight in model.weights)
    assert all(len(weight) == 11 and any(weight is other for other in model.weights) for weight in model.column_weights)


def test_rows_enter_at_length_1_and_lose_entries_in_training():
    table = np.ones((3, 400), np.float32)
    table[1, 100:] = 0
    torch.testing.assert_close(unit_rows(rows_of(table)).values[:400], torch.full((400,), 0.05))
    torch.testing.assert_close(unit_rows(rows_of(table)).values[400:500], torch.full((100,), 0.1))
    torch.manual_seed(0)
    dropped = unit_rows(rows_of(table), 0.5, training=True).values[:400]
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 0.1]))
    assert 150 < int((dropped == 0).sum()) < 250


# --- weighted BCE ---


def test_weighted_bce_is_its_formula():
    model, table = network("weighted-bce", 8, 11), torch.from_numpy(chosen())
    z = dense(model.way_out.layers[0], torch.tanh(table @ model.way_in.weight + model.way_in.bias))
    weight = len(table) / table.sum(dim=0).clamp(min=1)
    entries = -(weight * table * torch.log(torch.sigmoid(z)) + (1 - table) * torch.log(1 - torch.sigmoid(z)))
    torch.testing.assert_close(model.batch_loss(rows_of(chosen())), entries.mean())


def test_weighted_bce_by_hand():
    # Two rows, three items; item 2 is nobody's. With all weights 0 every logit is its bias.
    table = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    model = network("weighted-bce", 2, 3)
    assert positive_weights(rows_of(table)).tolist() == [1, 2, 1]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.way_out.layers[-1].bias.copy_(torch.tensor([0.0, np.log(3.0), -50.0]))
    # log 2 twice; 2 · −log ¾ and −log ¼; e^−50 twice
    expected = (2 * np.log(2) + 2 * np.log(4 / 3) + np.log(4)) / 6
    assert model.batch_loss(rows_of(table)).item() == pytest.approx(expected, rel=1e-6)


# --- CDAE ---


def cdae_logits(model: RankingNetwork, table: np.ndarray, numbers: list[int]) -> torch.Tensor:
    hidden = torch.sigmoid(torch.from_numpy(table) @ model.way_in.weight + model.way_in.bias + model.users[numbers])
    return dense(model.output, hidden)


def test_cdae_over_all_items_is_its_formula_with_each_users_own_node():
    table = chosen()
    model = network("cdae", 8, 11, negatives=0, corruption=0)
    order = [6, 1, 4]
    z, y = cdae_logits(model, table[order], order), torch.from_numpy(table[order])
    loss = -(y * torch.log(torch.sigmoid(z)) + (1 - y) * torch.log(1 - torch.sigmoid(z))).sum(dim=1).mean()
    batch = ResidentRows(sp.csr_array(table), CPU).take(np.array(order))
    torch.testing.assert_close(model.batch_loss(batch), loss)


def test_cdae_with_drawn_negatives_is_its_formula_and_so_is_its_gradient():
    table = chosen()
    model = network("cdae", 8, 11, negatives=3, corruption=0)
    torch.manual_seed(5)
    cells, counted = drawn_negatives(rows_of(table), 3)
    torch.manual_seed(5)
    loss = model.batch_loss(rows_of(table))
    z = cdae_logits(model, table, list(range(8)))
    likely = torch.log(torch.sigmoid(z[torch.from_numpy(table) == 1])).sum()
    expected = -(likely + sum(torch.log(1 - torch.sigmoid(z[cell // 11, cell % 11])) for cell in cells[counted == 1])) / 8
    torch.testing.assert_close(loss, expected)
    for parameter in model.parameters():
        one, other = (torch.autograd.grad(value, parameter, retain_graph=True)[0] for value in (loss, expected))
        torch.testing.assert_close(one, other)


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 9), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_negatives_are_not_chosen_ones(seed, n_rows, n_columns, per_positive):
    rng = np.random.default_rng(seed)
    table = (rng.random((n_rows, n_columns)) < 0.5).astype(np.float32)
    torch.manual_seed(seed)
    cells, counted = drawn_negatives(rows_of(table), per_positive)
    assert (counted.numpy() == 1 - table.flatten()[cells]).all()
    assert (np.bincount(cells // n_columns, minlength=n_rows) == per_positive * table.sum(axis=1)).all()


def test_cdae_refuses_new_users():
    with pytest.raises(InputError, match="only the users it was trained with"):
        network("cdae", 8, 11).score(sp.csr_array(chosen(9)), np.array([0]))


# --- Mult-DAE and Mult-VAE ---


def test_mult_dae_is_its_formula():
    model, x = network("mult-dae", 8, 11, dropout=0), torch.from_numpy(chosen())
    hidden = torch.tanh(x / x.norm(dim=1, keepdim=True) @ model.way_in.weight + model.way_in.bias)
    first, second, last = model.way_out.layers
    logits = dense(last, torch.tanh(dense(second, torch.tanh(dense(first, hidden)))))
    torch.testing.assert_close(model.batch_loss(rows_of(chosen())), negative_log_likelihood(logits, x))


def mult_vae_by_hand(model: RankingNetwork, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Likelihood part and KL divergence."""
    hidden = torch.tanh(x / x.norm(dim=1, keepdim=True) @ model.way_in.weight + model.way_in.bias)
    mean, log_variance = dense(model.encoder.layers[0], hidden).split(4, dim=1)
    deviation = torch.exp(log_variance).sqrt()
    logits = dense(model.decoder.layers[0], torch.tanh(dense(model.code_out, mean + deviation * noise)))
    kl = kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum(dim=1).mean()
    return negative_log_likelihood(logits, x), kl


def test_mult_vae_is_its_formula():
    model, x = network("mult-vae", 8, 11, dropout=0, beta=0.7), torch.from_numpy(chosen())
    torch.manual_seed(3)
    loss = model.batch_loss(rows_of(chosen()))
    torch.manual_seed(3)
    likelihood, kl = mult_vae_by_hand(model, x, torch.randn(8, 4))
    torch.testing.assert_close(loss, likelihood + 0.7 * kl)


def test_kl_is_the_closed_form():
    # N(1, 4) from N(0, 1): (4 + 1 − 1 − log 4) / 2
    assert kl_from_standard(torch.tensor([[1.0, 0.0]]), torch.tensor([[np.log(4.0), 0.0]])).item() == pytest.approx(2 - np.log(2))
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    closed = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(kl_from_standard(mean, log_variance), closed)


def test_beta_grows_by_the_batch_and_goes_on_after_a_restart():
    model, batch = network("mult-vae", 8, 11, beta=0.2, anneal_steps=4), rows_of(chosen())
    seen = []
    for _ in range(3):
        seen.append(float(model.beta))
        model.batch_loss(batch)
    model.eval().batch_loss(batch)  # validation is no pass
    twin = network("mult-vae", 8, 11, beta=0.2, anneal_steps=4)
    twin.restore(model.tensors())
    for _ in range(3):
        seen.append(float(twin.beta))
        twin.batch_loss(batch)
    assert seen == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.2])


# --- RecVAE ---


def recvae_code(encoder: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The encoder as the paper draws it: each layer on the sum of all before it."""
    x = x / x.norm(dim=1, keepdim=True) @ encoder.way_in.weight + encoder.way_in.bias
    outputs: list[torch.Tensor] = []
    for layer, norm in zip([None, *encoder.layers], encoder.norms, strict=True):
        sums = x if layer is None else dense(layer, outputs[-1]) + torch.stack(outputs).sum(dim=0)
        active = sums * torch.sigmoid(sums)
        spread = (active.var(dim=1, unbiased=False, keepdim=True) + 0.1).sqrt()
        outputs.append((active - active.mean(dim=1, keepdim=True)) / spread * norm.weight + norm.bias)
    mean, log_variance = dense(encoder.code, outputs[-1]).split(4, dim=1)
    return mean, log_variance


def test_recvae_is_its_formula():
    model, x = network("recvae", 8, 11, dropout=0, gamma=0.01), torch.from_numpy(chosen())
    torch.manual_seed(3)
    loss = model.batch_loss(rows_of(chosen()))
    torch.manual_seed(3)
    mean, log_variance = recvae_code(model.encoder, x)
    code = mean + torch.exp(log_variance / 2) * torch.randn(8, 4)
    old_mean, old_log_variance = recvae_code(model.remembered, x)
    parts = Normal(0.0, 1.0), Normal(old_mean, (old_log_variance / 2).exp()), Normal(0.0, np.exp(5.0))
    prior = sum(share * part.log_prob(code).exp() for share, part in zip((0.15, 0.75, 0.1), parts, strict=True)).log()
    excess = (Normal(mean, (log_variance / 2).exp()).log_prob(code) - prior).sum(dim=1)
    likelihood = negative_log_likelihood(dense(model.decoder, code), x)
    torch.testing.assert_close(loss, likelihood + (0.01 * x.sum(dim=1) * excess).mean())


def test_log_density_is_torchs():
    x, mean, log_variance = torch.randn(3, 5), torch.randn(3, 5), torch.randn(3, 5)
    torch.testing.assert_close(log_normal(x, mean, log_variance), Normal(mean, (log_variance / 2).exp()).log_prob(x))


def test_recvae_teaches_in_turns_and_remembers_in_between():
    model, batch = network("recvae", 8, 11, encoder_epochs=2, decoder_epochs=1), rows_of(chosen())
    optimizer = torch.optim.Adam(model.parameters())
    taught, remembers = [], []
    for epoch in range(6):
        before = {name: value.clone() for name, value in model.state_dict().items()}
        model.begin_epoch(epoch)
        optimizer.zero_grad(set_to_none=True)
        model.batch_loss(batch).backward()
        optimizer.step()
        model.begin_epoch(epoch)  # as a resumed epoch begins
        changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        part = "encoder" if model.teaches_encoder else "decoder"
        assert changed == {name for name in before if name.startswith(f"{part}.")}
        taught.append(part)
        model.end_epoch(epoch)
        after = model.state_dict()
        changed = {name for name, value in after.items() if name.startswith("remembered.") and not torch.equal(value, before[name])}
        remembers.append(bool(changed))
        if changed:
            assert all(torch.equal(after[name], after[name.replace("remembered", "encoder")]) for name in changed)
    assert taught == ["encoder", "encoder", "decoder"] * 2
    assert remembers == [False, True, False] * 2


def test_recvae_drops_inputs_while_the_encoder_learns_alone():
    model, batch = network("recvae", 8, 11, dropout=0.5), rows_of(chosen())
    codes = []
    for epoch in (0, 0, 3, 3):
        model.begin_epoch(epoch)
        codes.append(model.encode(batch)[0])
    assert not torch.equal(codes[0], codes[1])
    assert torch.equal(codes[2], codes[3])


def test_recvae_starts_with_its_own_memory_and_keeps_it():
    model = network("recvae", 8, 11)
    assert not any(weight.requires_grad for weight in model.remembered.parameters())
    assert len(model.weights) == 7 == len(matrices(model.encoder)) + 1
    assert {name.split(".")[0] for name in model.tensors()} == {"encoder", "remembered", "decoder"}


# --- ELSA ---


def test_elsa_is_its_formula():
    model, x = network("elsa", 8, 11), torch.from_numpy(chosen())
    a = model.vectors / model.vectors.norm(dim=1, keepdim=True)
    outputs = x @ (a @ a.T - torch.eye(11))
    torch.testing.assert_close(model(rows_of(chosen())), outputs)
    difference = outputs / outputs.norm(dim=1, keepdim=True) - x / x.norm(dim=1, keepdim=True)
    torch.testing.assert_close(model.batch_loss(rows_of(chosen())), difference.square().sum(dim=1).mean())


def test_elsas_vectors_have_length_1_and_no_item_votes_for_itself():
    model = network("elsa", 8, 11).eval()
    torch.testing.assert_close(model.directions.norm(dim=1), torch.ones(11))
    torch.testing.assert_close(model(rows_of(np.eye(11, dtype=np.float32))).diagonal(), torch.zeros(11))


# --- what each must learn ---


def planted(seed=0) -> tuple[sp.csr_array, np.ndarray, np.ndarray]:
    """Four tastes that share no item: what is visible, and as bool [160 × 40] each user's hidden items, and all of other tastes."""
    rng = np.random.default_rng(seed)
    own = np.arange(160)[:, None] % 4 == np.arange(40) % 4
    likes = own & (rng.random(own.shape) < 0.7)
    hidden = likes & (rng.random(own.shape) < 0.3)
    return sp.csr_array((likes & ~hidden).astype(np.float32)), hidden, ~own


@pytest.mark.parametrize(
    ("name", "options", "lr"),
    [
        ("weighted-bce", {"layers": [8]}, 1e-2),
        ("cdae", {"hidden": 8}, 1e-2),
        ("cdae", {"hidden": 8, "negatives": 0}, 1e-2),
        ("mult-dae", {"layers": [16, 8]}, 1e-2),
        ("mult-vae", {"layers": [16, 8], "anneal_steps": 100}, 1e-2),
        ("recvae", {"hidden": 16, "latent": 8}, 1e-2),
        ("elsa", {"latent": 8}, 1e-1),
    ],
)
def test_hidden_items_of_a_users_taste_come_first(name, options, lr):
    visible, hidden, foreign = planted()
    torch.manual_seed(0)
    model = build(parse({"model": {"name": name, **options}}).model, *visible.shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    rows = ResidentRows(visible, CPU)
    for epoch in range(40):
        model.train()
        model.begin_epoch(epoch)
        for batch in rows.batches(np.random.default_rng(epoch).permutation(160), 40):
            optimizer.zero_grad(set_to_none=True)
            model.batch_loss(batch).backward()
            optimizer.step()
        model.end_epoch(epoch)
    scores = model.score(visible, np.arange(160))
    above = [(scores[user, hidden[user], None] > scores[user, foreign[user]]).mean() for user in range(160) if hidden[user].any()]
    assert np.mean(above) > 0.98
