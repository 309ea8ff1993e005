"""Read by MLflow out of the logged model itself ("models from code"): it scores through score.py of the export that lies beside it.

Nothing in here is Encore's, for where a model is served there may be none.
"""

import importlib.util
import logging
from pathlib import Path

import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

_log = logging.getLogger("encore.served")


class Ratings(PythonModel):
    """Lists, or predictions for the rows without a rating; see the model's metadata, `does`."""

    def load_context(self, context):
        folder = Path(context.artifacts["run"])
        described = importlib.util.spec_from_file_location("encore_score", folder / "score.py")
        assert described is not None and described.loader is not None
        self.script = importlib.util.module_from_spec(described)
        described.loader.exec_module(self.script)
        self.weights, self.titles, self.users = self.script.load(folder)
        self.places = {item: place for place, item in enumerate(self.titles)}

    def predict(self, context, model_input: pd.DataFrame, params=None):
        rows = model_input.assign(user=model_input["user"].astype(str), item=model_input["item"].astype(str))
        asked = rows["rating"].isna()
        unknown = ~rows["item"].isin(self.places.keys())
        if unknown.any():
            _log.warning("%d rows are of items that the model does not know, the first is %s", unknown.sum(), rows["item"][unknown].iloc[0])
        given = {user: dict(zip(some["item"], some["rating"], strict=True)) for user, some in rows[~asked & ~unknown].groupby("user")}
        if asked.any():
            return self.predictions(rows.loc[asked, ["user", "item"]], given)
        return self.lists(rows["user"].unique(), given, (params or {}).get("top", 10))

    def user(self, name):
        """Place of a user in the weights. Raises ValueError where the model has to know him and does not."""
        if self.script.OPTIONS["needs_user"] and name not in self.users:
            raise ValueError(f"This model knows only the users it was trained with, and '{name}' is none of them.")
        return self.users.get(name)

    def lists(self, users, given, top):
        found = [
            {"user": user, "place": place, "item": item, "title": self.titles[item], "score": score}
            for user in users
            for place, (item, score) in enumerate(self.script.best(self.weights, self.titles, self.user(user), given.get(user, {}), top), 1)
        ]
        return pd.DataFrame(found, columns=["user", "place", "item", "title", "score"])

    def predictions(self, pairs, given):
        """Scores of the pairs, NaN of items that the model does not know."""
        answer = pairs.assign(score=float("nan"))
        for user, some in pairs.groupby("user"):
            rated = given.get(user, {})
            items = torch.tensor([self.places[item] for item in rated], dtype=torch.int64)
            ratings = torch.tensor([*rated.values()], dtype=torch.float32)
            scores = self.script.scores(self.weights, self.script.OPTIONS, items, ratings, self.user(user)).tolist()
            answer.loc[some.index, "score"] = [scores[self.places[item]] if item in self.places else float("nan") for item in some["item"]]
        return answer


set_model(Ratings())
