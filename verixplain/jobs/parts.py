"""The parts of jobs by name: what an item can be, what can be claimed, where items run."""

from verixplain.registry import Registry

kinds = Registry("kind of item", "verixplain.jobs.kinds")
claims = Registry("claim", "verixplain.jobs.claims")
executors = Registry("executor", "verixplain.jobs.executors")

OUTCOMES = ("done", "timeout", "out-of-memory", "unsupported", "error", "not-run")
"""How an item can end; a claim of an item that was not done has the item's outcome as status."""
