"""Reader of the Amazon ratings of one category (McAuley et al. 2015, doi:10.1145/2766462.2767755): lines of user, item, rating, time."""

from __future__ import annotations

from engine.datasets.archives import Source
from engine.datasets.reading import Reading
from engine.datasets.rows import Meter, Progress
from engine.datasets.sources import Published, load_published
from engine.datasets.table import read_ratings
from engine.gathering import from_frame
from engine.interactions import Interactions

_FILE = "ratings_Apps_for_Android.csv"
# The publisher gives no checksum, so the file is not fetched from here.
APPS = Published(
    "amazon-apps",
    None,
    None,
    ratings=(_FILE,),
    files=(_FILE,),
    n_ratings=2_638_173,
    folders=("amazon-apps", "."),
    archives=("amazon-apps.zip",),
    by_hand=f"put {_FILE} (https://jmcauley.ucsd.edu/data/amazon/links.html, 'ratings only')",
)


def load_apps(progress: Progress = None) -> Interactions:
    """Apps for Android (2014): whole stars and the day of each rating, no titles."""
    return load_published(APPS, _read, progress)


def _read(source: Source, meter: Meter) -> Interactions:
    columns = Reading(user="user", item="item", rating="rating", timestamp="timestamp", header="no")
    frame = read_ratings(source.read(_FILE), _FILE, columns).frame
    meter.add(len(frame))
    return from_frame(APPS.name, frame, scale=(1, 5))
