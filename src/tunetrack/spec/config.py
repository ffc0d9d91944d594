"""The concrete configuration of one trial: exactly what the trainer consumes, with every limit stated once.

A study file is the same tree with ranges in some places (`tunetrack.spec.space`); whatever a range can produce is
validated against these models, so a hyperparameter that nothing reads cannot be declared.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tunetrack.spec.base import Config, NonNegative, Positive, PositiveInt, Rate
from tunetrack.spec.models import NEEDS_NO_NAME, ModelConfig
from tunetrack.spec.models_cnn import CnnConfig
from tunetrack.spec.weights import WeightsConfig

__all__ = [
    "DATA_PLACES",
    "OFFICIAL_TEST",
    "AdamConfig",
    "AdamWConfig",
    "AugmentConfig",
    "CnnConfig",
    "Config",
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
    "WeightsConfig",
]


Seed = Annotated[int, Field(ge=0, lt=2**32)]


class AugmentConfig(Config):
    """Random changes to training images, drawn anew for every image and epoch, applied on the device."""

    horizontal_flip: bool = Field(False, description="mirror left-right with probability 1/2")
    rotation: float = Field(0.0, ge=0.0, le=180.0, description="largest rotation, degrees, either way")
    translation: float = Field(0.0, ge=0.0, le=0.5, description="largest shift per axis, as a fraction of the side")
    brightness: float = Field(0.0, ge=0.0, le=1.0, description="largest change of all values, as a fraction of them")
    contrast: float = Field(
        0.0, ge=0.0, le=1.0, description="largest change of the distance to the image's mean, as a fraction of it"
    )
    erase: float = Field(0.0, ge=0.0, le=0.9, description="side of a square made black, as a fraction of the side")
    validation: bool = Field(
        False,
        description="also change the validation images, the same way in every epoch and trial; a mistake of published "
        "experiments, here to reproduce them",
    )

    @property
    def moves(self) -> bool:
        """Whether pixels change their places."""
        return self.horizontal_flip or self.rotation > 0.0 or self.translation > 0.0


#: Data sets that come with a test set of their own.
OFFICIAL_TEST = ("mnist", "fashion_mnist", "cifar10", "cifar100", "voxel_mnist")
#: Keys that say where files lie; two studies that differ in nothing else are the same.
DATA_PLACES = ("dir", "cache_dir")
#: Models made of residual blocks, whose distances `weights.block_steps` can follow.
WITH_BLOCKS = ("even_resnet", "resnet")
#: Changes that know two axes only.
_FLAT_CHANGES = ("horizontal_flip", "rotation", "translation", "erase")


class DataConfig(Config):
    """Which images, and how they are split. The test images are never used for selection."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "voxel_mnist", "image_folder"] = Field(
        description="digits needs no download; voxel_mnist is made from MNIST; image_folder reads one folder per class"
    )
    dir: str | None = Field(None, description="where the files are, or where torchvision shall put them")
    image_size: int | None = Field(None, ge=4, le=1024, description="resize to this many pixels a side")
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 colour; default: as the data set is")
    train: PositiveInt | None = Field(None, description="training images; default: all that are left")
    validation: PositiveInt | None = Field(None, description="validation images; default: one in six")
    test: PositiveInt | None = Field(None, description="test images; default: the official test set, or one in six")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of the split")
    faithful: bool = Field(
        False,
        description="split as published experiments did: first images of the official training set; first images of "
        "the official test set for validation, the rest of it for testing",
    )
    normalization: Literal["standard", "half", "none"] = Field(
        "standard",
        description="standard: mean 0 and deviation 1 on the training images; half: (x - 0.5) / 0.5; none: 0 to 1",
    )
    voxel_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(
        None, description="voxel_mnist: seed of the rotations and the noise; default: 42"
    )
    cache_dir: str | None = Field(
        None, description="voxel_mnist: where the voxels are kept once they are made; default: beside MNIST's files"
    )
    augment: AugmentConfig | None = Field(None, description="random changes to training images; default: none")

    @model_validator(mode="after")
    def _image_folder_needs_size(self) -> DataConfig:
        if self.name == "image_folder" and self.image_size is None:
            raise ValueError("image_folder needs image_size (pixels a side), since its images may have any size")
        return self

    @model_validator(mode="after")
    def _faithful_needs_an_official_test_set(self) -> DataConfig:
        if self.faithful and self.name not in OFFICIAL_TEST:
            raise ValueError(
                f"faithful needs a data set with an official test set ({', '.join(OFFICIAL_TEST)}), and {self.name} "
                "has none; delete faithful, or use another data set"
            )
        return self

    @model_validator(mode="after")
    def _volumes_have_their_rules(self) -> DataConfig:
        if self.name != "voxel_mnist":
            unread = [key for key in ("voxel_seed", "cache_dir") if getattr(self, key) is not None]
            if unread:
                raise ValueError(f"{' and '.join(unread)} belong to voxel_mnist; delete them for {self.name}")
            return self
        if self.image_size is not None:
            raise ValueError("image_size cannot be set for voxel_mnist, whose volumes have 16 voxels a side; delete it")
        odd = [key for key in ("train", "validation", "test") if (getattr(self, key) or 0) % 2]
        if odd:
            given = " and ".join(f"{key} is {getattr(self, key)}" for key in odd)
            raise ValueError(
                f"sizes of voxel_mnist must be even, since every digit gives two samples, upright and rotated, that "
                f"stay in one split; {given}"
            )
        flat = [key for key in _FLAT_CHANGES if self.augment is not None and getattr(self.augment, key)]
        if flat:
            raise ValueError(
                f"voxel_mnist has volumes, half of which are rotated already; augment can change their brightness and "
                f"contrast only. Delete augment.{' and augment.'.join(flat)}"
            )
        return self


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


