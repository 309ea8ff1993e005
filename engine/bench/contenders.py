"""Who is timed: the textbook's loop and Encore's trainer, behind the same few methods."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from engine import config
from engine.bench import prepared, textbook
from engine.devices import cpu_threads, keep_freed_memory, pick_device, synchronize
from engine.evaluation import entry_rows, evaluate_ratings, recommend
from engine.metrics import top_k
from engine.models.autoencoder import PULL, Autoencoder
from engine.models.configs import AutoencoderConfig
from engine.models.contract import chunks
from engine.training import Trainer

TOP = 10
"""Length of a top list."""


@dataclass(frozen=True)
class Work:
    """What both contenders do.

    Attributes:
        ratings: the file that `prepared.prepare` wrote.
        settings: dotted configuration fields.
        newcomers: users kept out of the training, to be new ones.
    """

    ratings: Path
    settings: Mapping[str, Any]
    newcomers: int = 0


class Verdict(NamedTuple):
    """RMSE on held-out ratings, not clipped (None when it is no number); their number; seconds that it took to predict and judge them."""

    rmse: float | None
    pairs: int
    seconds: float


class Contender(ABC):
    """Holds the ratings and a network; trains, predicts and lists when asked."""

    def __init__(self, work: Work) -> None:
        torch.set_num_threads(cpu_threads())
        self.ratings = prepared.load(work.ratings, work.newcomers)
        self.config = config.parse(config.merge({}, {**work.settings, "training.epochs": 10**6}))
        assert isinstance(self.config.model, AutoencoderConfig)
        self.layers = self.config.model
        self.device = pick_device(self.config.training.device)
        torch.manual_seed(self.config.training.seed)
        self.done = 0

    @abstractmethod
    def batches(self) -> int:
        """Batches of an epoch."""

    def train(self, batches: int) -> float:
        """Trains on for so many batches. Seconds."""
        self.done += batches
        synchronize(self.device)
        started = time.perf_counter()
        self.go_on()
        synchronize(self.device)
        return time.perf_counter() - started

    @abstractmethod
    def go_on(self) -> None:
        """Trains until `done` batches are done."""

    def judge(self) -> Verdict:
        """Predicts the held-out ratings of the judged users."""
        started = time.perf_counter()
        rmse, pairs = self.errors()
        return Verdict(rmse if math.isfinite(rmse) else None, pairs, time.perf_counter() - started)

    @abstractmethod
    def errors(self) -> tuple[float, int]:
        """RMSE on the held-out ratings, and their number."""

    def answer_newcomers(self) -> list[float]:
        """Seconds of the top list of each user that the network was not trained on, from his ratings to its items."""
        rows, seconds = self.ratings.newcomers, []
        for start, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            items, values = rows.indices[start:end].copy(), rows.data[start:end].copy()
            started = time.perf_counter()
            self.answer(items, values)
            seconds.append(time.perf_counter() - started)
        return seconds

    def answer_everybody(self) -> float:
        """Seconds of the top lists of all users of the training matrix."""
        synchronize(self.device)
        started = time.perf_counter()
        lists = self.everybody()
        assert lists.shape == (self.ratings.train.shape[0], TOP)
        return time.perf_counter() - started

    @abstractmethod
    def answer(self, items: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The top list of one new user who rated these items so, without these [TOP]."""

    @abstractmethod
    def everybody(self) -> np.ndarray:
        """Top lists of all users, without what they have rated [users × TOP]."""


