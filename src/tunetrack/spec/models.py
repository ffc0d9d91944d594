"""Every network that a study file can name, and the one that it can import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field

from tunetrack.spec.models_base import ModelBase
from tunetrack.spec.models_cnn import (
    BaselineCnnConfig,
    CnnConfig,
    HighVisionCnnConfig,
    ModernistCnnConfig,
    SimpleCnnConfig,
    StabilizedCnnConfig,
)
from tunetrack.spec.models_compact import (
    BlockCnnConfig,
    CompactCnn8kConfig,
    CompactCnn11kConfig,
    CompactCnn11kRegularizedConfig,
    CompactCnn195kConfig,
    CompactCnnConfig,
    FunnelCnnConfig,
)
from tunetrack.spec.models_deep import (
    EvenResnetConfig,
    ResnetConfig,
    SeparableCnnConfig,
    VoxelCnnConfig,
    VoxelResnetConfig,
)

__all__ = ["MODEL_CONFIGS", "NEEDS_NO_NAME", "ImportedConfig", "ModelConfig"]


class ImportedConfig(ModelBase):
    """A network of your own: MODULE:CALLABLE, which gets input_shape, num_classes and every further key by name.

    Further keys may be searched like any other; a range is one of ints where all its numbers are ints.
    """

    model_config = ConfigDict(extra="allow")

    name: Literal["import"] = Field("import", description="may be left out")
    target: str = Field(
        alias="import",
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
        description="MODULE:CALLABLE, such as my_pkg.nets:build",
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """What the callable gets beside input_shape and num_classes."""
        return dict(self.model_extra or {})


_Model = (
    CnnConfig
    | SimpleCnnConfig
    | BaselineCnnConfig
    | StabilizedCnnConfig
    | HighVisionCnnConfig
    | ModernistCnnConfig
    | CompactCnnConfig
    | CompactCnn195kConfig
    | CompactCnn11kConfig
    | CompactCnn11kRegularizedConfig
    | CompactCnn8kConfig
    | BlockCnnConfig
    | FunnelCnnConfig
    | EvenResnetConfig
    | ResnetConfig
    | SeparableCnnConfig
    | VoxelCnnConfig
    | VoxelResnetConfig
    | ImportedConfig
)


def _named(given: Any) -> Any:
    """Pydantic tells the members apart by a name that is there; users may leave it out for two of them."""
    if isinstance(given, Mapping) and "name" not in given:
        return {"name": ModelBase.implied_name(given), **given}
    return given


ModelConfig = Annotated[_Model, Field(discriminator="name"), BeforeValidator(_named)]

#: Name -> configuration, of all networks that come with tunetrack.
MODEL_CONFIGS: dict[str, type[ModelBase]] = {
    model.model_fields["name"].default: model for model in get_args(_Model) if model is not ImportedConfig
}
#: The members of the union that a mapping without `name` may mean; the JSON Schema has to know.
NEEDS_NO_NAME = (CnnConfig.__name__, ImportedConfig.__name__)
