"""Imported by the server that runs are forked from: what nearly every run needs is in memory before it begins."""

import gc
import importlib
import pkgutil

import torch._dynamo  # the first optimizer would import it otherwise, for more than a second  # noqa: F401

import engine.models
import engine.runs
from engine.datasets import synthetic
from engine.devices import libraries

for _module in pkgutil.iter_modules(engine.models.__path__, "engine.models."):
    importlib.import_module(_module.name)
libraries()
synthetic.keep()
# What is here stays: no run is to look through it for garbage, nor to copy the pages on which that would be noted.
gc.collect()
gc.freeze()
