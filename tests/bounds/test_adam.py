"""The steps are those of torch's Adam."""

import torch

from verixplain.bounds.adam import Adam


def test_it_steps_as_torch_does():
    ours = torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    idle = torch.zeros(2, requires_grad=True)
    mine, other = Adam([ours, idle], 0.1), torch.optim.Adam([theirs], lr=0.1)
    for _ in range(5):
        for point, optimiser in ((ours, mine), (theirs, other)):
            ((point - 3) ** 2).sum().backward()
            optimiser.step()
            point.grad = None
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    assert not idle.any()
