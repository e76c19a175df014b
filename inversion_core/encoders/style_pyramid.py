"""Learned inversion for any generator with codes: picture -> ws, in the forms of pSp, e4e and ReStyle.

Sizes are for generators that fit a processor; the papers use a ResNet-50 with IR-SE blocks on 256².
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.errors import CheckpointRefused, MissingResource

METHODS = ("psp", "e4e", "restyle", "idinvert", "icgan", "ali", "bigan", "lia")
"""How an encoder predicts and was trained."""
ONE_CODE = ("icgan", "ali", "bigan", "lia")
"""Methods that are older than W+, or do without: all layers get the same code."""


@dataclass(frozen=True)
class StyleSizes:
    """How an encoder is built.

    Attributes:
        method: one of :data:`METHODS`.
        num_ws, w_dim: of the generator; input_size: side of the pictures that the network sees.
        width: channels of the first level, twice as many a level deeper.
        rounds: how often ReStyle looks again; 1 for the others.
        attributes: how many IcGAN names; 0 for the others.
    """

    method: str
    num_ws: int
    w_dim: int
    input_size: int = 64
    width: int = 24
    rounds: int = 1
    attributes: int = 0


class _Block(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, 2, 1),
            nn.GroupNorm(4, after),
            nn.SiLU(),
            nn.Conv2d(after, after, 3, 1, 1),
            nn.GroupNorm(4, after),
        )
        self.skip = nn.Conv2d(before, after, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.body(x) + self.skip(x))


class _MapToStyle(nn.Module):
    """A level of the pyramid -> one code. Source: pSp, section 3.1, map2style."""

    def __init__(self, channels: int, side: int, w_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while side > 4:
            layers += [nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU(0.2)]
            side //= 2
        self.down = nn.Sequential(*layers)
        self.out = nn.Linear(channels * side * side, w_dim)
        nn.init.normal_(self.out.weight, std=0.003)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.down(x).flatten(1))


class StylePyramid(nn.Module):
    """Features of three levels, and a map2style block for each of the ws.

    Call it with pictures (N, 3, H, W) in [-1, 1] and cameras (N, 25).
    """

    def __init__(
        self, sizes: StyleSizes, mean: Tensor, deviation: float, directions: Tensor | None = None
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("mean", mean.detach().reshape(1, 1, -1).clone())
        self.register_buffer("deviation", torch.tensor(float(deviation)))
        w = sizes.width
        pictures = 2 if sizes.method == "restyle" else 1
        self.levels = nn.ModuleList(
            [_Block(3 * pictures + 3, w), _Block(w, 2 * w), _Block(2 * w, 4 * w), _Block(4 * w, 4 * w)]
        )
        shared = 2 * w
        self.lateral = nn.ModuleList([nn.Conv2d(c, shared, 1) for c in (2 * w, 4 * w, 4 * w)])
        side = sizes.input_size // 16
        # Coarse codes read the deepest level, medium and fine ones those above. Source: pSp, figure 2.
        self.level_of = [0 if i < 3 else 1 if i < 7 else 2 for i in range(sizes.num_ws)]
        sides = (side, 2 * side, 4 * side)
        used = self.level_of[:1] if sizes.method in ONE_CODE else self.level_of
        self.heads = nn.ModuleList([_MapToStyle(shared, sides[k], sizes.w_dim) for k in used])
        if sizes.method == "ali":
            self.spread = _MapToStyle(shared, sides[0], sizes.w_dim)
        if sizes.attributes:
            self.named = _MapToStyle(shared, sides[0], sizes.attributes)
            empty = torch.zeros(sizes.attributes, sizes.num_ws, sizes.w_dim)
            given = empty if directions is None else directions.reshape(sizes.attributes, -1, sizes.w_dim)
            self.register_buffer("directions", given.expand_as(empty).clone())

    def offsets(self, picture: Tensor, label: Tensor, current: Tensor | None = None) -> Tensor:
        """(N, num_ws, w_dim) of one look, in deviations of w; (N, 1, w_dim) where all layers get one code.

        Args:
            current: (N, 3, h, w) what the codes so far look like; for ReStyle only.
        """
        levels = self._levels(picture, label, current)
        pairs = zip(self.heads, self.level_of, strict=False)
        return torch.stack([head(levels[k]) for head, k in pairs], 1)

    def attributes(self, picture: Tensor, label: Tensor) -> Tensor:
        """(N, attributes) how far the head goes along the named edits. Source: IcGAN, section 3.2, E_y."""
        return self.named(self._levels(picture, label)[0])

    def read_attributes(self, ws: Tensor) -> Tensor:
        """(N, attributes) of known codes (N, num_ws, w_dim): their part along the edits."""
        flat = self.directions.flatten(1)
        return (ws - self.mean).flatten(1) @ (flat / flat.square().sum(1, keepdim=True).clamp_min(1e-12)).T

    def with_attributes(self, ws: Tensor, attributes: Tensor) -> Tensor:
        """Codes whose part along the edits is replaced, (N, num_ws, w_dim)."""
        change = attributes - self.read_attributes(ws)
        return ws + (change @ self.directions.flatten(1)).reshape(ws.shape)

    def drawn(self, picture: Tensor, label: Tensor) -> Tensor:
        """ws drawn at random round the prediction. Source: ALI, section 2.1: the encoder is a distribution."""
        deep = self._levels(picture, label)[0]
        offset, spread = self.heads[0](deep), 0.02 * self.spread(deep).exp()
        return self.placed((offset + spread * torch.randn_like(spread))[:, None])

    def _levels(self, picture: Tensor, label: Tensor, current: Tensor | None = None) -> tuple[Tensor, ...]:
        """Deep, medium and fine features."""
        size = (self.sizes.input_size,) * 2
        seen = [_resized(picture, size)]
        if current is not None:
            seen.append(_resized(current, size))
        # Where the camera is: the code is not to depend on it.
        forward = label[:, :16].reshape(-1, 4, 4)[:, :3, 2]
        seen.append(forward[:, :, None, None].expand(-1, -1, *size))
        x, found = torch.cat(seen, 1), []
        for level in self.levels:
            x = level(x)
            found.append(x)
        deep = self.lateral[2](found[3])
        medium = self.lateral[1](found[2]) + F.interpolate(deep, scale_factor=2.0, mode="bilinear")
        fine = self.lateral[0](found[1]) + F.interpolate(medium, scale_factor=2.0, mode="bilinear")
        return deep, medium, fine

    def placed(self, offsets: Tensor, layers: int | None = None) -> Tensor:
        """ws of one look's offsets, for all methods but ReStyle.

        Args:
            layers: how many codes may already leave the first one's; all when None (e4e's progression).
        """
        if self.sizes.method == "e4e":
            # The first head gives the head's code, the others small steps from it. Source: e4e, section 3.2.
            free = offsets[:, 1:].clone()
            if layers is not None:
                free[:, max(layers - 1, 0) :] = 0
            offsets = torch.cat([offsets[:, :1], offsets[:, :1] + free], 1)
        return (self.mean + self.deviation * offsets).expand(-1, self.sizes.num_ws, -1)

    def forward(self, picture: Tensor, label: Tensor, current: Tensor | None = None) -> Tensor:
        """ws (N, num_ws, w_dim) of one look."""
        ws = self.placed(self.offsets(picture, label, current))
        return self.with_attributes(ws, self.attributes(picture, label)) if self.sizes.attributes else ws


class StyleEncoder:
    """An encoder with its generator: pictures and cameras -> ws, as descents and comparisons call it.

    Args:
        glimpse: ws (N, num_ws, w_dim) and cameras (N, 25) -> small pictures, for ReStyle's further looks.
    """

    def __init__(self, network: StylePyramid, glimpse) -> None:
        self.network, self.glimpse = network, glimpse

    @property
    def method(self) -> str:
        """One of :data:`METHODS`."""
        return self.network.sizes.method

    def __call__(self, picture: Tensor, label: Tensor) -> Tensor:
        """ws (N, num_ws, w_dim)."""
        if self.method != "restyle":
            return self.network(picture, label)
        return self.rounds(picture, label)[-1]

    def rounds(self, picture: Tensor, label: Tensor) -> list[Tensor]:
        """ReStyle's ws after every look. Source: Alaluf et al. 2021, section 3.1; the average head is the start."""
        network = self.network
        ws = network.mean.expand(len(picture), network.sizes.num_ws, -1)
        found = []
        for _ in range(network.sizes.rounds):
            with torch.no_grad():
                current = self.glimpse(ws, label)
            ws = ws.detach() + network.deviation * network.offsets(picture, label, current)
            found.append(ws)
        return found


