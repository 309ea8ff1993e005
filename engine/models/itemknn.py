"""Nearest items: a rating is predicted from the same user's ratings of similar items.

Sarwar et al. 2001, "Item-Based Collaborative Filtering Recommendation Algorithms" (weighted sum, section 3.2.1; only the most
similar items of each item are kept, section 3.3); Koren 2008, "Factorization Meets the Neighborhood" (ratings minus biases,
shrinkage by the number of common users, section 2.2); Cremonesi, Koren & Turrin 2010, "Performance of Recommender Algorithms on
Top-N Recommendation Tasks" (plain sum for ranking, section 3.1).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from engine.models.baselines import Bias
from engine.models.configs import BiasConfig, ItemKNNConfig
from engine.models.contract import ClosedForm, Path, chunks


class ItemKNN(ClosedForm):
    """rating(u, i) = b_ui + Σ s_ij (r_uj − b_uj) / (Σ s_ij + damping), over the neighbours j of i that u has rated.

    b_ui is mean + item bias + user bias; s_ij is the cosine of the two items' residuals, shrunk. An item's neighbours are its
    most similar items of the whole catalogue, those with a negative similarity left out.

    Where all training ratings are alike (binarised data) residuals are 0 and say nothing. Then s_ij is the plain cosine of the
    ratings themselves and score(u, i) = Σ s_ij r_uj, which ranks but is no rating; `shrinkage` and `damping` are for residuals:
    a shrunk cosine ranks worse.
    """

    config: ItemKNNConfig

    def fit(self, train: sp.csr_array) -> None:
        self.learned = {}
        if np.ptp(train.data):
            bias = Bias(BiasConfig(), *train.shape)
            bias.fit(train)
            self.learned |= bias.learned
        shrinkage = self.config.shrinkage if self._centred else 0.0
        nearest = similar_items(self._evidence(train), self.config.neighbours, shrinkage).T.tocsr()
        self.learned |= {"similarities": nearest.data, "items": nearest.indices, "starts": nearest.indptr}

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        rows = visible[users]
        evidence = self._evidence(rows)
        sums = (evidence @ self._nearest).toarray()
        if not self._centred:
            return np.asarray(sums, np.float32)
        weights = (_pattern(rows) @ self._nearest).toarray()
        scores = self._bias.score(rows, np.arange(len(users))) + sums / (weights + self.config.damping + 1e-12)
        return np.asarray(scores, np.float32)

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        likeness = self._nearest[row.indices][:, [item]].toarray()[:, 0].astype(np.float64)
        if self._centred:
            return self._bias.path_beside(row, item, likeness / (likeness.sum() + self.config.damping + 1e-12))
        return Path(np.zeros(1), (row.data * likeness)[:, None], "0, which everything scores without ratings")

    @property
    def _centred(self) -> bool:
        return "mean" in self.learned

    @property
    def _bias(self) -> Bias:
        bias = Bias(BiasConfig(), self.n_users, self.n_items)
        bias.learned = self.learned
        return bias

    @property
    def _nearest(self) -> sp.csr_array:
        """Similarities [rated item × item]: a column holds an item's neighbours."""
        parts = tuple(self.learned[name] for name in ("similarities", "items", "starts"))
        return sp.csr_array(parts, shape=(self.n_items, self.n_items))

    def _evidence(self, ratings: sp.csr_array) -> sp.csr_array:
        """What similarities are computed of and weighted sums taken of."""
        return self._bias.residuals(ratings) if self._centred else ratings


def similar_items(values: sp.csr_array, neighbours: int, shrinkage: float) -> sp.csr_array:
    """Similarities of each item [row] to its nearest other items, positive ones only, CSR float32 [items × items].

    s_ij = cosine(i, j) · n_ij / (n_ij + shrinkage), with columns of `values` [users × items] as vectors and n_ij the number of
    users who rated both. Computed for blocks of items, so that no dense items × items matrix is built.
    """
    by_item = values.T.tocsr().astype(np.float32)
    lengths = np.sqrt(np.bincount(values.indices, weights=np.square(values.data, dtype=np.float64), minlength=values.shape[1]))
    by_item.data /= np.repeat(np.maximum(lengths, 1e-12).astype(np.float32), np.diff(by_item.indptr))
    by_user, rated, raters = by_item.T.tocsr(), _pattern(by_item), _pattern(values)
    blocks = []
    for items in chunks(np.arange(values.shape[1]), values.shape[1]):
        common = (rated[items] @ raters).toarray()
        similarities = (by_item[items] @ by_user).toarray()
        similarities *= common / (common + np.float32(shrinkage + 1e-12))
        similarities[np.arange(len(items)), items] = 0
        blocks.append(_largest(similarities, neighbours))
    return sp.vstack(blocks, format="csr")


def _largest(similarities: np.ndarray, count: int) -> sp.csr_array:
    """The `count` largest positive entries of each row, as CSR."""
    columns = np.argpartition(-similarities, min(count, similarities.shape[1]) - 1, axis=1)[:, :count]
    values = np.take_along_axis(similarities, columns, axis=1)
    rows, places = np.nonzero(values > 0)
    return sp.csr_array((values[rows, places], (rows, columns[rows, places])), shape=similarities.shape)


def _pattern(ratings: sp.csr_array) -> sp.csr_array:
    return sp.csr_array((np.ones(ratings.nnz, np.float32), ratings.indices, ratings.indptr), shape=ratings.shape)
