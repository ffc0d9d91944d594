"""Confusion matrix of a net known by hand; stored weights; the module that goes out of the house."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from tunetrack import training
from tunetrack.spec.config import DataConfig, TrainerConfig, TrialConfig
from tunetrack.training import ResidentData, Split
from tunetrack.training.batches import Normaliser
from tunetrack.training.evaluation import evaluate_model

ConfigMaker = Callable[..., TrialConfig]
FP32 = TrialConfig(data=DataConfig(name="digits"), trainer=TrainerConfig(precision="fp32", device="cpu"))


class _Brightness(nn.Module):
    """Logits (0, 100, 200) for black, grey, white: looks at the one pixel, a byte from 0 to 255."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        brightness = images.flatten(1) * 255.0
        return -(brightness - torch.tensor([[0.0, 100.0, 200.0]])).abs()


def _one_pixel(values: list[int], labels: list[int]) -> ResidentData:
    split = Split(torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1), torch.tensor(labels))
    return ResidentData("pixels", split, split, split, ("black", "grey", "white"), (0.0,), (1.0,), "0" * 16)


def test_confusion_matrix_by_hand() -> None:
    data = _one_pixel([0, 0, 100, 200, 200, 0], [0, 0, 1, 1, 2, 2])
    result = evaluate_model(_Brightness(), data, "validation", FP32)
    assert result.confusion == ((2, 0, 0), (0, 1, 1), (1, 0, 1))  # rows the truth, columns the answer
    assert result.accuracy == pytest.approx(4 / 6)
    # two wrong ones, 100 and 200 behind; the right ones cost nothing
    assert result.loss == pytest.approx((100.0 + 200.0) / 6, rel=1e-5)
    assert result.classes == ("black", "grey", "white")


def test_the_answer_to_each_image_by_hand() -> None:
    data = _one_pixel([0, 0, 100, 200, 150, 0], [0, 0, 1, 1, 2, 2])
    found = evaluate_model(_Brightness(), data, "validation", FP32).predictions
    assert found is not None
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.predicted.tolist() == [0, 0, 1, 2, 1, 0]
    # 150 lies in the middle of two classes, which share its softmax; black has e^-100 of it
    assert found.confidence.tolist() == [1.0, 1.0, 1.0, 1.0, 0.5, 1.0]
    assert (found.labels.dtype, found.predicted.dtype, found.confidence.dtype) == ("uint8", "uint8", "float16")


def test_many_classes_need_two_bytes() -> None:
    class Last(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.full((len(images),), 299), 300).float()

    data = replace(_one_pixel([0, 0], [0, 299]), classes=tuple(str(index) for index in range(300)))
    found = evaluate_model(Last(), data, "validation", FP32).predictions
    assert found is not None
    assert (found.labels.tolist(), found.predicted.tolist()) == ([0, 299], [299, 299])


def test_loss_of_a_net_that_knows_nothing(digits: ResidentData) -> None:
    class Nothing(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 10)

    result = evaluate_model(Nothing(), digits, "test", FP32)
    assert result.loss == pytest.approx(math.log(10.0), rel=1e-6)
    assert sum(map(sum, result.confusion)) == len(digits.test)


def test_large_splits_are_summed_over_batches() -> None:
    count = 1500
    data = _one_pixel([0, 100, 200] * (count // 3), [0, 1, 1] * (count // 3))
    assert evaluate_model(_Brightness(), data, "train", FP32).confusion == ((500, 0, 0), (0, 500, 500), (0, 0, 0))


def test_the_models_mode_is_put_back(digits: ResidentData, make_config: ConfigMaker) -> None:
    model = training.build_model(make_config().model, digits.input_shape, 10)
    for mode in (True, False):
        model.train(mode)
        evaluate_model(model, digits, "validation", FP32)
        assert model.training is mode


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stored_weights_give_the_same_evaluation(
    make_config: ConfigMaker, digits: ResidentData, precision: str
) -> None:
    config = make_config(model={"batch_norm": True, "conv_dropout": 0.2}, trainer={"epochs": 1, "precision": precision})
    run = training.fit(config, digits)
    list(run)
    before = torch.get_rng_state()
    assert training.evaluate(config, digits, run.state_dict(), "test") == run.evaluate("test")
    assert torch.equal(before, torch.get_rng_state())


def test_foreign_weights_are_refused(make_config: ConfigMaker, digits: ResidentData) -> None:
    weights = training.fit(make_config(), digits).state_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        training.evaluate(make_config(model={"filters": 9}), digits, weights, "test")


def test_deployable_takes_images_from_0_to_1(make_config: ConfigMaker, digits: ResidentData) -> None:
    config = make_config(model={"batch_norm": True, "kernel_size": 2})
    run = training.fit(config, digits)
    list(run)
    module = training.deployable(config, digits, run.state_dict())
    assert not module.training
    images = digits.test.images[:16]
    with torch.no_grad():
        expected = run.model.eval()(Normaliser(digits)(images))
        assert torch.allclose(module(images.float() / 255.0), expected, atol=1e-4)


@pytest.mark.filterwarnings("default")  # torch.export warns about its own insides
def test_deployable_can_be_exported_with_any_batch_size(make_config: ConfigMaker, digits: ResidentData) -> None:
    config = make_config(model={"batch_norm": True, "kernel_size": 2, "head": [8], "head_dropout": 0.5})
    module = training.deployable(config, digits, training.fit(config, digits).state_dict())
    example = torch.rand(4, *digits.input_shape)
    exported = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for count in (1, 4, 7):
        images = torch.rand(count, *digits.input_shape)
        assert torch.allclose(exported.module()(images), module(images), atol=1e-5)


def test_accuracy_by_group() -> None:
    split = Split(
        torch.tensor([0, 100, 200, 0], dtype=torch.uint8).view(-1, 1, 1, 1),
        torch.tensor([0, 0, 2, 0]),
        torch.tensor([0, 1, 0, 1], dtype=torch.int8),
    )
    groups = ("upright", "rotated", "absent")
    data = ResidentData("p", split, split, split, ("black", "grey", "white"), (0.0,), (1.0,), "0" * 16, groups)
    result = evaluate_model(_Brightness(), data.to("cpu"), "test", FP32)
    assert result.group_accuracy == {"upright": 1.0, "rotated": 0.5}
    assert result.accuracy == 0.75
    assert result.group_metrics("final/validation") == {
        "final/validation/accuracy/upright": 1.0,
        "final/validation/accuracy/rotated": 0.5,
    }


def test_only_validation_images_are_changed_where_the_study_says_so() -> None:
    data = _one_pixel([100] * 40, [1] * 40)
    wild = DataConfig.model_validate({"name": "digits", "augment": {"brightness": 1.0, "validation": True}})
    config = FP32.model_copy(update={"data": wild})
    assert evaluate_model(_Brightness(), data, "test", config).accuracy == 1.0
    changed = evaluate_model(_Brightness(), data, "validation", config)
    assert changed.accuracy < 1.0
    assert evaluate_model(_Brightness(), data, "validation", config) == changed
