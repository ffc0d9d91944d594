"""What the configurations of all networks have in common: how they are told apart, and keys that several share.

The keys are annotated types with limits and description, so that a preset can give another default and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from tunetrack.spec.base import Config, PositiveInt

__all__ = ["Activation", "ModelBase", "Padding", "Width", "Widths"]

#: What an unnamed model is. A study file that only sets `filters` is about the plain CNN.
UNNAMED = "cnn"
#: The name and the one key of a network that is not ours.
IMPORTED = "import"

Activation = Annotated[Literal["relu", "gelu", "leaky_relu", "elu"], Field(description="after each convolution")]
Width = Annotated[int, Field(ge=1, le=4096)]
Widths = Annotated[tuple[Width, ...], Field(strict=False)]
#: Hidden layers of a fully connected head.
Units = Annotated[tuple[PositiveInt, ...], Field(strict=False)]
#: Which of the two is meant is seen from the value, so that a mistake is reported once.
Padding = Annotated[
    Annotated[Literal["same"], Tag("word")] | Annotated[int, Field(ge=0, le=15), Tag("pixels")],
    Discriminator(lambda given: "word" if isinstance(given, str) else "pixels"),
]


class ModelBase(Config):
    """A network. `name` tells the members of the union apart.

    Attributes:
        usual_input: shape of one image, (channels, height, width) or (channels, depth, height, width), of the
            experiment that the network is from; its length is the number of axes that the network takes.
    """

    usual_input: ClassVar[tuple[int, ...]] = (1, 28, 28)

    name: str = Field("", description="kind of network")

    @staticmethod
    def implied_name(raw: Mapping[str, Any]) -> str:
        """What a mapping without `name` means."""
        return IMPORTED if IMPORTED in raw else UNNAMED
