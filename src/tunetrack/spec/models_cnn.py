"""The convolutional family and its presets: layers of convolutions and pooling, then a fully connected head."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tunetrack.spec.base import Rate
from tunetrack.spec.models_base import Activation, ModelBase, Padding, Units, Width

__all__ = [
    "BaselineCnnConfig",
    "CnnBase",
    "CnnConfig",
    "HighVisionCnnConfig",
    "ModernistCnnConfig",
    "SimpleCnnConfig",
    "StabilizedCnnConfig",
]

Filters = Annotated[Width, Field(description="channels of the first layer's convolutions")]
Growth = Annotated[
    float, Field(gt=0.0, le=8.0, description="layer i has round(filters * filter_growth^(i-1)) channels")
]
KernelSize = Annotated[int, Field(ge=1, le=31, description="pixels a side; even sizes are padded right and below")]
ConvPadding = Annotated[Padding, Field(description="same: the map keeps its size; else pixels added on each side")]
Layers = Annotated[int, Field(ge=1, le=64, description="layers of convolutions before the head")]
PoolEvery = Annotated[int, Field(ge=1, le=64, description="pool after every n-th layer")]
BatchNorm = Annotated[bool, Field(description="batch normalisation between convolution and activation")]
Head = Annotated[Units, Field(description="widths of the hidden fully connected layers; [] for one linear layer")]
HeadDropout = Annotated[Rate, Field(description="probability that a unit of the head is dropped, 0 <= p < 1")]


class CnnBase(ModelBase):
    """The keys of the convolutional family.

    Each of the `num_layers` layers is `convs_per_layer` times (convolution, [batch norm,] activation, [dropout]),
    and every `pool_every`-th layer ends with pooling.
    """

    filters: Filters = 32
    filter_growth: Growth = 1.0
    kernel_size: KernelSize = 3
    padding: ConvPadding = "same"
    num_layers: Layers = 3
    convs_per_layer: int = Field(1, ge=1, le=8, description="convolutions in each layer")
    pooling: Literal["max", "average", "none"] = Field("max", description="how a layer's output is made smaller")
    pool_size: int = Field(2, ge=2, le=8, description="window and stride of the pooling, pixels")
    pool_every: PoolEvery = 1
    activation: Activation = "relu"
    batch_norm: BatchNorm = False
    conv_dropout: Rate = Field(0.0, description="probability that a value of a map is dropped, 0 <= p < 1")
    head: Head = ()
    head_dropout: HeadDropout = 0.0


class CnnConfig(CnnBase):
    """A stack of convolution layers with pooling, then a fully connected head; what a model without a name is."""

    name: Literal["cnn"] = Field("cnn", description="kind of network")


class SimpleCnnConfig(CnnBase):
    """Two unpadded 3x3 convolutions (32, 64 filters), one pooling, 128 hidden units."""

    name: Literal["simple_cnn"] = Field("simple_cnn", description="kind of network")
    filter_growth: Growth = 2.0
    padding: ConvPadding = 0
    num_layers: Layers = 2
    pool_every: PoolEvery = 2
    head: Head = (128,)


class _TwoLayers(CnnBase):
    filters: Filters = 16
    filter_growth: Growth = 2.0
    num_layers: Layers = 2
    head: Head = (128,)


class BaselineCnnConfig(_TwoLayers):
    """Two pooled layers of 3x3 convolutions (16, 32 filters), 128 hidden units."""

    name: Literal["baseline_cnn"] = Field("baseline_cnn", description="kind of network")


class StabilizedCnnConfig(_TwoLayers):
    """`baseline_cnn` with batch normalisation before each activation and dropout in the head."""

    name: Literal["stabilized_cnn"] = Field("stabilized_cnn", description="kind of network")
    batch_norm: BatchNorm = True
    head_dropout: HeadDropout = 0.3


class HighVisionCnnConfig(_TwoLayers):
    """`baseline_cnn` with 5x5 kernels."""

    name: Literal["high_vision_cnn"] = Field("high_vision_cnn", description="kind of network")
    kernel_size: KernelSize = 5


class ModernistCnnConfig(_TwoLayers):
    """`baseline_cnn` with GELU in place of ReLU."""

    name: Literal["modernist_cnn"] = Field("modernist_cnn", description="kind of network")
    activation: Activation = "gelu"
