"""The suite of top lists: for one new user, and for everybody."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from engine.bench import prepared
from engine.bench.children import Child, alone
from engine.bench.contenders import Contender, Encore, Textbook, Work
from engine.bench.duel import Conditions, alternate
from engine.bench.figures import Measurement, Target, Timing, gigabytes
from engine.bench.peak import settle
from engine.evaluation import recommend
from engine.metrics import top_k
from engine.models.contract import chunks
from engine.settings import settings

TOP = 10
NEWCOMERS = 200


class Serving(Contender):
    """What both contenders add to answer with top lists; items that a user has rated are left out."""

    def newcomers(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Items and ratings of each user that the network was not trained on."""
        rows = self.ratings.newcomers
        for start, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            yield rows.indices[start:end].copy(), rows.data[start:end].copy()

    def answer_newcomers(self) -> list[float]:
        """Seconds of each newcomer's top list, from his ratings to its items."""
        seconds = []
        for items, values in self.newcomers():
            started = time.perf_counter()
            self.answer(items, values)
            seconds.append(time.perf_counter() - started)
        return seconds

    def answer_everybody(self) -> float:
        """Seconds of the top lists of all users of the training matrix."""
        settle(self.device)
        started = time.perf_counter()
        lists = self.everybody()
        assert lists.shape == (self.ratings.train.shape[0], TOP)
        return time.perf_counter() - started

    def answer(self, items: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The top list of one new user."""
        raise NotImplementedError

    def everybody(self) -> np.ndarray:
        """Top lists of all users [users × TOP]."""
        raise NotImplementedError


class TextbookServing(Serving, Textbook):
    """Dense rows, and a full sort of what comes out."""

    @torch.no_grad()
    def answer(self, items: np.ndarray, values: np.ndarray) -> np.ndarray:
        self.model.eval()
        row = torch.zeros(self.ratings.train.shape[1])
        row[items] = torch.from_numpy(values)
        scores = self.model(row[None].to(self.device))[0].cpu()
        scores[items] = -torch.inf
        return scores.argsort(descending=True)[:TOP].numpy()

    @torch.no_grad()
    def everybody(self) -> np.ndarray:
        self.model.eval()
        lists = []
        for batch in self.held_out[0]:
            scores = self.model(batch.to(self.device)).cpu()
            scores[batch != 0] = -torch.inf
            lists.append(scores.argsort(dim=1, descending=True)[:, :TOP])
        return torch.cat(lists).numpy()


class EncoreServing(Serving, Encore):
    """The engine's own scoring and choice of the best."""

    def answer(self, items: np.ndarray, values: np.ndarray) -> np.ndarray:
        row = sp.csr_array((values, items, np.array([0, len(items)], np.int32)), shape=(1, self.ratings.train.shape[1]))
        return recommend(self.model, row, 0, TOP)[0]

    def everybody(self) -> np.ndarray:
        visible = self.ratings.train
        lists = []
        for users in chunks(np.arange(visible.shape[0]), visible.shape[1]):
            scores, known = self.model.score(visible, users), visible[users]
            scores[np.repeat(np.arange(len(users)), np.diff(known.indptr)), known.indices] = -np.inf
            lists.append(top_k(scores, TOP))
        return np.concatenate(lists)


@dataclass(frozen=True)
class Inference:
    """The suite; see `epochs.Training` for the fields."""

    name: str
    title: str
    source: str
    values: Mapping[str, Any]
    targets: Sequence[Target]
    everybody: Sequence[Target]

    def products(self) -> list[tuple[int, int, int]]:
        """Nothing of this suite is a share of the matrix rate."""
        return []

    def check(self) -> None:
        """Raises InputError when its ratings are not at hand."""
        prepared.available(self.source)

    def run(self, now: Conditions) -> list[Measurement]:
        """Trains both for one epoch, then asks for lists. Raises as `children.Child`."""
        path = alone("preparing the ratings", prepared.prepare, self.source, settings().home / "bench")
        with ExitStack() as stack:
            textbook = stack.enter_context(Child("the textbook's loop", TextbookServing, Work(path, self.values, NEWCOMERS)))
            own = {**self.values, **now.settings}
            encore = stack.enter_context(Child("Encore", EncoreServing, Work(path, own, NEWCOMERS)))
            pair = {"textbook": textbook, "encore": encore}
            for child in pair.values():
                child.ask("train", child.ask("batches"))
            return self._measure(pair, now)

    def _measure(self, pair: dict[str, Child], now: Conditions) -> list[Measurement]:
        calls = {name: [one for turn in some for one in turn] for name, some in alternate(pair, "answer_newcomers", {}, now).items()}
        everybody = alternate(pair, "answer_everybody", {}, now)
        memory = {name: gigabytes(child.ask("peak_memory")) for name, child in pair.items()}
        alone_, all_ = ({name: Timing(samples[name], peak_memory_gb=memory[name]) for name in pair} for samples in (calls, everybody))
        notes = {f"{name}_p95": float(np.quantile(calls[name], 0.95)) for name in pair} | {"calls": len(calls["encore"])}
        return [
            Measurement(f"top {TOP} of a new user, p50", alone_["encore"], alone_["textbook"], self.targets, notes=notes),
            Measurement(f"top {TOP} of all users", all_["encore"], all_["textbook"], self.everybody),
        ]
