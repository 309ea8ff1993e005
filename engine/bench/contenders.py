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

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from engine import config
from engine.bench import children, prepared, textbook
from engine.bench.flops import Products
from engine.bench.machine import threads
from engine.bench.peak import settle
from engine.devices import keep_freed_memory, pick_device
from engine.evaluation import evaluate_ratings
from engine.models.autoencoder import PULL, Autoencoder
from engine.models.configs import AutoencoderConfig
from engine.training import Trainer


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
    """Holds the ratings and a network, and trains when asked."""

    def __init__(self, work: Work) -> None:
        torch.set_num_threads(threads())
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
        settle(self.device)
        started = time.perf_counter()
        self.go_on()
        settle(self.device)
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

    def peak_memory(self) -> int:
        """Largest resident memory so far, in bytes."""
        return children.peak_memory()


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
        self.trainer = Trainer(
            self.model, self.ratings.train, lambda: {training.monitor: 1.0}, training, self.config.refeed, self.config.objective
        )
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

    def operations(self, batches: int) -> tuple[float, float]:
        """Floating point operations of the matrix products of so many batches: dense ones, and those over stored entries alone."""
        with Products() as products:
            self.train(batches)
        return float(products.dense), float(products.sparse)
