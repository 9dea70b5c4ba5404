"""The callback: it changes no training, keeps a history, logs, and its history can be drawn."""

from __future__ import annotations

import copy
import io
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from phasemap.theory.errors import InputError
from phasemap.train.compat.lightning import pl
from phasemap.train.monitors.by_name import aligned
from phasemap.train.monitors.signal_monitor import SignalPropagationMonitor
from phasemap.train.probe.measure import probe


class Net(pl.LightningModule):
    """A user's module with BN, dropout and an optimizer with momentum."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(3)
        layers: list[nn.Module] = []
        for layer in range(6):
            layers += [nn.Linear(12 if layer else 5, 12), nn.BatchNorm1d(12), nn.ReLU(inplace=True), nn.Dropout(0.1)]
        self.net = nn.Sequential(*layers, nn.Linear(12, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        return functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)


class Logger(pl.loggers.logger.DummyLogger):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[int, dict[str, float]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:  # type: ignore[override]
        self.given[step] = metrics


def fit(module: pl.LightningModule, *callbacks: pl.Callback, logger: Any = False, **options: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.utils.data.TensorDataset(
        torch.randn(96, 5, generator=generator), torch.randint(0, 3, (96,), generator=generator)
    )
    torch.manual_seed(11)  # dropout and the order of the data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pl.Trainer(
            max_epochs=2,
            callbacks=list(callbacks),
            logger=logger,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,
            **options,
        ).fit(module, torch.utils.data.DataLoader(data, 16, shuffle=True))


@pytest.mark.parametrize("options", [{}, {"accumulate_grad_batches": 2}, {"precision": "bf16-mixed"}])
def test_training_is_bitwise_the_same_with_the_monitor(options: dict[str, Any]) -> None:
    plain, watched = Net(), Net()
    monitor = SignalPropagationMonitor(every_n_steps=2)
    fit(plain, **options)
    fit(watched, monitor, **options)
    assert len(monitor.steps) >= 3
    before, after = plain.state_dict(), watched.state_dict()
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name], after[name]), name
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in watched.modules())


def test_it_measures_the_network_of_each_step_and_keeps_a_history() -> None:
    samples = torch.randn(16, 5, generator=torch.Generator().manual_seed(4))
    start = copy.deepcopy(Net().train())
    monitor, logger, module = SignalPropagationMonitor(5, samples=samples, seed=9), Logger(), Net()
    fit(module, monitor, logger=logger)
    assert monitor.steps == [0, 5, 10]  # 2 epochs of 6 batches
    steps, points, log_gradient = monitor.history()
    assert steps.tolist() == [0, 5, 10]
    assert points == [f"net.{4 * layer}" for layer in range(7)]
    assert log_gradient.shape == (3, 7)
    expected = probe(start, samples, seed=9, mode="as-is")
    np.testing.assert_array_equal(log_gradient[0], expected.log_gradient)
    assert not np.array_equal(log_gradient[0], log_gradient[1])
    series = monitor.series()
    assert expected.rate is not None
    assert series[0, 0] == pytest.approx(math.exp(expected.rate.log_rate))
    assert np.all((series[:, 1] < series[:, 0]) & (series[:, 0] < series[:, 2]))
    assert sorted(logger.given) == [0, 5, 10]
    logged = logger.given[5]
    assert logged["propagation/explosion_rate"] == series[1, 0]
    assert logged["propagation/log_gradient/net.0"] == log_gradient[1, 0]
    assert {"propagation/depth_scale", "propagation/mean_square/net.4", "propagation/cosine/net.24"} <= set(logged)


def test_a_checkpoint_holds_numbers_and_names_only() -> None:
    monitor = SignalPropagationMonitor(4)
    fit(Net(), monitor)
    stream = io.BytesIO()
    torch.save(monitor.state_dict(), stream)
    stream.seek(0)
    again = SignalPropagationMonitor(4)
    again.load_state_dict(torch.load(stream, weights_only=True))
    np.testing.assert_array_equal(again.history()[2], monitor.history()[2])


def test_bad_input() -> None:
    with pytest.raises(InputError) as raised:
        SignalPropagationMonitor(0, samples=torch.zeros(1, 5))
    assert len(raised.value.messages) == 2
    with pytest.raises(InputError, match=r"shape \(4, 7\).*'net.0'"):
        fit(Net(), SignalPropagationMonitor(samples=torch.zeros(4, 7), strict=True))


def test_an_empty_history() -> None:
    steps, points, log_gradient = SignalPropagationMonitor().history()
    assert (steps.shape, points, log_gradient.shape) == ((0,), [], (0, 0))
    assert SignalPropagationMonitor().series().shape == (0, 3)


class Odd(Net):
    """A user's module that may be odd in the ways of ``kind``, in the probe's forward pass or in every one."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.passes, self.scale = kind, 0, {"by": [1.0]}
        self.extra = nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        if self.kind == "writes":
            self.net[0].weight.data.mul_(0.99)  # type: ignore[operator,union-attr]
        elif self.kind == "counts":
            self.scale["by"][0] *= 0.9
        elif self.kind == "raises" and len(x) == 16 and self.passes % 3 == 0:
            raise RuntimeError("not again")
        elif self.kind == "quits" and not any(p.grad is not None for p in self.parameters()):
            return x.detach().sum(1, keepdim=True).expand(-1, 3)
        x = self.net[:4](x) * self.scale["by"][0]  # type: ignore[index]
        if self.kind == "grows" and self.global_step >= 4:
            x = self.extra(x)
        return self.net[4:](x)  # type: ignore[index]

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        logits = self(batch[0])
        return functional.cross_entropy(logits, batch[1]) + 0 * sum(p.sum() for p in self.parameters())


