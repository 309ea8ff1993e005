"""All that a page sends to the browser, as text; and what of it is read as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from streamlit.testing.v1 import AppTest


def everything(page: AppTest) -> str:
    """Every element of a page: labels, texts, options, charts' options, cells of tables."""
    found = []
    for node in page._tree:
        proto = getattr(node, "proto", None)
        if proto is not None:
            found.append(f"{type(node).__name__} {proto}")
        if type(node).__name__ in ("Dataframe", "Table"):
            found.append(node.value.to_csv())  # type: ignore[attr-defined]
    return "\n".join(found)


def markdown(page: AppTest) -> Iterator[str]:
    """Every text of a page that the browser reads as Markdown; none may allow HTML."""
    for node in page._tree:
        proto = getattr(node, "proto", None)
        assert not getattr(proto, "allow_html", False)
        for field in ("body", "label", "help", "caption"):
            if isinstance(text := getattr(proto, field, None), str):
                yield text
        if type(node).__name__ == "Table":
            yield from map(str, node.value.to_numpy().ravel())  # type: ignore[attr-defined]