class Textbook(Contender):
    """`textbook.losses`, driven batch by batch. Of the settings it knows layers, activation, lr, batch size and re-feeding steps.

    Its outputs start at the items' means, as Encore's do: from 0, both err wildly for an epoch, and their RMSEs say nothing.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        training, refeeds = self.config.training, self.config.refeed.steps
        items, start = self.ratings.train.shape[1], textbook.item_means(self.ratings.train, PULL)
        self.model = textbook.network(items, self.layers.layers, self.layers.activation, start).to(self.device)
        self.loader = textbook.row_loader(self.ratings.train, training.batch_size, shuffle=True)
        optimizer = torch.optim.Adam(self.model.parameters(), lr=training.lr)
        self.losses = textbook.losses(self.model, self.loader, optimizer, refeeds, self.device)
        self.trained = 0

    def batches(self) -> int:
        return len(self.loader)

    def go_on(self) -> None:
        while self.trained < self.done:
            next(self.losses)
            self.trained += 1

    def errors(self) -> tuple[float, int]:
        total, pairs = textbook.squared_errors(self.model, *self.held_out, self.device)
        return math.sqrt(total / pairs), pairs

    @torch.no_grad()
    def answer(self, items: np.ndarray, values: np.ndarray) -> np.ndarray:
        """A dense row, and a full sort of what comes out."""
        self.model.eval()
        row = torch.zeros(self.ratings.train.shape[1])
        row[items] = torch.from_numpy(values)
        scores = self.model(row[None].to(self.device))[0].cpu()
        scores[items] = -torch.inf
        return scores.argsort(descending=True)[:TOP].numpy()

    @torch.no_grad()
    def everybody(self) -> np.ndarray:
        """The same batch by batch."""
        self.model.eval()
        lists = []
        for batch in self.everyone:
            scores = self.model(batch.to(self.device)).cpu()
            scores[batch != 0] = -torch.inf
            lists.append(scores.argsort(dim=1, descending=True)[:, :TOP])
        return torch.cat(lists).numpy()

    @cached_property
    def everyone(self) -> DataLoader[Tensor]:
        """Batches of all users, in order."""
        return textbook.row_loader(self.ratings.train, self.config.training.batch_size, shuffle=False)

    @cached_property
    def held_out(self) -> tuple[DataLoader[Tensor], DataLoader[Tensor]]:
        """Batches of the judged users: what is visible of them, and what is asked."""
        judged, size = self.ratings.judged, self.config.training.batch_size
        return textbook.row_loader(self.ratings.train[judged], size, False), textbook.row_loader(self.ratings.held_out[judged], size, False)


class Encore(Contender):
    """Encore's own trainer and evaluation, in a process set up as a run's. A constant stands for validation, which costs nothing here."""

    def __init__(self, work: Work) -> None:
        keep_freed_memory()
        super().__init__(work)
        training = self.config.training
        self.model = Autoencoder(self.layers, *self.ratings.train.shape).to(self.device)
        self.trainer = Trainer(self.model, self.ratings.train, lambda: {"rmse": 1.0}, training, self.config.refeed, self.config.objective)
        self.events = iter(self.trainer)

    def batches(self) -> int:
        return self.trainer.batches

    def go_on(self) -> None:
        for event in self.events:
            if event.step >= self.done:
                return

    def errors(self) -> tuple[float, int]:
        self.trainer.settle()
        judged = self.ratings.judged
        everybody = len(judged) == self.ratings.train.shape[0]
        visible, targets = (matrix if everybody else matrix[judged] for matrix in (self.ratings.train, self.ratings.held_out))
        return evaluate_ratings(self.model, visible, targets, self.ratings.scale)["rmse"], targets.nnz

    def answer(self, items: np.ndarray, values: np.ndarray) -> np.ndarray:
        """By the engine's own `recommend`."""
        row = sp.csr_array((values, items, np.array([0, len(items)], np.int32)), shape=(1, self.ratings.train.shape[1]))
        return recommend(self.model, row, 0, TOP)[0]

    def everybody(self) -> np.ndarray:
        """By the engine's own scoring and choice of the best."""
        visible = self.ratings.train
        score, lists = self.model.scorer(visible), []
        for users in chunks(np.arange(visible.shape[0]), visible.shape[1]):
            scores, known = score(users), visible[users]
            scores[entry_rows(known), known.indices] = -np.inf
            lists.append(top_k(scores, TOP))
        return np.concatenate(lists)

    def operations(self, batches: int) -> tuple[int, int]:
        """Floating point operations of the matrix products of so many batches: dense ones, and those over stored entries alone."""
        with Products() as products:
            self.train(batches)
        return products.dense, products.sparse


class Products(TorchDispatchMode):
    """Counts the floating point operations of matrix products inside a `with` block, two per multiply-add, as PyTorch dispatches them.

    Its own counter (torch.utils.flop_counter) takes a sparse matrix for a dense one of its shape.

    Attributes:
        dense, sparse: operations of dense products, and of those over stored entries alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dense = self.sparse = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        aten = torch.ops.aten
        match function.overloadpacket:
            case aten.mm | aten.addmm:
                left, right = args[-2:]
                self.dense += 2 * left.numel() * right.shape[1]
            case aten.sparse_sampled_addmm:
                pattern, left, _ = args
                self.sparse += 2 * pattern._nnz() * left.shape[1]
            case aten._embedding_bag | aten._embedding_bag_forward_only:
                table, picks = args[:2]
                self.sparse += 2 * picks.numel() * table.shape[1]
        return function(*args, **(kwargs or {}))
