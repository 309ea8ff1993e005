"""The chosen runs beside each other: curves, settings, all runs by setting and metric, and user by user."""

from pages.components.compare.panel import panel

__all__ = ["panel"]
