"""The Sweep page: what is planned, and the sweeps that there are."""
