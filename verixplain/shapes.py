"""The array aliases that signatures use; the tests execute them (jaxtyping and beartype)."""

import numpy as np
from jaxtyping import Bool, Float, Int

Features = Float[np.ndarray, "*features"]
"""One input, or one number per feature of it, in the input's shape."""

Inputs = Float[np.ndarray, "batch *features"]
"""Several inputs."""

Memberships = Bool[np.ndarray, "groups inputs"]
"""Which flattened inputs each group holds."""

PerGroup = Float[np.ndarray, " groups"]
Indices = Int[np.ndarray, " _"]