@pytest.mark.parametrize("kind", ["writes", "counts", "quits", "grows"])
def test_an_odd_model_trains_as_without_the_monitor(kind: str) -> None:
    plain, watched, monitor = Odd(kind), Odd(kind), SignalPropagationMonitor(2)
    fit(plain)
    fit(watched, monitor)
    before, after = plain.state_dict(), watched.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (plain.passes, plain.scale) == (watched.passes, watched.scale)
    assert len(monitor.steps) + len({step for step, _ in monitor.notes}) == 6
    assert ("writes into its parameter 'net.0.weight'" in str(monitor.notes)) == (kind == "writes")


class Broken(pl.loggers.logger.DummyLogger):
    def log_metrics(self, metrics: dict[str, float], step: int) -> None:  # type: ignore[override]
        raise SystemExit("the disk is full")


class Refusing(Net):
    """Refuses every pass but those of its training."""

    stepping = False

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        self.stepping = True
        loss = super().training_step(batch, index)
        self.stepping = False
        return loss

    def forward(self, x: Tensor) -> Tensor:
        if not self.stepping:
            raise SystemExit("only for training")
        return self.net(x)


@pytest.mark.parametrize(
    ("module", "options", "told"),
    [
        (Refusing, {}, "the forward pass fails: SystemExit: only for training"),
        (Net, {"samples": torch.zeros(4, 7)}, r"input of shape (4, 7): the forward pass fails in layer 'net.0'"),
        (Net, {"logger": Broken()}, "the monitor failed: SystemExit: the disk is full"),
    ],
)
def test_whatever_fails_is_a_note(
    module: type[Net], options: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    logger = options.pop("logger", False)
    monitor, watched, plain = SignalPropagationMonitor(3, **options), module(), module()
    fit(plain)
    with caplog.at_level("WARNING"):
        fit(watched, monitor, logger=logger)
    assert [step for step, _ in monitor.notes] == [0, 3, 6, 9]
    assert all(told in what for _, what in monitor.notes)
    assert len([entry for entry in caplog.messages if "was not probed" in entry]) == 1
    assert all(map(torch.equal, plain.state_dict().values(), watched.state_dict().values()))
    with pytest.raises(InputError):
        fit(module(), SignalPropagationMonitor(3, strict=True, **options), logger=logger)


def test_a_last_batch_of_one_sample_is_skipped() -> None:
    class Layered(Net):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(*[m for i in range(4) for m in (nn.Linear(12 if i else 5, 12), nn.ReLU())])
            self.net.append(nn.Linear(12, 3))

    data = torch.utils.data.TensorDataset(torch.randn(33, 5), torch.zeros(33, dtype=torch.int64))
    monitor = SignalPropagationMonitor(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = pl.Trainer(max_epochs=1, callbacks=[monitor], logger=False, accelerator="cpu", **quiet)
        trainer.fit(Layered(), torch.utils.data.DataLoader(data, 16))
    assert monitor.steps == [0, 1]
    assert monitor.notes == [(2, "batch size 1: expected at least 2 samples")]


def test_layers_that_come_are_kept_by_name() -> None:
    monitor = SignalPropagationMonitor(2)
    fit(Odd("grows"), monitor)
    steps, names, log_gradient = monitor.history()
    assert names.index("extra") == names.index("net.0") + 1
    extra = log_gradient[:, names.index("extra")]
    assert np.isnan(extra).tolist() == (steps < 4).tolist()
    assert np.isfinite(np.delete(log_gradient, names.index("extra"), axis=1)).all()


def test_rows_with_other_names_are_aligned() -> None:
    names, table = aligned([[("a", 1.0), ("c", 2.0)], [("a", 3.0), ("b", None), ("b", 4.0)], [("z", 5.0)]])
    assert names == ["z", "a", "b", "b (2)", "c"]
    np.testing.assert_array_equal(table[1], [np.nan, 3, np.nan, 4, np.nan])
    assert aligned([])[1].shape == (0, 0)
