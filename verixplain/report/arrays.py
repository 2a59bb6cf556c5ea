"""The arrays of an explanation, as `explanation.npz` has them."""

import numpy as np

from verixplain.explanation import Explanation


def explanation_arrays(explanation: Explanation) -> dict[str, np.ndarray]:
    """Every array of an explanation by the name it has in `explanation.npz`.

    - `scores`, and for verified methods `lower` and `upper` (the enclosures of the true
      importances), in the input's shape; NaN where an input is in no group;
    - `label_map`: the number of the last group each input is in, -1 for none; groups may overlap,
      so the exact members of group u are
      `group_inputs[group_starts[u]:group_starts[u + 1]]`, flat input numbers;
    - `witness` (groups, *input): the best point found in every B_u; `witness_box`: in B;
    - `input`, `box_lower`, `box_upper`: the query, in the model's units;
    - `target_coefficients` (rows, outputs), `target_offsets`: g is the largest row;
    - `method_NAME`: what else belongs to the scores of the method, such as the noise it drew.
    """
    query = explanation.query
    groups, box = query.groups, query.box
    coefficients, offsets = query.target.matrix(query.network.outputs)
    arrays = {
        "scores": explanation.scores,
        "group_scores": np.asarray(explanation.group_scores),
        "label_map": groups.label_map(),
        "group_inputs": np.concatenate(groups.members),
        "group_starts": np.cumsum([0, *map(len, groups.members)]),
        "input": box.center.astype(query.network.input_dtype),
        "box_lower": box.lower,
        "box_upper": box.upper,
        "target_coefficients": coefficients,
        "target_offsets": offsets,
    }
    if explanation.overlaps is not None:
        arrays["lower"], arrays["upper"] = explanation.lower, explanation.upper
        arrays["witness"] = explanation.overlaps.group_witness
        arrays["witness_box"] = explanation.overlaps.witness
    for name, array in explanation.arrays.items():
        arrays[f"method_{name}"] = np.asarray(array)
    return arrays
