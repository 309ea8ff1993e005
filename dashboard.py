"""The app: `streamlit run dashboard.py`. Navigation comes from the registry in pages/__init__.py."""

from __future__ import annotations

from pages import navigation
from pages.components.frame import enter_dashboard, let_in, mistakes_as_sentences


def main() -> None:
    """Draw the frame, then the page that the person is on."""
    enter_dashboard()
    page = navigation()
    if not let_in():
        return
    # The engine takes a second to import; the navigation does not wait for it.
    from pages.components.news import toasts
    from pages.components.session import stands, warm_engine

    if not stands():
        return
    with mistakes_as_sentences():
        warm_engine()
    with mistakes_as_sentences():
        toasts()
    with mistakes_as_sentences():
        page.run()


main()
