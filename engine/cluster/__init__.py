"""Runs on a Dask cluster: a task of Dask looks after each, on the worker where its process is trained.

The workers need the code, the folder that the store's artifacts lie in, and a way to the database. A run lives no longer than its
worker: what stops a worker, be it Slurm, Kubernetes or somebody's Ctrl-C, stops its runs, and they are queued again to go on from their
checkpoint. Nothing of Dask is imported before ENCORE_EXECUTOR asks for it.
"""

from engine.cluster.link import Cluster
from engine.cluster.setting import LOCAL, abroad, check

__all__ = ["LOCAL", "Cluster", "abroad", "check"]
