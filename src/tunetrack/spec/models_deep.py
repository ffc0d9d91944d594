"""Residual and depthwise-separable networks for images, and networks for voxels."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tunetrack.spec.base import Rate
from tunetrack.spec.models_base import Activation, ModelBase, Padding, Units, Widths

__all__ = ["EvenResnetConfig", "ResnetConfig", "SeparableCnnConfig", "VoxelCnnConfig", "VoxelResnetConfig"]

Stages = Annotated[int, Field(ge=1, le=6, description="groups of blocks; each after the first halves the map")]
Blocks = Annotated[int, Field(ge=1, le=32, description="blocks in each stage")]
StageWidth = Annotated[int, Field(ge=1, le=1024, description="channels of the first stage; doubled in each later one")]
HeadDropout = Annotated[Rate, Field(description="probability that a feature is dropped before the output, 0 <= p < 1")]
Side = Annotated[int, Field(ge=1, le=15, description="voxels a side")]
HIDDEN = "widths of the hidden fully connected layers"


class EvenResnetConfig(ModelBase):
    """A residual network whose blocks all have the same width and map, with or without the shortcuts.

    He et al. 2016, https://arxiv.org/abs/1512.03385, without the halving and doubling between stages, so that the
    blocks of all depths can be compared. The 7x7 stem halves the map twice. Without shortcuts, the first block still
    owns the projection that it never uses, so that both kinds have the same number of parameters.
    """

    name: Literal["even_resnet"] = Field("even_resnet", description="kind of network")
    size: Literal[18, 26, 34, 50, 68, 101] = Field(
        18, description="layers with weights; 18, 34, 68: blocks of two 3x3; 26, 50, 101: bottlenecks"
    )
    residual: bool = Field(True, description="add each block's input to its output")
    width: int = Field(128, ge=1, le=1024, description="channels of the blocks; a bottleneck's output has 4 times that")


class ResnetConfig(ModelBase):
    """A residual network for small images: 3x3 stem, stages of doubling width, mean of each map.

    He et al. 2016, https://arxiv.org/abs/1512.03385 (section 4.2); `pre_activation` as in He et al. 2016,
    https://arxiv.org/abs/1603.05027; `dropout` between a block's convolutions as in Zagoruyko & Komodakis 2016,
    https://arxiv.org/abs/1605.07146.
    """

    usual_input: ClassVar[tuple[int, ...]] = (3, 32, 32)

    name: Literal["resnet"] = Field("resnet", description="kind of network")
    width: StageWidth = 32
    stages: Stages = 3
    blocks: Blocks = 2
    pre_activation: bool = Field(False, description="batch norm and activation before each convolution, not after")
    activation: Activation = "relu"
    dropout: Rate = Field(0.0, description="probability that a value between a block's convolutions is dropped")
    head_dropout: HeadDropout = 0.0


class SeparableCnnConfig(ModelBase):
    """Inverted residual blocks with depthwise convolutions: few parameters and few operations.

    Sandler et al. 2018 (MobileNetV2), https://arxiv.org/abs/1801.04381, with a stem for small images; kernels of 7 as
    in Liu et al. 2022 (ConvNeXt), https://arxiv.org/abs/2201.03545, are possible.
    """

    usual_input: ClassVar[tuple[int, ...]] = (3, 32, 32)

    name: Literal["separable_cnn"] = Field("separable_cnn", description="kind of network")
    width: StageWidth = 32
    stages: Stages = 3
    blocks: Blocks = 2
    kernel_size: int = Field(3, ge=1, le=31, description="pixels a side of the depthwise convolutions")
    expansion: int = Field(4, ge=1, le=8, description="channels inside a block / channels outside")
    activation: Activation = "relu"
    head_dropout: HeadDropout = 0.0


class VoxelCnnConfig(ModelBase):
    """Convolutions over voxels, one batch normalisation at their end, two wide hidden layers."""

    usual_input: ClassVar[tuple[int, ...]] = (1, 16, 16, 16)

    name: Literal["voxel_cnn"] = Field("voxel_cnn", description="kind of network")
    widths: Widths = Field((8, 16, 32, 64), min_length=1, description="channels of each convolution")
    kernel_size: Side = 3
    padding: Padding = Field("same", description="same: the map keeps its size; else voxels added on each side")
    pool_every: int = Field(2, ge=1, le=64, description="max pooling by 2 after every n-th convolution")
    activation: Activation = "relu"
    batch_norm: bool = Field(True, description="batch normalisation after the last convolution's activation")
    conv_dropout: Rate = Field(0.25, description="probability that a value of the last map is dropped, 0 <= p < 1")
    head: Units = Field((2048, 512), description=HIDDEN)
    head_dropout: Rate = Field(0.5, description="probability that a hidden unit is dropped, 0 <= p < 1")


class VoxelResnetConfig(ModelBase):
    """A residual network over voxels: one stage per width, mean of each map, two hidden layers.

    The two-dimensional original: He et al. 2016, https://arxiv.org/abs/1512.03385.
    """

    usual_input: ClassVar[tuple[int, ...]] = (1, 16, 16, 16)

    name: Literal["voxel_resnet"] = Field("voxel_resnet", description="kind of network")
    widths: Widths = Field(
        (16, 32, 64), min_length=1, description="channels of each stage; the 2nd, 3rd ... halve the map"
    )
    blocks: Blocks = 1
    activation: Activation = "relu"
    conv_dropout: Rate = Field(0.0, description="probability that a value between a block's convolutions is dropped")
    head: Units = Field((512, 128), description=HIDDEN)
    head_dropout: Rate = Field(0.0, description="probability that a hidden unit is dropped, 0 <= p < 1")
