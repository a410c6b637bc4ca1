"""labkit measured beside its peers and on a GPU; RESULTS.md holds date, machine and command."""