def save_style_encoder(network: StylePyramid, path: Path, record: Mapping[str, object]) -> None:
    """Write the encoder as safetensors with its sizes and ``record`` as JSON."""
    from safetensors.torch import save_file

    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    metadata = {"sizes": json.dumps(asdict(network.sizes)), "record": json.dumps(dict(record))}
    partial = path.with_name(path.name + ".part")
    save_file(tensors, str(partial), metadata=metadata)
    partial.replace(path)


def load_style_encoder(path: Path, generator) -> StyleEncoder:
    """The encoder in a file of :func:`save_style_encoder`, frozen, for a :class:`CodedGenerator`.

    Raises:
        MissingResource: the file is not there; CheckpointRefused: it was trained for another generator.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MissingResource(
            f"There is no encoder {path}.", "Train one: facet train encoder --method psp --model FOLDER."
        )
    try:
        with safe_open(str(path), framework="pt") as handle:
            sizes = StyleSizes(**json.loads(handle.metadata()["sizes"]))
            state = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118, not a dict
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise CheckpointRefused(f"{path} is no style encoder ({error}).", "Train it again.") from error
    if (sizes.num_ws, sizes.w_dim) != (generator.num_ws, generator.w_dim):
        raise CheckpointRefused(
            f"{path.name} was trained for a generator with {sizes.num_ws} codes of {sizes.w_dim}.",
            "Train one for this generator.",
        )
    network = StylePyramid(sizes, torch.zeros(sizes.w_dim), 1.0)
    network.load_state_dict(state)
    return StyleEncoder(network.eval().requires_grad_(False), generator.glimpse)


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    if picture.shape[-1] == size[0]:
        return picture
    return F.interpolate(picture, size=size, mode="bilinear", antialias=picture.shape[-1] > size[0])
