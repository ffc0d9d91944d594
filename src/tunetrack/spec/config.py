"""The concrete configuration of one trial: exactly what the trainer consumes, with every limit stated once.

A study file is the same tree with ranges in some places (`tunetrack.spec.space`); whatever a range can produce is
validated against these models, so a hyperparameter that nothing reads cannot be declared.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "AdamConfig",
    "AdamWConfig",
    "AugmentConfig",
    "CnnConfig",
    "CosineSchedule",
    "DataConfig",
    "EarlyStoppingConfig",
    "ModelConfig",
    "NoSchedule",
    "OneCycleSchedule",
    "OptimizerConfig",
    "PlateauSchedule",
    "ScheduleConfig",
    "SgdConfig",
    "StepSchedule",
    "TrainerConfig",
    "TrialConfig",
]

PositiveInt = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class Config(BaseModel):
    """Base of all configuration models: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class AugmentConfig(Config):
    """Random changes to training images, drawn anew for every image and epoch, applied on the device."""

    horizontal_flip: bool = Field(False, description="mirror left-right with probability 1/2")
    rotation: float = Field(0.0, ge=0.0, le=180.0, description="largest rotation, degrees, either way")
    translation: float = Field(0.0, ge=0.0, le=0.5, description="largest shift per axis, as a fraction of the side")


class DataConfig(Config):
    """Which images, and how they are split. The test images are never used for selection."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "image_folder"] = Field(
        description="digits needs no download; image_folder reads one folder per class"
    )
    dir: str | None = Field(None, description="where the files are, or where torchvision shall put them")
    image_size: int | None = Field(None, ge=4, le=1024, description="resize to this many pixels a side")
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 colour; default: as the data set is")
    train: PositiveInt | None = Field(None, description="training images; default: all that are left")
    validation: PositiveInt | None = Field(None, description="validation images; default: one in six")
    test: PositiveInt | None = Field(None, description="test images; default: the official test set, or one in six")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of the split")
    augment: AugmentConfig | None = Field(None, description="random changes to training images; default: none")

    @model_validator(mode="after")
    def _image_folder_needs_size(self) -> DataConfig:
        if self.name == "image_folder" and self.image_size is None:
            raise ValueError("image_folder needs image_size (pixels a side), since its images may have any size")
        return self


class CnnConfig(Config):
    """A stack of convolution layers with 'same' padding, then a fully connected head.

    Each of the `num_layers` layers is `convs_per_layer` times (convolution, [batch norm,] activation, [dropout]),
    and every `pool_every`-th layer ends with pooling.
    """

    name: Literal["cnn"] = Field("cnn", description="kind of network")
    filters: int = Field(32, ge=1, le=4096, description="channels of every convolution")
    kernel_size: int = Field(3, ge=1, le=31, description="pixels a side; even sizes are padded on the right and below")
    num_layers: int = Field(3, ge=1, le=64, description="layers of convolutions before the head")
    convs_per_layer: int = Field(1, ge=1, le=8, description="convolutions in each layer")
    pooling: Literal["max", "average", "none"] = Field("max", description="how a layer's output is made smaller")
    pool_size: int = Field(2, ge=2, le=8, description="window and stride of the pooling, pixels")
    pool_every: int = Field(1, ge=1, le=64, description="pool after every n-th layer")
    activation: Literal["relu", "gelu", "leaky_relu", "elu"] = Field("relu", description="after each convolution")
    batch_norm: bool = Field(False, description="batch normalisation between convolution and activation")
    conv_dropout: Rate = Field(0.0, description="probability that a channel is dropped, 0 <= p < 1")
    head: Annotated[tuple[PositiveInt, ...], Field(strict=False)] = Field(
        (), description="widths of the hidden fully connected layers; [] for one linear layer"
    )
    head_dropout: Rate = Field(0.0, description="probability that a unit of the head is dropped, 0 <= p < 1")


class AdamConfig(Config):
    """Adam with coupled (L2) weight decay. Kingma & Ba 2015, https://arxiv.org/abs/1412.6980."""

    name: Literal["adam"] = Field("adam", description="kind of optimizer")
    lr: Positive = Field(1e-3, description="learning rate")
    weight_decay: NonNegative = Field(0.0, description="factor of the L2 penalty")
    beta1: Rate = Field(0.9, description="decay of the mean of gradients")
    beta2: Rate = Field(0.999, description="decay of the mean of squared gradients")
    eps: Positive = Field(1e-8, description="added to the denominator")


class AdamWConfig(Config):
    """Adam with decoupled weight decay. Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101."""

    name: Literal["adamw"] = Field("adamw", description="kind of optimizer")
    lr: Positive = Field(1e-3, description="learning rate")
    weight_decay: NonNegative = Field(1e-2, description="decoupled decay, scaled by lr")
    beta1: Rate = Field(0.9, description="decay of the mean of gradients")
    beta2: Rate = Field(0.999, description="decay of the mean of squared gradients")
    eps: Positive = Field(1e-8, description="added to the denominator")


class SgdConfig(Config):
    """Stochastic gradient descent with momentum and coupled (L2) weight decay."""

    name: Literal["sgd"] = Field("sgd", description="kind of optimizer")
    lr: Positive = Field(1e-2, description="learning rate")
    weight_decay: NonNegative = Field(0.0, description="factor of the L2 penalty")
    momentum: Rate = Field(0.0, description="share of the last step kept, 0 <= m < 1")
    nesterov: bool = Field(False, description="look ahead; needs a momentum greater than 0")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SgdConfig:
        if self.nesterov and self.momentum <= 0.0:
            raise ValueError("nesterov needs a momentum greater than 0")
        return self


