"""The optimizers in the training loops that people use: trained, saved, loaded, and gone on with bit for bit.

The frameworks are in the extra ``gdcourse[frameworks]``; where one is missing its test is left out."""

import pickle
import warnings

import pytest
import torch

import gdcourse as gd
from tests.conftest import needs_a_compiler

pytestmark = pytest.mark.slow

MAKERS = {
    "Momentum": lambda params, **how: gd.optim.Momentum(params, lr=0.05, **how),
    "Nesterov": lambda params, **how: gd.optim.Nesterov(params, lr=0.05, **how),
    "Adam": lambda params, **how: gd.optim.Adam(params, lr=0.01, **how),
    "Lookahead": lambda params, **how: gd.optim.Lookahead(gd.optim.AdamW(params, lr=0.01, **how), k=3),
}
every = pytest.mark.parametrize("name", MAKERS)
both = pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))


def batch(t):
    x = torch.randn(32, 8, generator=torch.Generator().manual_seed(t))
    return x, x.sum(1, keepdim=True).sin()


def loss_of(model, t):
    x, y = batch(t)
    return ((model(x) - y) ** 2).mean()


def equal(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def trained(model, optimizer, steps, first=0, backward=lambda loss: loss.backward()):
    for t in range(first, first + steps):
        optimizer.zero_grad()
        backward(loss_of(model, t))
        optimizer.step()


@every
@both
def test_accelerate_saves_all_and_goes_on(name, compile, tmp_path):
    accelerate = pytest.importorskip("accelerate")

    def prepared():
        model = network()
        return accelerator.prepare(model, MAKERS[name](model.parameters(), compile=compile))

    accelerator = accelerate.Accelerator(cpu=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*shared|.*tied|.*Removed")
        model, optimizer = prepared()
        trained(model, optimizer, 7, backward=accelerator.backward)
        accelerator.save_state(tmp_path / "state")
        accelerator.save_model(model, tmp_path / "model")
        saved = {key: value.clone() for key, value in accelerator.unwrap_model(model).state_dict().items()}
        trained(model, optimizer, 7, first=7, backward=accelerator.backward)
    from safetensors.torch import load_file

    written = load_file(tmp_path / "model" / "model.safetensors")
    assert written.keys() == saved.keys() and all(torch.equal(written[key], saved[key]) for key in saved)

    accelerator = accelerate.Accelerator(cpu=True)
    again, resumed = prepared()
    accelerator.load_state(tmp_path / "state")
    trained(again, resumed, 7, first=7, backward=accelerator.backward)
    assert equal(again, model)


@every
@both
def test_safetensors_and_pickle_write_each_weight_once(name, compile, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    model, again, plain = network(), network(), network()
    trained(model, MAKERS[name](model.parameters(), compile=compile), 5)
    safetensors.save_model(model, tmp_path / "model.safetensors")
    safetensors.load_model(again, tmp_path / "model.safetensors")
    assert equal(again, model) and not equal(again, plain)
    layer = tmp_path / "layer.pt"
    torch.save(model[2].state_dict(), layer)
    torch.save(plain[2].state_dict(), tmp_path / "plain.pt")
    assert layer.stat().st_size == (tmp_path / "plain.pt").stat().st_size
    for p in (*model.parameters(), *plain.parameters()):
        p.grad = None
    assert len(pickle.dumps(model)) < 1.2 * len(pickle.dumps(plain))


@every
@both
def test_lightning_resumes_from_its_checkpoint(name, compile, tmp_path):
    lightning = pytest.importorskip("lightning")

    class Task(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = network()

        def training_step(self, t, _):
            return loss_of(self.model, int(t))

        def configure_optimizers(self):
            optimizer = MAKERS[name](self.model.parameters(), compile=compile)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)]

    def fitted(epochs, checkpoint=None):
        task = Task()
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(task, torch.utils.data.DataLoader(range(5), batch_size=None), ckpt_path=checkpoint)
        return task, trainer

    unbroken, _ = fitted(4)
    half, trainer = fitted(2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    resumed, _ = fitted(4, tmp_path / "half.ckpt")
    assert equal(resumed, unbroken) and not equal(resumed, half)


@every
@both
def test_transformers_trainer_resumes_from_its_checkpoint(name, compile, tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    config = transformers.GPT2Config(
        vocab_size=50,
        n_positions=16,
        n_embd=16,
        n_layer=2,
        n_head=2,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
    )
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(50, (64, 16), generator=generator)
    data = [{"input_ids": row, "labels": row} for row in letters]

    def fitted(steps, folder, resume=None):
        torch.manual_seed(0)
        model = transformers.GPT2LMHeadModel(config)
        optimizer = MAKERS[name](model.parameters(), compile=compile)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.95**t)
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / folder),
            max_steps=steps,
            per_device_train_batch_size=8,
            save_steps=4,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            seed=1,
        )
        trainer = transformers.Trainer(model, arguments, train_dataset=data, optimizers=(optimizer, schedule))
        trainer.train(resume_from_checkpoint=resume)
        return model

    unbroken = fitted(8, "whole")
    half = fitted(4, "half")
    resumed = fitted(8, "half", resume=str(tmp_path / "half" / "checkpoint-4"))
    assert equal(resumed, unbroken) and not equal(resumed, half)


@pytest.mark.parametrize("inside", [True, False])
def test_transformers_trainer_evaluates_at_theta_where_it_is_told_to(inside, tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    x, y = batch(0)
    data = [{"x": row, "labels": number} for row, number in zip(x, y, strict=True)]

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x, labels):
            out = self.net(x)
            return {"loss": ((out - labels) ** 2).mean(), "logits": out}

    class AtTheta(transformers.Trainer):
        def evaluate(self, *args, **kwargs):
            with self.optimizer.optimizer.at_theta():
                return super().evaluate(*args, **kwargs)

    model = Model()
    optimizer = gd.optim.ScheduleFree(model.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=32,
        eval_strategy="steps",
        eval_steps=6,
        save_steps=6,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    kind = AtTheta if inside else transformers.Trainer
    trainer = kind(model, arguments, train_dataset=data, eval_dataset=data, optimizers=(optimizer, schedule))
    trainer.train()
    (found,) = [line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line]
    at_the_point = loss_of(model.net, 0).item()
    with optimizer.at_theta():
        at_theta = loss_of(model.net, 0).item()
    assert abs(at_theta - at_the_point) > 1e-3
    assert found == pytest.approx(at_theta if inside else at_the_point, abs=1e-6)
