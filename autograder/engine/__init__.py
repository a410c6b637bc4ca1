"""Fork server, jail, workers: what runs a submission and what holds it."""