class NoSchedule(Config):
    """The learning rate stays what the optimiser says."""

    name: Literal["none"] = Field("none", description="kind of schedule")


class StepSchedule(Config):
    """Multiply the learning rate by `gamma` after every `step_size` epochs."""

    name: Literal["step"] = Field("step", description="kind of schedule")
    step_size: PositiveInt = Field(5, description="epochs")
    gamma: float = Field(0.1, gt=0.0, le=1.0, description="factor")


class CosineSchedule(Config):
    """Half a cosine from lr down to lr x `final_fraction`, stepped every batch, after a linear warm-up.

    Loshchilov & Hutter 2017 (one period, no restart), https://arxiv.org/abs/1608.03983.
    """

    name: Literal["cosine"] = Field("cosine", description="kind of schedule")
    warmup_epochs: NonNegative = Field(0.0, description="epochs, may be a fraction")
    final_fraction: float = Field(0.0, ge=0.0, le=1.0, description="last learning rate / lr")


class OneCycleSchedule(Config):
    """Up to lr and down again within one run, stepped every batch. Smith & Topin 2018, arXiv 1708.07120."""

    name: Literal["one_cycle"] = Field("one_cycle", description="kind of schedule")
    warmup_fraction: float = Field(0.3, gt=0.0, lt=1.0, description="share of all steps spent rising")
    start_divisor: float = Field(25.0, ge=1.0, description="the first learning rate is lr / start_divisor")
    final_divisor: float = Field(1e4, ge=1.0, description="the last one is the first one / final_divisor")


class PlateauSchedule(Config):
    """Multiply the learning rate by `factor` when the validation loss has not improved for `patience` epochs."""

    name: Literal["reduce_on_plateau"] = Field("reduce_on_plateau", description="kind of schedule")
    factor: float = Field(0.1, gt=0.0, lt=1.0, description="new learning rate / old one")
    patience: Annotated[int, Field(ge=0)] = Field(10, description="epochs")
    min_lr: NonNegative = Field(0.0, description="the learning rate never falls below it")


class EarlyStoppingConfig(Config):
    """Stop when the validation metric has not improved by more than `min_delta` for `patience` epochs."""

    metric: Literal["validation/loss", "validation/accuracy"] = Field("validation/loss", description="what is watched")
    patience: PositiveInt = Field(5, description="epochs")
    min_delta: NonNegative = Field(0.0, description="a smaller gain does not count")
    restore_best: bool = Field(False, description="end with the weights of the best epoch instead of the last")


class TrainerConfig(Config):
    """How the one shared trainer runs a trial."""

    epochs: PositiveInt = Field(10, description="passes over the training images, or as steps_per_epoch says")
    steps_per_epoch: PositiveInt | None = Field(
        None, description="an epoch is so many whole batches, shuffled anew when all are used; default: one pass"
    )
    batch_size: PositiveInt = Field(64, description="images a step")
    micro_batch: PositiveInt | None = Field(
        None, description="images at a time within a step, where memory is short; default: the whole batch"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where it is measured to pay")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto: cuda, else mps, else cpu")
    threads: PositiveInt | None = Field(None, description="CPU threads; default: what torch takes")
    seed: Seed | None = Field(
        0, description="base of the three seeds below; null: drawn anew for every trial, and logged"
    )
    init_seed: Seed | None = Field(None, description="initial weights and dropout; default: from seed")
    order_seed: Seed | None = Field(None, description="order of the training images; default: from seed")
    augmentation_seed: Seed | None = Field(None, description="random changes to images; default: from seed")
    repeat: PositiveInt = Field(
        1, description="number of the repetition: changes nothing but that equal configurations are trained again"
    )
    deterministic: bool = Field(False, description="bit-exact on one machine with equal threads, slower on some")
    compile: bool = Field(False, description="torch.compile the model; costs a compilation a shape")
    loss: Literal["cross_entropy", "manual"] = Field(
        "cross_entropy", description="manual: softmax, log, mean negative log-likelihood, written out and stabilised"
    )
    label_smoothing: Rate = Field(0.0, description="share of the target spread over all classes, 0 <= s < 1")
    clip_grad_norm: Positive | None = Field(None, description="largest L2 norm of the gradient")
    early_stopping: EarlyStoppingConfig | None = Field(None, description="default: train all epochs")


ModelConfig = CnnConfig
OptimizerConfig = Annotated[AdamConfig | AdamWConfig | SgdConfig, Field(discriminator="name")]
ScheduleConfig = Annotated[
    NoSchedule | StepSchedule | CosineSchedule | OneCycleSchedule | PlateauSchedule, Field(discriminator="name")
]


class TrialConfig(Config):
    """One point of the search space: everything that decides the outcome of a trial."""

    data: DataConfig = Field(description="which images, and how they are split")
    model: ModelConfig = Field(CnnConfig(), description="the network")
    optimizer: OptimizerConfig = Field(AdamConfig(), description="the rule that moves the weights")
    schedule: ScheduleConfig = Field(NoSchedule(), description="how the learning rate changes over a trial")
    trainer: TrainerConfig = Field(TrainerConfig(), description="how a trial is run")

    @model_validator(mode="after")
    def _whole_batches_exist(self) -> TrialConfig:
        if self.trainer.steps_per_epoch is not None and (self.data.train or math.inf) < self.trainer.batch_size:
            raise ValueError(
                f"trainer.steps_per_epoch takes whole batches only, but data.train ({self.data.train}) is smaller than "
                f"trainer.batch_size ({self.trainer.batch_size}); raise the one or lower the other"
            )
        return self

    def document(self) -> dict[str, Any]:
        """The configuration as plain JSON-ready data, every default written out."""
        return self.model_dump(mode="json")
