"""Titles of a catalogue as people look for them: a few words in any order, with the likeliest first."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from engine.interactions import Interactions

MATCHES = 20


class TitleSearch:
    """The titles of some data, prepared once."""

    def __init__(self, data: Interactions) -> None:
        self.counts = data.item_counts
        self.said = pd.Series(data.titles, dtype="str").str.casefold()

    def find(self, text: str, limit: int = MATCHES, without: Collection[int] = ()) -> list[int]:
        """Positions of the titles that hold all words of the text: those that begin with one of them first, then the most rated."""
        words = text.casefold().split()
        if not words:
            return []
        found = np.ones(len(self.said), bool)
        for word in words:
            found &= self.said.str.contains(word, regex=False).to_numpy()
        places = np.flatnonzero(found)
        places = places[~np.isin(places, list(without))]
        begins = self.said.iloc[places].str.startswith(tuple(words)).to_numpy(bool)
        return places[np.lexsort([-self.counts[places], ~begins])][:limit].tolist()
