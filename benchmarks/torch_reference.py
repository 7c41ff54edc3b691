"""Eager PyTorch as a contestant: a training step of Pix2Pix or CycleGAN, or a translation.

The steps are written as the authors' code does them: Pix2Pix runs the generator once, updates D on the
detached output, then G; CycleGAN updates both generators, then both discriminators on what the pools give.
``torch.optim.Adam`` and everything else as it comes. Runs in an environment with PyTorch and NumPy alone.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.torch_networks import generator, parameters, patchgan
from benchmarks.worker import Settings, Work, serve

RATE, BETAS, EPSILON = 2e-4, (0.5, 0.999), 1e-8
L1_WEIGHT, CYCLE_WEIGHT, IDENTITY_WEIGHT = 100.0, 10.0, 5.0
POOL_SIZE = 50
WAYS = 2  # directions of a CycleGAN


def build(settings: Settings) -> tuple[Work, dict[str, Any]]:
    """See :func:`benchmarks.worker.serve`; ``settings["task"]`` is pix2pix, cyclegan or translate."""
    torch.manual_seed(0)
    torch.set_num_threads(settings["threads"])
    device = torch.device(settings.get("device", "cpu"))
    facts: dict[str, Any] = {"version": torch.__version__, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        facts["card"] = torch.cuda.get_device_name(device)
    if settings["task"] == "translate":
        return _translation(settings, facts)
    networks, step = {"pix2pix": pix2pix, "cyclegan": cyclegan}[settings["task"]](settings, device)
    facts["parameters"] = parameters(*networks)
    batches = itertools.cycle(pictures(settings))
    chunk = settings.get("chunk", 1)

    def work() -> dict[str, Any]:
        for _ in range(chunk):
            losses = step(*(_signed(batch, device) for batch in next(batches)))
        return {"losses": {name: value.item() for name, value in losses.items()}}

    return work, facts


def pix2pix(settings: Settings, device: Any) -> tuple[list[Any], Callable[..., dict[str, Any]]]:
    """The networks and one step."""
    kind, width = settings["norm"], settings["width"]
    made = generator(settings["generator"], width=width, kind=kind).to(device)
    judge = patchgan(channels=6, width=width, kind=kind).to(device)
    for_made, for_judge = _adam(made), _adam(judge)
    bce, l1 = nn.BCEWithLogitsLoss(), nn.L1Loss()
    mixed = _mixed(settings, device)

    def step(source: Any, target: Any) -> dict[str, Any]:
        with mixed():
            fake = made(source)
        _learns(judge, True)
        for_judge.zero_grad()
        with mixed():
            on_fake = _mean(bce, judge(torch.cat((source, fake.detach()), 1)), 0.0)
            on_real = _mean(bce, judge(torch.cat((source, target), 1)), 1.0)
            loss = 0.5 * (on_fake + on_real)
        loss.backward()
        for_judge.step()
        _learns(judge, False)
        for_made.zero_grad()
        with mixed():
            fooled = _mean(bce, judge(torch.cat((source, fake), 1)), 1.0)
            distance = l1(fake.float(), target)
            loss = fooled + L1_WEIGHT * distance
        loss.backward()
        for_made.step()
        return {"d_real": on_real, "d_fake": on_fake, "g_gan": fooled, "g_l1": distance}

    return [made, judge], step


def cyclegan(settings: Settings, device: Any) -> tuple[list[Any], Callable[..., dict[str, Any]]]:
    """The networks (A to B, B to A, D of A, D of B) and one step."""
    kind, width = settings["norm"], settings["width"]
    makers = [generator(settings["generator"], width=width, kind=kind).to(device) for _ in range(WAYS)]
    judges = [patchgan(channels=3, width=width, kind=kind).to(device) for _ in range(WAYS)]
    for_makers, for_judges = _adam(*makers), _adam(*judges)
    squares, l1 = nn.MSELoss(), nn.L1Loss()
    pools = [Pool(), Pool()]
    mixed = _mixed(settings, device)
    (to_b, to_a), (judge_a, judge_b) = makers, judges

    def step(a: Any, b: Any) -> dict[str, Any]:
        with mixed():
            fake_b, fake_a = to_b(a), to_a(b)
            again_a, again_b = to_a(fake_b), to_b(fake_a)
        for judge in judges:
            _learns(judge, False)
        for_makers.zero_grad()
        with mixed():
            identity = l1(to_b(b).float(), b) + l1(to_a(a).float(), a)
            fooled = _mean(squares, judge_b(fake_b), 1.0) + _mean(squares, judge_a(fake_a), 1.0)
            cycle = l1(again_a.float(), a) + l1(again_b.float(), b)
            loss = fooled + CYCLE_WEIGHT * cycle + IDENTITY_WEIGHT * identity
        loss.backward()
        for_makers.step()
        for judge in judges:
            _learns(judge, True)
        for_judges.zero_grad()
        terms = {"g": fooled, "cycle": cycle, "identity": identity}
        for name, judge, real, fake, pool in (
            ("d_a", judge_a, a, fake_a, pools[0]),
            ("d_b", judge_b, b, fake_b, pools[1]),
        ):
            shown = pool.exchange(fake.detach())
            with mixed():
                terms[name] = 0.5 * (_mean(squares, judge(real), 1.0) + _mean(squares, judge(shown), 0.0))
            terms[name].backward()
        for_judges.step()
        return terms

    return [*makers, *judges], step


class Pool:
    """Up to fifty made pictures, exchanged one by one with probability 1/2 once they are so many."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def exchange(self, made: Any) -> Any:
        """What D is shown in place of ``made``."""
        shown = []
        for picture in made.split(1):
            if len(self._kept) < POOL_SIZE:
                self._kept.append(picture)
                shown.append(picture)
            elif random.random() > 0.5:  # noqa: S311 - no secret
                place = random.randrange(POOL_SIZE)  # noqa: S311
                shown.append(self._kept[place])
                self._kept[place] = picture
            else:
                shown.append(picture)
        return torch.cat(shown)


