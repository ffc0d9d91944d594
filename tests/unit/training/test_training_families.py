"""Every family: any settings build or are refused in words; odd inputs, training, weights and export work."""

from __future__ import annotations

import math
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo
from torch import nn

from tunetrack import training
from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec import TrialConfig
from tunetrack.spec.models import MODEL_CONFIGS, ImportedConfig
from tunetrack.spec.models_base import ModelBase
from tunetrack.training import MODELS, build_model, summarise

#: Small enough for a test; the limits of the keys themselves are wider.
LARGEST = 9
FLAT = [name for name, config in MODEL_CONFIGS.items() if len(config.usual_input) == 3]


def limits(metadata: list[Any]) -> dict[str, float]:
    """The bounds in a field's or an annotation's metadata."""
    inside = [entry for m in metadata for entry in (m.metadata if isinstance(m, FieldInfo) else [m])]
    names = ("ge", "gt", "le", "lt", "min_length")
    return {name: getattr(entry, name) for entry in inside for name in names if hasattr(entry, name)}


def values(annotation: Any, bounds: dict[str, float]) -> st.SearchStrategy[Any]:
    """What may stand at a field."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(inside[0], bounds | limits(list(inside[1:])))
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in (Union, types.UnionType):
        return st.one_of([values(part, bounds) for part in inside])
    if origin is tuple:
        least = int(bounds.get("min_length", 0))
        return st.lists(values(inside[0], {}), min_size=least, max_size=4).map(tuple)
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(int(bounds.get("ge", 0)), int(min(bounds.get("le", LARGEST), LARGEST)))
    assert annotation is float, annotation
    low, high = bounds.get("ge", bounds.get("gt", 0.0)), bounds.get("le", bounds.get("lt", 1.0))
    return st.floats(low, high, exclude_min="gt" in bounds, exclude_max="lt" in bounds)


def configs(kind: type[ModelBase]) -> st.SearchStrategy[ModelBase]:
    fields = {key: values(f.annotation, limits(f.metadata)) for key, f in kind.model_fields.items() if key != "name"}
    return st.fixed_dictionaries(fields).map(lambda keys: kind.model_validate(keys))


def trial(model: ModelBase) -> TrialConfig:
    return TrialConfig.model_validate({"data": {"name": "digits"}, "model": model})


def built_or_why_not(config: ModelBase, shape: tuple[int, ...], classes: int) -> nn.Module | str:
    with torch.device("meta"):
        try:
            return build_model(config, shape, classes)
        except InfeasibleConfigError as error:
            return str(error)


def test_every_model_has_a_builder_and_every_builder_a_model() -> None:
    assert set(MODELS) == {*MODEL_CONFIGS, "import"}


@pytest.mark.parametrize("name", MODEL_CONFIGS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_settings_build_or_are_infeasible(name: str, data: st.DataObject) -> None:
    kind = MODEL_CONFIGS[name]
    config = data.draw(configs(kind))
    sides = data.draw(st.tuples(*[st.integers(1, 40)] * (len(kind.usual_input) - 1)))
    shape, classes = (data.draw(st.integers(1, 4)), *sides), data.draw(st.integers(1, 12))
    model = built_or_why_not(config, shape, classes)
    if isinstance(model, str):
        assert "model." in model
        return
    assert model.eval()(torch.empty(2, *shape, device="meta")).shape == (2, classes)
    counted = summarise(trial(config), shape, classes)
    assert counted.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert counted.parameters == sum(count for *_, count in counted.layers)
    assert counted.flops > 0


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_a_step_of_training_reaches_every_weight(name: str) -> None:
    config = MODEL_CONFIGS[name]()
    odd = (3, 33, 29) if name in FLAT else (2, 17, 16, 18)
    torch.manual_seed(0)
    model = build_model(config, odd, 7)
    logits = model(torch.randn(3, *odd))
    assert logits.shape == (3, 7)
    nn.functional.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
    assert math.isfinite(float(logits.detach().abs().max()))


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_weights_go_out_and_come_back(name: str) -> None:
    config = MODEL_CONFIGS[name]()
    shape = (1, 28, 28) if name in FLAT else (1, 16, 16, 16)
    first, second = (build_model(config, shape, 4).eval() for _ in range(2))
    inputs = torch.randn(2, *shape)
    assert not torch.equal(first(inputs), second(inputs))
    second.load_state_dict(training.weights_from_bytes(training.weights_to_bytes(first.state_dict())))
    assert torch.equal(first(inputs), second(inputs))


@pytest.mark.parametrize("name", FLAT)
def test_the_deployable_can_be_exported_with_any_batch_size(name: str) -> None:
    generator = torch.Generator().manual_seed(0)

    def split() -> training.Split:
        images = torch.randint(0, 256, (4, 1, 28, 28), generator=generator).to(torch.uint8)
        return training.Split(images, torch.arange(4) % 2)

    data = training.ResidentData("tiny", split(), split(), split(), ("a", "b"), (0.4,), (0.4,), "0" * 16)
    config = trial(MODEL_CONFIGS[name]())
    weights = build_model(config.model, (1, 28, 28), 2).state_dict()
    module = training.deployable(config, data, weights)
    exported = torch.export.export(
        module, (torch.rand(4, 1, 28, 28),), dynamic_shapes=({0: torch.export.Dim("images")},)
    ).module()
    for count in (2, 5):
        images = torch.rand(count, 1, 28, 28)
        assert torch.allclose(exported(images), module(images), atol=1e-5)


@pytest.mark.parametrize("name", ["cnn", "resnet", "voxel_cnn"])
def test_images_with_another_number_of_axes_are_infeasible(name: str) -> None:
    shape = (1, 16, 16, 16) if name in FLAT else (1, 28, 28)
    with pytest.raises(InfeasibleConfigError, match=rf"model.name: {name} takes .* Choose another model"):
        summarise(trial(MODEL_CONFIGS[name]()), shape, 10)


def test_a_preset_differs_from_its_family_in_defaults_only() -> None:
    small = MODEL_CONFIGS["compact_cnn_8k"].model_validate({"squeeze": 12, "late": [5]})
    assert summarise(trial(small), (1, 28, 28), 10).layers[-3][2] == (5, 1, 1)


@pytest.mark.parametrize(
    ("keys", "widths"),
    [
        ({"filters": 4, "filter_growth": 2.0, "num_layers": 3}, [4, 8, 16]),
        ({"filters": 10, "filter_growth": 0.5, "num_layers": 3}, [10, 5, 2]),
        ({"filters": 8, "filter_growth": 1.5, "num_layers": 3, "convs_per_layer": 2}, [8, 8, 12, 12, 18, 18]),
    ],
)
def test_filters_grow_from_layer_to_layer(keys: dict[str, Any], widths: list[int]) -> None:
    config = MODEL_CONFIGS["cnn"].model_validate(keys)
    layers = summarise(trial(config), (1, 28, 28), 10).layers
    assert [shape[0] for _, kind, shape, _ in layers if kind == "Conv2d"] == widths


@pytest.mark.parametrize(("growth", "made"), [(8.0, "16,384"), (0.1, "0")])
def test_filters_cannot_grow_without_limit(growth: float, made: str) -> None:
    config = MODEL_CONFIGS["cnn"].model_validate(
        {"filters": 32 if growth > 1 else 4, "filter_growth": growth, "num_layers": 4, "pooling": "none"}
    )
    with pytest.raises(InfeasibleConfigError, match=rf"layer \d of 4: .* make {made} here.*model.filter_growth"):
        summarise(trial(config), (1, 28, 28), 10)


def test_unpadded_convolutions_may_leave_nothing() -> None:
    config = MODEL_CONFIGS["cnn"].model_validate({"padding": 0, "kernel_size": 5, "num_layers": 3})
    with pytest.raises(InfeasibleConfigError) as caught:
        summarise(trial(config), (1, 28, 28), 10)
    assert str(caught.value).startswith(
        "layer 3 of 3: a convolution with kernel_size 5 and padding 0 needs at least 5 pixels a side, the map is 4x4 "
        "(input 28x28, 2 poolings before)."
    )
    assert "set model.padding: same" in str(caught.value)


def test_imported_models_have_no_fixed_number_of_axes() -> None:
    assert ImportedConfig.model_validate({"import": "a:b", "copy": 1}).arguments == {"copy": 1}
