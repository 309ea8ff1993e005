"""Takes a run out of Encore: as a folder with a script that scores by it, or as a zip archive of that folder."""

from engine.export.folder import about, export, figures, zipped

__all__ = ["about", "export", "figures", "zipped"]