def pictures(settings: Settings) -> list[tuple[Any, Any]]:
    """A few random batches, uint8 (batch, side, side, 3)."""
    rng = np.random.default_rng(0)
    shape = (settings.get("batch", 1), settings["side"], settings["side"], 3)
    return [(rng.integers(0, 256, shape, np.uint8), rng.integers(0, 256, shape, np.uint8)) for _ in range(8)]


def _translation(settings: Settings, facts: dict[str, Any]) -> tuple[Work, dict[str, Any]]:
    """One image, uint8 to uint8, without gradients."""
    network = generator(settings["generator"], width=settings["width"], kind=settings["norm"]).eval()
    image = pictures(settings)[0][0][0]

    def work() -> None:
        with torch.no_grad():
            made = network(_signed(image[None], torch.device("cpu")))
            result = made.add_(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
            result.permute(0, 2, 3, 1).contiguous().numpy()

    return work, {**facts, "parameters": parameters(network)}


def _signed(batch: Any, device: Any) -> Any:
    """uint8 NHWC to float32 NCHW in [-1, 1], on the device."""
    tensor = torch.from_numpy(batch).to(device, non_blocking=True)
    return tensor.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1.0


def _adam(*networks: Any) -> Any:
    weights = itertools.chain(*(network.parameters() for network in networks))
    return torch.optim.Adam(weights, lr=RATE, betas=BETAS, eps=EPSILON)


def _mean(loss: Any, logits: Any, label: float) -> Any:
    """Against one label for all, in float32."""
    return loss(logits.float(), torch.full_like(logits, label, dtype=torch.float32))


def _learns(network: Any, does: bool) -> None:
    for weight in network.parameters():
        weight.requires_grad = does


def _mixed(settings: Settings, device: Any) -> Callable[[], AbstractContextManager[Any]]:
    """Autocast where bfloat16 is asked for."""
    wanted = settings.get("precision", "float32") == "bfloat16"
    return lambda: torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


if __name__ == "__main__":
    serve(build)
