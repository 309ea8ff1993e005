"""Which formula restates which model, and what it needs to know of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import scipy.sparse as sp
from torch import Tensor

from engine.export import formulas
from engine.models.autoencoder import Autoencoder
from engine.models.configs import BiasConfig
from engine.models.contract import Recommender
from engine.models.mult_vae import MultVAE
from engine.models.recvae import DEPTH, NORM_EPSILON

Layer = tuple[str, str, str, int | None]
"""Activation of what comes in, names of weight (with ".T" where it is to be transposed) and bias, and how many outputs count."""


class Restated(NamedTuple):
    """A model as an exported script has it.

    Attributes:
        formula: one of `formulas`.
        options: what the formula reads beside the weights; literals.
        needs: other functions of `formulas` that it calls.
        tensors: weights of its own that it reads beside the model's, by names that begin with `export.`.
        needs_user: it scores the users of training alone.
    """

    formula: Callable[..., Tensor]
    options: dict[str, Any]
    needs: tuple[Callable[..., Any], ...] = ()
    tensors: dict[str, Tensor] = {}
    needs_user: bool = False


def restate(model: Recommender, visible: sp.csr_array) -> Restated:
    """The model as a script can have it; by Encore itself where nobody has told its formula.

    Args:
        visible: ratings of the users of training that the model may see, CSR [users × items].
    """
    return RESTATED.get(getattr(model.config, "name", ""), _with_encore)(model, visible)


def _autoencoder(model: Any, visible: sp.csr_array) -> Restated:
    if model.config.orientation == "item":
        return _item_based(model, visible)
    config, depth = model.config, len(model.encoder)
    inward = [(f"encoder.{number}", f"encoder_bias.{number}") for number in range(1, depth)]
    if len(model.decoder):
        outward = [f"decoder.{number}.T" for number in range(depth)]
    else:
        outward = [f"encoder.{number}.T" for number in reversed(range(depth))]
    layers: list[Layer] = [(config.activation, *names, None) for names in inward]
    layers += [(config.activation, name, f"decoder_bias.{number}", None) for number, name in enumerate(outward)]
    layers[len(inward)] = (model.code_activation, *layers[len(inward)][1:])
    default = {"zero": 0.0, "constant": config.default_rating, "mean": "mean"}[config.default]
    options = _layers("encoder.0", "encoder_bias.0", layers, default=default, last_activation=config.last_activation)
    if not config.user_features:
        return Restated(formulas.layers, options, (formulas.activate,))
    known = (model.features @ model.feature_weight).detach()
    return Restated(formulas.layers, options | {"users": "export.users"}, (formulas.activate,), {"export.users": known})


def _item_based(model: Autoencoder, visible: sp.csr_array) -> Restated:
    tensors = dict(zip(("export.hidden", "export.users", "export.bias"), model.halves(visible), strict=True))
    options = {"last_activation": model.config.last_activation}
    return Restated(formulas.item_based, options, (formulas.activate,), tensors, needs_user=True)


def _mirrored(entering: str) -> Callable[[Any, sp.csr_array], Restated]:
    def restated(model: Any, visible: sp.csr_array) -> Restated:
        outward = _outward("way_out", len(model.way_out.layers), model.config.activation)
        return Restated(formulas.layers, _layers("way_in.weight", "way_in.bias", outward, entering), (formulas.activate,))

    return restated


def _cdae(model: Any, visible: sp.csr_array) -> Restated:
    outward: list[Layer] = [(model.config.activation, "output.weight.T", "output.bias", None)]
    options = _layers("way_in.weight", "way_in.bias", outward, "ones", users="users")
    return Restated(formulas.layers, options, (formulas.activate,), needs_user=True)


def _mult_vae(model: MultVAE, visible: sp.csr_array) -> Restated:
    config = model.config
    *hidden, (activation, *code, _) = _outward("encoder", len(model.encoder.layers), config.activation)
    layers: list[Layer] = [*hidden, (activation, code[0], code[1], config.layers[-1])]
    layers += [("linear", "code_out.weight.T", "code_out.bias", None), *_outward("decoder", len(model.decoder.layers), config.activation)]
    return Restated(formulas.layers, _layers("way_in.weight", "way_in.bias", layers, "unit length"), (formulas.activate,))


def _outward(name: str, count: int, activation: str) -> list[Layer]:
    """The layers of a `WayOut` of this name."""
    return [(activation, f"{name}.layers.{number}.weight.T", f"{name}.layers.{number}.bias", None) for number in range(count)]


def _layers(
    weight: str,
    bias: str,
    layers: list[Layer],
    entering: str = "ratings",
    default: float | str = 0.0,
    users: str = "",
    last_activation: str = "linear",
) -> dict[str, Any]:
    """Options of `formulas.layers`."""
    told = {"first": (weight, bias), "input": entering, "default": default, "users": users, "layers": layers}
    return told | {"last_activation": last_activation}


def _recvae(model: Any, visible: sp.csr_array) -> Restated:
    return Restated(formulas.recvae, {"depth": DEPTH, "epsilon": NORM_EPSILON, "latent": model.config.latent})


def _itemknn(model: Any, visible: sp.csr_array) -> Restated:
    options = {"centred": "mean" in model.learned, "damping": model.config.damping, "n_items": model.n_items}
    return Restated(formulas.itemknn, options | _SHRUNK, (formulas.biases,))


def _svd(model: Any, visible: sp.csr_array) -> Restated:
    return Restated(formulas.svd, {"centred": model.config.centring == "bias"} | _SHRUNK, (formulas.biases,))


def _with_encore(model: Recommender, visible: sp.csr_array) -> Restated:
    options = {"model": model.config.model_dump(mode="json"), "n_users": model.n_users, "n_items": model.n_items}
    return Restated(formulas.with_encore, options, needs_user=not model.scores_new_users)


_SHRUNK = {"user_shrinkage": BiasConfig().user_shrinkage}
"""Of the biases inside other models."""

RESTATED: dict[str, Callable[[Any, sp.csr_array], Restated]] = {
    "autoencoder": _autoencoder,
    "vae": _autoencoder,
    "sparsefc": _item_based,
    "glocal-k": _item_based,
    "weighted-bce": _mirrored("ones"),
    "cdae": _cdae,
    "mult-dae": _mirrored("unit length"),
    "mult-vae": _mult_vae,
    "recvae": _recvae,
    "elsa": lambda model, visible: Restated(formulas.elsa, {}),
    "ease": lambda model, visible: Restated(formulas.ease, {}),
    "itemknn": _itemknn,
    "mf": lambda model, visible: Restated(formulas.mf, {"regularisation": model.config.regularisation}),
    "svdpp": lambda model, visible: Restated(formulas.svdpp, {}, needs_user=True),
    "svd": _svd,
    "bias": lambda model, visible: Restated(formulas.bias, {"user_shrinkage": model.config.user_shrinkage}, (formulas.biases,)),
    "mean": lambda model, visible: Restated(formulas.mean, {"n_items": model.n_items}),
    "popularity": lambda model, visible: Restated(formulas.popularity, {}),
}
