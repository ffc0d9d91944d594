"""The concrete configuration of one trial: exactly what the trainer consumes, with every limit stated once.

A study file is the same tree with ranges in some places (`tunetrack.spec.space`); whatever a range can produce is
validated against these models, so a hyperparameter that nothing reads cannot be declared.
"""

from __future__ import annotations

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
Rate = Annotated[float, Field(ge=0.0, lt=1.0, description="probability, 0 <= p < 1")]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class Config(BaseModel):
    """Base of all configuration models: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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
    augment: AugmentConfig | None = None

    @model_validator(mode="after")
    def _image_folder_needs_dir_and_size(self) -> DataConfig:
        if self.name == "image_folder" and self.image_size is None:
            raise ValueError("image_folder needs image_size (pixels a side), since its images may have any size")
        return self


class CnnConfig(Config):
    """A stack of convolution layers with 'same' padding, then a fully connected head.

    Each of the `num_layers` layers is `convs_per_layer` times (convolution, [batch norm,] activation, [dropout]),
    and every `pool_every`-th layer ends with pooling.
    """

    name: Literal["cnn"] = "cnn"
    filters: int = Field(32, ge=1, le=4096, description="channels of every convolution")
    kernel_size: int = Field(3, ge=1, le=31, description="pixels a side; even sizes are padded on the right and below")
    num_layers: int = Field(3, ge=1, le=64)
    convs_per_layer: int = Field(1, ge=1, le=8)
    pooling: Literal["max", "average", "none"] = "max"
    pool_size: int = Field(2, ge=2, le=8, description="window and stride of the pooling, pixels")
    pool_every: int = Field(1, ge=1, le=64, description="pool after every n-th layer")
    activation: Literal["relu", "gelu", "leaky_relu", "elu"] = "relu"
    batch_norm: bool = Field(False, description="batch normalisation between convolution and activation")
    conv_dropout: Rate = 0.0
    head: Annotated[tuple[PositiveInt, ...], Field(strict=False)] = Field(
        (), description="widths of the hidden fully connected layers; [] for one linear layer"
    )
    head_dropout: Rate = 0.0


class AdamConfig(Config):
    """Adam with coupled (L2) weight decay. Kingma & Ba 2015, https://arxiv.org/abs/1412.6980."""

    name: Literal["adam"] = "adam"
    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    eps: Positive = 1e-8


class AdamWConfig(Config):
    """Adam with decoupled weight decay. Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101."""

    name: Literal["adamw"] = "adamw"
    lr: Positive = 1e-3
    weight_decay: NonNegative = 1e-2
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    eps: Positive = 1e-8


class SgdConfig(Config):
    """Stochastic gradient descent with momentum and coupled (L2) weight decay."""

    name: Literal["sgd"] = "sgd"
    lr: Positive = 1e-2
    weight_decay: NonNegative = 0.0
    momentum: Rate = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SgdConfig:
        if self.nesterov and self.momentum <= 0.0:
            raise ValueError("nesterov needs a momentum greater than 0")
        return self


class NoSchedule(Config):
    """The learning rate stays what the optimiser says."""

    name: Literal["none"] = "none"


class StepSchedule(Config):
    """Multiply the learning rate by `gamma` after every `step_size` epochs."""

    name: Literal["step"] = "step"
    step_size: PositiveInt = Field(5, description="epochs")
    gamma: float = Field(0.1, gt=0.0, le=1.0)


class CosineSchedule(Config):
    """Half a cosine from lr down to lr x `final_fraction`, stepped every batch, after a linear warm-up.

    Loshchilov & Hutter 2017 (one period, no restart), https://arxiv.org/abs/1608.03983.
    """

    name: Literal["cosine"] = "cosine"
    warmup_epochs: NonNegative = Field(0.0, description="epochs, may be a fraction")
    final_fraction: float = Field(0.0, ge=0.0, le=1.0)


class OneCycleSchedule(Config):
    """Up to lr and down again within one run, stepped every batch. Smith & Topin 2018, arXiv 1708.07120."""

    name: Literal["one_cycle"] = "one_cycle"
    warmup_fraction: float = Field(0.3, gt=0.0, lt=1.0, description="share of all steps spent rising")
    start_divisor: float = Field(25.0, ge=1.0, description="the first learning rate is lr / start_divisor")
    final_divisor: float = Field(1e4, ge=1.0, description="the last one is the first one / final_divisor")


class PlateauSchedule(Config):
    """Multiply the learning rate by `factor` when the validation loss has not improved for `patience` epochs."""

    name: Literal["reduce_on_plateau"] = "reduce_on_plateau"
    factor: float = Field(0.1, gt=0.0, lt=1.0)
    patience: Annotated[int, Field(ge=0)] = Field(10, description="epochs")
    min_lr: NonNegative = 0.0


class EarlyStoppingConfig(Config):
    """Stop when the validation metric has not improved by more than `min_delta` for `patience` epochs."""

    metric: Literal["validation/loss", "validation/accuracy"] = "validation/loss"
    patience: PositiveInt = Field(5, description="epochs")
    min_delta: NonNegative = 0.0
    restore_best: bool = Field(False, description="end with the weights of the best epoch instead of the last")


class TrainerConfig(Config):
    """How the one shared trainer runs a trial."""

    epochs: PositiveInt = Field(10, description="passes over the training images")
    batch_size: PositiveInt = 64
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where it is measured to pay")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt | None = Field(None, description="CPU threads; default: what torch takes")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="initial weights, data order, augmentation")
    deterministic: bool = Field(False, description="bit-exact on one machine, slower on some")
    compile: bool = Field(False, description="torch.compile the model; pays on long runs only")
    loss: Literal["cross_entropy", "manual"] = Field(
        "cross_entropy", description="manual: softmax, log, mean negative log-likelihood, written out and stabilised"
    )
    label_smoothing: Rate = 0.0
    clip_grad_norm: Positive | None = Field(None, description="largest L2 norm of the gradient")
    early_stopping: EarlyStoppingConfig | None = None


ModelConfig = CnnConfig
OptimizerConfig = Annotated[AdamConfig | AdamWConfig | SgdConfig, Field(discriminator="name")]
ScheduleConfig = Annotated[
    NoSchedule | StepSchedule | CosineSchedule | OneCycleSchedule | PlateauSchedule, Field(discriminator="name")
]


class TrialConfig(Config):
    """One point of the search space: everything that decides the outcome of a trial."""

    data: DataConfig
    model: ModelConfig = CnnConfig()
    optimizer: OptimizerConfig = AdamConfig()
    schedule: ScheduleConfig = NoSchedule()
    trainer: TrainerConfig = TrainerConfig()

    def document(self) -> dict[str, Any]:
        """The configuration as plain JSON-ready data, every default written out."""
        return self.model_dump(mode="json")
