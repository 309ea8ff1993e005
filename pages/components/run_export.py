"""The run as a folder to take along: what is in it, the command that writes it, and a zip archive that is made once somebody asks."""

from __future__ import annotations

import io
import zipfile

import streamlit as st

from engine.errors import InputError
from engine.store import Run, RunStore
from pages.components.session import store
from pages.components.share import ENGINE

WITHOUT = "There is nothing to export yet: the run has learned nothing that could be used."


def export_button(run: Run) -> None:
    """Opens what is said of the export; without a trained model, the button says why it does nothing."""
    there = store().has(run.id, "model")
    with st.popover("Export", icon=":material/folder_zip:", disabled=not there, help=None if there else WITHOUT):
        st.markdown(
            "A folder with the configuration, the curves, the weights, the ids of users and items, and a small Python script that "
            "loads the weights and recommends. It needs no Encore."
        )
        st.caption("In a terminal:")
        st.code(f"{ENGINE} export {run.name} -o {run.name}", language="bash", wrap_lines=True)
        runs = store()
        st.download_button(
            "Download as zip",
            lambda: archive(run, runs),
            file_name=f"{run.name}.zip",
            mime="application/zip",
            key="run-export",
            icon=":material/download:",
            on_click="ignore",
            disabled=not there,
        )


def archive(run: Run, runs: RunStore) -> bytes:
    """The export as zip. Streamlit shows no error of what it calls for a download: a sentence comes as the archive's only file."""
    from engine.export import zipped

    try:
        return zipped(run.id, runs)
    except InputError as error:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as content:
            content.writestr("NOT-EXPORTED.txt", f"{error}\n")
        return packed.getvalue()
