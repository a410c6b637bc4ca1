"""Would run at the start of any Python in this folder."""
raise SystemExit(0)
