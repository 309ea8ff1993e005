"""SparseFC: an item-based autoencoder whose weight matrices are thinned out by learned kernels.

Muller, Martel & Indiveri 2018, "Kernelized Synaptic Weight Matrices" (ICML), the model called Sparse FC; initial values and penalties as
in the authors' code for MovieLens 1M.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engine.models.autoencoder import Autoencoder
from engine.models.configs import SparseFCConfig
from engine.models.network import ACTIVATIONS, Network
from engine.models.sparse import SparseRows

START = 1e-3


class SparseFC(Autoencoder):
    """f(x) through layers with the weights W ∘ K: each end of a connection has a place, and K falls from 1 to 0 with their distance.

    Layers are numbered from input to output. W has the shape that the matrices of `Autoencoder` have, and so has K, whose
    places are `left` [rows of W × dimensions] and `right` [columns of W × dimensions].
    """

    config: SparseFCConfig  # type: ignore[assignment]

    def __init__(self, config: SparseFCConfig, n_users: int, n_items: int) -> None:
        Network.__init__(self, config, n_users, n_items)
        widths = [n_users, *config.layers]
        shapes = [*pairwise(widths), (n_users, widths[-1])]
        *inward, outward = [nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape))) for shape in shapes]
        self.encoder, self.decoder = nn.ParameterList(inward), nn.ParameterList([outward])
        self.encoder_bias = nn.ParameterList([nn.Parameter(torch.zeros(width)) for width in config.layers])
        self.decoder_bias = nn.ParameterList([nn.Parameter(torch.zeros(n_users))])
        self.left, self.right = (nn.ParameterList([places(shape[end], config.dimensions) for shape in shapes]) for end in (0, 1))
        self.squares: dict[int, Tensor] = {}

    @property
    def moves_batch_columns_only(self) -> bool:
        """No: the penalties move all of them."""
        return False

    def effective(self, layer: int) -> Tensor:
        """W ∘ K of a layer, in W's shape; notes Σ K² for `penalty`."""
        with torch.autocast(self.device.type, enabled=False):
            closeness = kernel(self.left[layer], self.right[layer])
            self.squares[layer] = closeness.square().sum()
            return self.weights[layer] * closeness

    def encode(self, x: SparseRows | Tensor, users: SparseRows | None = None) -> Tensor:
        """The last hidden layer [rows × layers[-1]]; `users` are the rows that a dense x stands for."""
        activate = ACTIVATIONS[self.config.activation]
        hidden = activate(self._first_sums(x, self.effective(0), self.encoder_bias[0], users))
        for layer, bias in list(enumerate(self.encoder_bias))[1:]:
            hidden = activate(torch.addmm(bias, hidden, self.effective(layer)))
        return hidden

    def last_hidden(self, x: SparseRows | Tensor, users: SparseRows | None = None) -> Tensor:
        return self.encode(x, users)  # the one matrix out follows, and is costly to make

    @property
    def _outward(self) -> list[Tensor]:
        return [self.effective(len(self.encoder))]

    def penalty(self, share: float) -> Tensor:
        """λ₂ Σ W² + λ_s Σ K² over all layers, times `share`. The paper's objective is half of this and of the sum of squared errors."""
        weights = torch.stack([weight.square().sum() for weight in self.weights]).sum()
        kernels = torch.stack(list(self.squares.values())).sum()
        return share * (self.config.weight_penalty * weights + self.config.kernel_penalty * kernels)


def places(count: int, dimensions: int) -> nn.Parameter:
    """Where the units of a layer begin [count × dimensions]: all close together, so that every connection is there."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(count, dimensions), std=START, a=-2 * START, b=2 * START))


def kernel(left: Tensor, right: Tensor) -> Tensor:
    """max(0, 1 − ‖left_i − right_j‖²) of every pair [lefts × rights], as one product: 1 − |u|² − |v|² + 2 u·v."""
    ones = torch.ones_like(left[:, :1])
    lengths, others = (vectors.square().sum(dim=1, keepdim=True) for vectors in (left, right))
    longer = torch.cat([left, lengths, ones], dim=1), torch.cat([2 * right, -torch.ones_like(others), 1 - others], dim=1)
    return torch.relu(longer[0] @ longer[1].t())
