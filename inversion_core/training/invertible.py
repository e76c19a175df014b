"""An invertible map between z and w. Source: Zhu et al. 2019 (LIA), section 3.1: NICE's additive coupling layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inversion_core.optimise.coded import Coded
from inversion_core.task import Progress, Task


class InvertibleMapping(nn.Module):
    """w (N, D), in deviations, -> z (N, D) and back, exactly; volumes stay but for a scale of each number."""

    def __init__(self, width: int, layers: int = 4, hidden: int = 64) -> None:
        super().__init__()
        self.half = width // 2
        rest = width - self.half
        sizes = [(self.half, rest) if i % 2 == 0 else (rest, self.half) for i in range(layers)]
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Linear(a, hidden), nn.SiLU(), nn.Linear(hidden, b)) for a, b in sizes
        )
        self.scale = nn.Parameter(torch.zeros(width))
        for step in self.steps:
            nn.init.zeros_(step[2].weight)
            nn.init.zeros_(step[2].bias)

    def forward(self, w: Tensor) -> Tensor:
        """z of w."""
        first, second = w[:, : self.half], w[:, self.half :]
        for index, step in enumerate(self.steps):
            if index % 2 == 0:
                second = second + step(first)
            else:
                first = first + step(second)
        return torch.cat([first, second], 1) * self.scale.exp()

    def inverse(self, z: Tensor) -> Tensor:
        """w of z."""
        w = z * (-self.scale).exp()
        first, second = w[:, : self.half], w[:, self.half :]
        for index, step in reversed(list(enumerate(self.steps))):
            if index % 2 == 0:
                second = second - step(first)
            else:
                first = first - step(second)
        return torch.cat([first, second], 1)

    def surprise(self, w: Tensor) -> Tensor:
        """Mean negative logarithm of the density of w (N, D) for a Gaussian z, over D, up to a constant."""
        return 0.5 * self(w).square().mean() - self.scale.mean()


def fitted_mapping(generator: Coded, steps: int = 150, seed: int = 0) -> Task[InvertibleMapping]:
    """The map under which the generator's own codes are Gaussian, frozen."""
    draws = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mapping = InvertibleMapping(generator.w_dim)
    optimiser = torch.optim.Adam(mapping.parameters(), 3e-3)
    statistics = generator.statistics
    for index in range(steps):
        z = torch.randn(256, generator.z_dim, generator=draws).to(generator.device)
        with torch.no_grad():
            unit = (generator.mapped(z)[:, 0] - statistics.mean[0]) / statistics.deviation
        loss = mapping.surprise(unit * unit.shape[1] ** 0.5)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if index % 50 == 0:
            yield Progress(index, steps, "invertible mapping")
    return mapping.requires_grad_(False)