OptimizerConfig = Annotated[AdamConfig | AdamWConfig | SgdConfig, Field(discriminator="name")]
ScheduleConfig = Annotated[
    NoSchedule | StepSchedule | CosineSchedule | OneCycleSchedule | PlateauSchedule, Field(discriminator="name")
]


class TrialConfig(Config):
    """One point of the search space: everything that decides the outcome of a trial."""

    data: DataConfig = Field(description="which images, and how they are split")
    model: ModelConfig = Field(
        CnnConfig(), description="the network", json_schema_extra={"unnamed": list(NEEDS_NO_NAME)}
    )
    optimizer: OptimizerConfig = Field(AdamConfig(), description="the rule that moves the weights")
    schedule: ScheduleConfig = Field(NoSchedule(), description="how the learning rate changes over a trial")
    trainer: TrainerConfig = Field(TrainerConfig(), description="how a trial is run")
    weights: WeightsConfig = Field(WeightsConfig(), description="what is measured inside the network")

    @model_validator(mode="after")
    def _whole_batches_exist(self) -> TrialConfig:
        if self.trainer.steps_per_epoch is not None and (self.data.train or math.inf) < self.trainer.batch_size:
            raise ValueError(
                f"trainer.steps_per_epoch takes whole batches only, but data.train ({self.data.train}) is smaller than "
                f"trainer.batch_size ({self.trainer.batch_size}); raise the one or lower the other"
            )
        return self

    @model_validator(mode="after")
    def _blocks_exist(self) -> TrialConfig:
        if self.weights.block_steps and self.model.name not in WITH_BLOCKS:
            raise ValueError(
                f"weights.block_steps needs a model made of residual blocks ({' or '.join(WITH_BLOCKS)}), and "
                f"model.name is {self.model.name}; delete it, or use another model"
            )
        return self

    def document(self) -> dict[str, Any]:
        """The configuration as plain JSON-ready data, every default written out."""
        return self.model_dump(mode="json", by_alias=True)
