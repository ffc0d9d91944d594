"""What is measured inside the network while it trains, and which of it is a sign of ill health."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tunetrack.spec.base import Config, Positive, PositiveInt, Rate

__all__ = [
    "DeadUnitsRule",
    "ExplodingRule",
    "HealthConfig",
    "HealthRule",
    "NonFiniteRule",
    "OscillationRule",
    "StalledLayerRule",
    "VanishingGradientsRule",
    "WeightsConfig",
]

Share = Annotated[float, Field(gt=0.0, le=1.0)]


class HealthRule(Config):
    """What all rules have: what follows, and how long it takes."""

    action: Literal["off", "tag", "prune"] = Field(
        "tag", description="what follows: off: nothing; tag: the trial says so; prune: it also ends as pruned"
    )
    patience: PositiveInt = Field(2, description="epochs in a row that must show it")


class NonFiniteRule(HealthRule):
    """A weight or a gradient is NaN or infinite.

    A loss or weight that is not finite after an epoch ends a trial in any case, as FAILED; `prune` concerns gradients.
    Goodfellow, Bengio & Courville 2016, "Deep Learning", section 4.1 (overflow and underflow),
    https://www.deeplearningbook.org/contents/numerical.html.
    """

    patience: PositiveInt = Field(1, description="epochs in a row that must show it")


class ExplodingRule(HealthRule):
    """Steps that are large beside the weights, or weights that have outgrown their start.

    A step of about a thousandth of the weights is usual: Karpathy, CS231n notes, "Ratio of weights:updates",
    https://cs231n.github.io/neural-networks-3/#ratio.
    """

    step_ratio: Positive = Field(
        0.5, description="an epoch's last step / weights of a layer, L2 norms, that is too much"
    )
    growth: Positive = Field(50.0, description="L2 norm of a layer's weights / initial one, that is too much")


class VanishingGradientsRule(HealthRule):
    """Gradients that fade on their way to the input.

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS.
    """

    ratio: Rate = Field(
        1e-3,
        description="gradient of the first third of the layers / last third (root mean square), that is too little",
    )


class DeadUnitsRule(HealthRule):
    """Units that are not above zero for any validation image, and so learn next to nothing.

    Judged are layers whose slope goes to zero below zero: ReLU, ReLU6, GELU, SiLU, Mish, Hardswish.

    Lu et al. 2019, "Dying ReLU and initialization", https://arxiv.org/abs/1903.06733.
    """

    share: Share = Field(0.9, description="share of a layer's units that is too much")


class OscillationRule(HealthRule):
    """Scales and shifts of norms that go to and fro from epoch to epoch, ever further.

    The change of a weight turns in half of all epochs where it is pure noise around a drift of nothing; a weight that
    overshoots turns in nearly all of them. Of few weights many may turn by chance, so the share must also lie three
    standard errors above one half, and of less than nine weights nothing is said. Gradient descent overshoots where
    2 / learning rate is below the curvature: Cohen et al. 2021, "Gradient descent on neural networks typically occurs
    at the edge of stability", https://arxiv.org/abs/2103.00065.
    """

    turned: Share = Field(0.7, description="share of a layer's gammas or betas whose change has turned, too much")
    growth: Positive = Field(
        1.05, description="standard deviation of the layer's gammas or betas / that one epoch earlier, too much"
    )


class StalledLayerRule(HealthRule):
    """A layer that stands still while the others move.

    Steps of very different size beside the weights, by layer, are what LARS was made to mend: You et al. 2017, "Large
    batch training of convolutional networks", https://arxiv.org/abs/1708.03888.
    """

    ratio: Rate = Field(1e-3, description="update ratio of a layer / median of all layers, too little")


class HealthConfig(Config):
    """Signs of ill health: thresholds, and what follows."""

    non_finite: NonFiniteRule = Field(NonFiniteRule(), description="NaN or infinite weights or gradients")
    exploding: ExplodingRule = Field(ExplodingRule(), description="steps or weights grow out of proportion")
    vanishing_gradients: VanishingGradientsRule = Field(
        VanishingGradientsRule(), description="gradients fade towards the input"
    )
    dead_units: DeadUnitsRule = Field(DeadUnitsRule(), description="units that are never above zero")
    oscillation: OscillationRule = Field(OscillationRule(), description="gammas or betas go to and fro, ever further")
    stalled_layer: StalledLayerRule = Field(StalledLayerRule(), description="a layer stands still")


class WeightsConfig(Config):
    """Weight statistics: measured for every trial unless `record` is false. They never change what is trained."""

    record: bool = Field(True, description="measure them")
    every_steps: PositiveInt | None = Field(
        None, description="a record after every so many optimiser steps too; default: after every epoch"
    )
    minkowski_p: float = Field(1.0, ge=1.0, le=16.0, description="order of the Minkowski distance; 1: sum of changes")
    near_zero: Positive = Field(1e-4, description="a weight nearer to zero counts as near zero")
    block_steps: bool = Field(
        False, description="distances of every residual block before every optimiser step (even_resnet and resnet)"
    )
    health: HealthConfig = Field(HealthConfig(), description="signs of ill health")
