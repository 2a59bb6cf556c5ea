"""The parts of jobs by name: what an item can be, and where items run."""

from verixplain.registry import Registry

kinds = Registry("kind of item", "verixplain.jobs.kinds")
executors = Registry("executor", "verixplain.jobs.executors")

OUTCOMES = ("done", "timeout", "out-of-memory", "unsupported", "error", "not-run")
"""How an item can end; a claim of an item that was not done has the item's outcome as status."""
