"""Small convolutional networks of fixed plan: compact ones with a squeeze, blocks of two, and a funnel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tunetrack.spec.base import Rate
from tunetrack.spec.models_base import Activation, ModelBase, Padding, Units, Width, Widths

__all__ = [
    "BlockCnnConfig",
    "CompactCnn8kConfig",
    "CompactCnn11kConfig",
    "CompactCnn11kRegularizedConfig",
    "CompactCnn195kConfig",
    "CompactCnnBase",
    "CompactCnnConfig",
    "FunnelCnnConfig",
]

Early = Annotated[Widths, Field(min_length=1, description="channels of the unpadded 3x3 convolutions before pooling")]
Squeeze = Annotated[Width, Field(description="channels of the 1x1 convolution after pooling")]
PlainSqueeze = Annotated[bool, Field(description="the 1x1 convolution has neither activation nor batch norm")]
Late = Annotated[Widths, Field(description="channels of the unpadded 3x3 convolutions after the squeeze")]
CompactHead = Annotated[
    Literal["wide_kernel", "average"],
    Field(
        description="wide_kernel: 1x1 to classes, activation, then one kernel over the whole map; "
        "average: mean of each map, then 1x1 to classes"
    ),
]
CompactNorm = Annotated[
    Literal["none", "before_activation", "after_activation"],
    Field(description="where batch normalisation stands; never after the last convolution"),
]
Dropout = Annotated[Rate, Field(description="probability that a value of a map is dropped, 0 <= p < 1")]
DropoutAt = Annotated[
    Literal["early", "late", "both"], Field(description="dropout after the early convolutions, after the late ones")
]


class CompactCnnBase(ModelBase):
    """The keys of the compact family: unpadded convolutions without biases.

    `early` 3x3 convolutions, max pooling by 2, the `squeeze`, `late` 3x3 convolutions, the head.
    """

    early: Early = (10, 10, 20)
    squeeze: Squeeze = 10
    plain_squeeze: PlainSqueeze = False
    late: Late = (10, 20)
    head: CompactHead = "wide_kernel"
    activation: Activation = "relu"
    batch_norm: CompactNorm = "none"
    dropout: Dropout = 0.0
    dropout_at: DropoutAt = "both"


class CompactCnnConfig(CompactCnnBase):
    """Unpadded 3x3 convolutions without biases, pooling, a 1x1 squeeze, more 3x3 convolutions, a convolutional head."""

    name: Literal["compact_cnn"] = Field("compact_cnn", description="kind of network")
    batch_norm: CompactNorm = "before_activation"


class CompactCnn195kConfig(CompactCnnBase):
    """`compact_cnn` with 32 to 128 channels; 194,884 parameters for 28x28 grey images and 10 classes."""

    name: Literal["compact_cnn_195k"] = Field("compact_cnn_195k", description="kind of network")
    early: Early = (32, 64, 128)
    squeeze: Squeeze = 32
    late: Late = (64, 128)


class CompactCnn11kConfig(CompactCnnBase):
    """`compact_cnn` with 10 to 20 channels; 10,790 parameters for 28x28 grey images and 10 classes."""

    name: Literal["compact_cnn_11k"] = Field("compact_cnn_11k", description="kind of network")


class CompactCnn11kRegularizedConfig(CompactCnnBase):
    """`compact_cnn_11k` with batch normalisation and dropout, 10,970 parameters; the published rate is not known."""

    name: Literal["compact_cnn_11k_regularized"] = Field("compact_cnn_11k_regularized", description="kind of network")
    batch_norm: CompactNorm = "before_activation"
    dropout: Dropout = 0.1


class CompactCnn8kConfig(CompactCnnBase):
    """`compact_cnn` with mean pooling at the end; a plan inferred from the published 7,904 parameters and 0.50 MB."""

    name: Literal["compact_cnn_8k"] = Field("compact_cnn_8k", description="kind of network")
    early: Early = (8, 18)
    plain_squeeze: PlainSqueeze = True
    late: Late = (16, 16, 16)
    head: CompactHead = "average"
    batch_norm: CompactNorm = "after_activation"


class _MapsAndUnits(ModelBase):
    batch_norm: bool = Field(False, description="batch normalisation between convolution and activation")
    conv_dropout: Dropout = 0.0
    head_dropout: Rate = Field(0.0, description="probability that a hidden unit is dropped, 0 <= p < 1")


class BlockCnnConfig(_MapsAndUnits):
    """Blocks of two convolutions of one width, pooling after every other block, one hidden layer of that width.

    The plan of `CNNblocks` in the package mltrainer. A flattening head is sized for convolutions that keep the map, as
    it is there: other kernels than 3x3 need `padding: same` or `head: average`.
    """

    name: Literal["block_cnn"] = Field("block_cnn", description="kind of network")
    filters: Width = Field(64, description="channels of every convolution, and units of the hidden layer")
    kernel_size: int = Field(3, ge=1, le=31, description="pixels a side")
    padding: Padding = Field(1, description="pixels added on each side; same: the map keeps its size")
    num_layers: int = Field(4, ge=1, le=64, description="blocks after the first one; the 1st, 3rd, 5th ... is pooled")
    pool_size: int = Field(3, ge=2, le=8, description="window and stride of the pooling, pixels")
    head: Literal["flatten", "average"] = Field("flatten", description="average: the mean of each map")
    units: Units | None = Field(None, description="widths of the hidden layers; default: one of `filters` units")


class FunnelCnnConfig(_MapsAndUnits):
    """Stages of one convolution and pooling until little is left of the map, then two hidden layers.

    The plan of the course notebook that comes with mltrainer: only the first convolution is padded.
    """

    name: Literal["funnel_cnn"] = Field("funnel_cnn", description="kind of network")
    filters: Width = Field(64, description="channels of every convolution")
    kernel_size: int = Field(3, ge=1, le=31, description="pixels a side")
    padding: Padding = Field(
        1, description="pixels added to the first stage only; same: all stages keep the map's size"
    )
    stages: int = Field(3, ge=1, le=16, description="convolutions, each with activation and pooling")
    pool_size: int = Field(2, ge=2, le=8, description="window and stride of the pooling, pixels")
    head: Literal["flatten", "average"] = Field("average", description="average: the mean of each map")
    units: Units = Field((128, 64), description="widths of the hidden layers")
