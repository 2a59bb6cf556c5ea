"""Many questions at once: a job file, a plan, workers, and a ledger that survives anything.

The coordinator imports no torch; whatever looks into a model does so in a worker.
"""
