"""Lower bounds and witnesses: batched, seeded searches for points with a large overlap."""
