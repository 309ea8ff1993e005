"""How each kind of model scores one user's ratings, in a few lines of PyTorch: what an exported `score.py` is put together from.

The functions are copied into the script as they stand here, so they use nothing but torch, F and each other. All that score take
and give the same:

Args:
    weights: tensors by name, as in weights.safetensors.
    options: OPTIONS of the script.
    items: places of the rated items in items.csv, int64 [ratings].
    ratings: what they were rated, float32 [ratings].
    user: the user's place in users.csv; None for somebody who is not there.

Returns:
    A score of every item, float32 [items].
"""

import torch
from torch.nn import functional as F


def activate(name, sums):
    if name == "lrelu":
        return F.leaky_relu(sums)
    if name == "swish":
        return F.silu(sums)
    return sums if name == "linear" else getattr(F if hasattr(F, name) else torch, name)(sums)


def layers(weights, options, items, ratings, user):
    """Layer by layer; the first one adds up a row of its matrix for each rated item."""
    first, bias = (weights[name] for name in options["first"])
    if options["input"] != "ratings":  # only which items were rated counts
        ratings = torch.ones_like(ratings)
    if options["input"] == "unit length":
        ratings = ratings / max(len(ratings), 1) ** 0.5
    default = options["default"]  # stands in the input where there is no rating
    if default == "mean":
        default = float(ratings.mean()) if len(ratings) else 0.0
    sums = bias + (ratings - default) @ first[items]
    if default:
        sums = sums + default * first.sum(dim=0)
    if options["users"] and user is not None:  # what the network knows of the user beside the ratings
        sums = sums + weights[options["users"]][user]
    for activation, name, bias, outputs in options["layers"]:
        weight = weights[name.removesuffix(".T")]
        sums = (activate(activation, sums) @ (weight.t() if name.endswith(".T") else weight) + weights[bias])[:outputs]
    return activate(options["last_activation"], sums)


def item_based(weights, options, items, ratings, user):
    """A row of this network is an item's ratings by everybody: its last hidden layer is stored, and the user's own outputs remain."""
    return activate(options["last_activation"], weights["export.hidden"] @ weights["export.users"][user] + weights["export.bias"][user])


def elsa(weights, options, items, ratings, user):
    """Likeness to the rated items, which are not like themselves."""
    directions = F.normalize(weights["vectors"], dim=1)
    return (directions @ directions[items].sum(dim=0)).index_add(0, items, -torch.ones_like(ratings))


def ease(weights, options, items, ratings, user):
    """x B."""
    return ratings @ weights["weights"][items]


def popularity(weights, options, items, ratings, user):
    """The same list for everybody."""
    return weights["counts"]


def mean(weights, options, items, ratings, user):
    """One number."""
    return weights["mean"].expand(options["n_items"])


def biases(weights, options, items, ratings):
    """Mean + item bias + user bias of every item [items], and what they leave over of the ratings [ratings]."""
    expected = weights["mean"] + weights["item_bias"]
    own = (ratings - expected[items]).sum() / (len(ratings) + options["user_shrinkage"] + 1e-12)
    return expected + own, ratings - expected[items] - own


def bias(weights, options, items, ratings, user):
    """Mean + item bias + user bias."""
    return biases(weights, options, items, ratings)[0]


def svd(weights, options, items, ratings, user):
    """x V Vᵀ; where the model is centred, x without biases, which are added again."""
    factors = weights["item_factors"]
    if not options["centred"]:
        return ratings @ factors[items] @ factors.t()
    expected, rest = biases(weights, options, items, ratings)
    return expected + rest @ factors[items] @ factors.t()


def itemknn(weights, options, items, ratings, user):
    """The ratings of similar items, weighted by their likeness; where the model is centred, ratings without biases."""
    expected, rest = biases(weights, options, items, ratings) if options["centred"] else (torch.zeros(options["n_items"]), ratings)
    sums, likeness = torch.zeros_like(expected), torch.zeros_like(expected)
    for item, value in zip(items.tolist(), rest, strict=True):
        near = slice(weights["starts"][item], weights["starts"][item + 1])
        sums.index_add_(0, weights["items"][near].long(), value * weights["similarities"][near])
        likeness.index_add_(0, weights["items"][near].long(), weights["similarities"][near])
    return expected + sums / (likeness + options["damping"] + 1e-12) if options["centred"] else sums


def mf(weights, options, items, ratings, user):
    """Mean + item bias + the user's bias and vector, by ridge regression of the ratings on the vectors of their items."""
    expected, factors = weights["mean"] + weights["item_bias"], weights["item_factors"]
    features = torch.cat([torch.ones(len(factors), 1), factors], dim=1)
    if not len(items):
        return expected
    known = features[items]
    normal = known.t() @ known + options["regularisation"] * len(items) * torch.eye(known.shape[1])
    return expected + features @ torch.linalg.solve(normal, known.t() @ (ratings - expected[items]))


def svdpp(weights, options, items, ratings, user):
    """Mean + biases + item factors · (the user's factors + what was rated at all)."""
    own = weights["users"][user] + weights["rated"][items].sum(dim=0) / max(len(items), 1) ** 0.5
    return weights["mean"] + weights["item_bias"] + weights["user_bias"][user] + weights["items"] @ own


def recvae(weights, options, items, ratings, user):
    """The mean of the code, from five layers that each add up all before them, then one linear layer."""

    def normed(number, sums):
        scale, shift = (weights[f"encoder.norms.{number}.{name}"] for name in ("weight", "bias"))
        return F.layer_norm(F.silu(sums), scale.shape, scale, shift, options["epsilon"])

    def linear(name, inputs):
        return weights[f"{name}.weight"] @ inputs + weights[f"{name}.bias"]

    sums = weights["encoder.way_in.weight"][items].sum(dim=0) / max(len(items), 1) ** 0.5 + weights["encoder.way_in.bias"]
    outputs = total = normed(0, sums)
    for number in range(1, options["depth"]):
        outputs = normed(number, linear(f"encoder.layers.{number - 1}", outputs) + total)
        total = total + outputs
    return linear("decoder", linear("encoder.code", outputs)[: options["latent"]])


def with_encore(weights, options, items, ratings, user):
    """This network is not told in a few lines: Encore itself is asked."""
    import numpy as np
    import scipy.sparse as sp

    from engine.config import parse
    from engine.models import build

    if "encore" not in weights:
        model = build(parse({"model": options["model"]}).model, options["n_users"], options["n_items"])
        model.restore(dict(weights))
        weights["encore"] = model
    row = sp.csr_array((ratings.numpy(), items.numpy().astype(np.int32), [0, len(items)]), shape=(1, options["n_items"]))
    return torch.from_numpy(weights["encore"].score_as(row, user)[0])
