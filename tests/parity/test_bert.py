"""BERT against transformers' PyTorch model: parameters, forward pass, gradients and optimiser steps, random weights."""

from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from input_pipeline.extraction import extract
from input_pipeline.features import Words
from input_pipeline.recording import PARTICIPANT, Recording, Segment
from jaxdep.config import Optimizer
from jaxdep.engine.schedule import make_transform
from jaxdep.models.encoders import TEXT_ENCODERS
from jaxdep.models.encoders.bert import Bert, load_bert

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.parity


def small_config(**changes: object):
    sizes = {"vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    return transformers.BertConfig(**sizes | {"intermediate_size": 128, "max_position_embeddings": 48} | changes)


def save(model_class: type, folder: Path, **changes: object):
    """A random PyTorch model, saved in `folder`; its weights are larger than a fresh one's, so that each of them matters."""
    torch.manual_seed(0)
    model = model_class(small_config(**changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    assert (folder / "model.safetensors").exists()
    return model


@pytest.fixture
def tokens() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.arange(31)[None] < np.array([31, 17, 1, 8])[:, None]
    return rng.integers(0, 200, mask.shape).astype(np.int32), mask, rng.integers(0, 2, mask.shape).astype(np.int32)


def torch_states(model, ids: np.ndarray, mask: np.ndarray, types: np.ndarray | None):
    types = None if types is None else torch.tensor(types, dtype=torch.long)
    ids, mask = torch.tensor(ids, dtype=torch.long), torch.tensor(mask, dtype=torch.long)
    return model(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state


def states_of(bert: Bert, ids: np.ndarray, mask: np.ndarray, types: np.ndarray | None) -> np.ndarray:
    return np.asarray(jax.jit(lambda bert: bert(ids, mask, types))(bert))


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
@pytest.mark.parametrize("with_types", [True, False])
def test_hidden_states_are_those_of_pytorch(tmp_path, tokens, activation, with_types):
    reference = save(transformers.BertModel, tmp_path, hidden_act=activation, layer_norm_eps=1e-5)
    ids, mask, types = tokens[0], tokens[1], tokens[2] if with_types else None
    with torch.no_grad():
        expected = torch_states(reference, ids, mask, types).numpy()
    np.testing.assert_allclose(states_of(load_bert(str(tmp_path)), ids, mask, types)[mask], expected[mask], atol=1e-5)


@pytest.mark.parametrize("head", ["BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification"])
def test_an_encoder_saved_below_a_head_is_found(tmp_path, tokens, head):
    reference = save(getattr(transformers, head), tmp_path).bert
    with torch.no_grad():
        expected = torch_states(reference, *tokens).numpy()
    mask = tokens[1]
    np.testing.assert_allclose(states_of(load_bert(str(tmp_path)), *tokens)[mask], expected[mask], atol=1e-5)


def test_weights_sharded_by_transformers_are_read(tmp_path, tokens):
    reference = save(transformers.BertModel, tmp_path / "whole")
    reference.save_pretrained(tmp_path / "sharded", max_shard_size="200KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    whole, sharded = (load_bert(str(tmp_path / name)) for name in ("whole", "sharded"))
    np.testing.assert_array_equal(states_of(whole, *tokens), states_of(sharded, *tokens))


def test_as_many_parameters_as_pytorch_has_below_its_pooler(tmp_path):
    reference = save(transformers.BertModel, tmp_path)
    expected = sum(p.numel() for name, p in reference.named_parameters() if not name.startswith("pooler."))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(load_bert(str(tmp_path)), nnx.Param))) == expected


def test_the_states_of_word_pieces_are_those_of_pytorch(tmp_path):
    """Each text on its own in PyTorch, so without padding; in ours all in one batch, from segments to features."""
    texts = ["i sleep badly", "", "tired", "SLEEPING , sleeping and tired i " * 3, "unheard i"]
    reference = save(transformers.BertModel, tmp_path)
    vocabulary = "[PAD] [UNK] [CLS] [SEP] [MASK] i sleep ##ing bad ##ly tired and ,"
    (tmp_path / "vocab.txt").write_text(vocabulary.replace(" ", "\n"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    expected = [np.zeros((1, 1, 64), np.float32)] * len(texts)
    for row in (0, 2, 3, 4):
        with torch.no_grad():
            expected[row] = reference(**tokenizer(texts[row], return_tensors="pt")).last_hidden_state[:, 1:-1].numpy()
    segments = tuple(Segment(start, start + 1, PARTICIPANT, text) for start, text in enumerate(texts))
    feature = Words(encoder="bert", checkpoint=str(tmp_path), dim=64)
    (found,) = extract(feature, [Recording("r", "p", "", segments)], encoders=TEXT_ENCODERS, progress=False)
    assert found.lengths.tolist() == [4, 1, 1, 24, 2]
    np.testing.assert_allclose(found.values, np.concatenate(expected, axis=1)[0], atol=1e-4)


def test_gradients_are_those_of_pytorch(tmp_path, tokens):
    reference = save(transformers.BertModel, tmp_path)
    ids, mask, types = tokens
    torch.tanh(torch_states(reference, *tokens))[torch.tensor(mask)].sum().backward()
    graphdef, params = nnx.split(load_bert(str(tmp_path)))

    def loss(params: nnx.State) -> jax.Array:
        states = nnx.merge(graphdef, params, copy=True)(ids, mask, types)
        return jax.numpy.tanh(states).sum()  # zero in the padding

    ours = nnx.to_pure_dict(jax.jit(jax.grad(loss))(params))
    theirs = dict(reference.named_parameters())
    for gradient, name in [
        (ours["word"]["embedding"], "embeddings.word_embeddings.weight"),
        (ours["layers"][0]["query"]["kernel"].T, "encoder.layer.0.attention.self.query.weight"),
        (ours["layers"][1]["intermediate"]["kernel"].T, "encoder.layer.1.intermediate.dense.weight"),
        (ours["layers"][2]["output_norm"]["scale"], "encoder.layer.2.output.LayerNorm.weight"),
    ]:
        expected = theirs[name].grad.numpy()
        if name.startswith("embeddings.word"):  # PyTorch keeps the padding word's gradient at zero
            gradient, expected = gradient[1:], expected[1:]
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(gradient, expected, atol=2e-4)


def adam_steps(params: nnx.State, graphdef: nnx.GraphDef, tokens: tuple, target: np.ndarray, steps: int) -> nnx.State:
    ids, mask, types = tokens
    transform = make_transform(Optimizer(name="adam", learning_rate=1e-3))

    def loss(params: nnx.State) -> jax.Array:
        states = nnx.merge(graphdef, params, copy=True)(ids, mask, types)
        return ((states.sum(1) / mask.sum(1, keepdims=True) - target) ** 2).sum()

    @jax.jit
    def step(params: nnx.State, state: optax.OptState) -> tuple[nnx.State, optax.OptState]:
        updates, state = transform.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state = transform.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return params


def torch_adam_steps(model, tokens: tuple, target: np.ndarray, steps: int) -> None:
    weight = torch.tensor(tokens[1] / tokens[1].sum(1, keepdims=True), dtype=torch.float32)[..., None]
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        adam.zero_grad()
        ((torch_states(model, *tokens) * weight).sum(1) - torch.tensor(target)).square().sum().backward()
        adam.step()


def test_three_steps_of_adam_lead_where_pytorchs_lead(tmp_path, tokens):
    """The loss: the squared distance of each text's mean state from a random target.

    Every parameter is compared but the keys' biases: they add the same to all scores of a softmax, their gradient is
    zero, and Adam makes whole steps of what rounding leaves of it. Ids are above 0, PyTorch's padding word.
    """
    reference = save(transformers.BertModel, tmp_path / "first", num_hidden_layers=2)
    first = load_bert(str(tmp_path / "first"))
    ids, mask, types = tokens
    tokens = np.maximum(ids, 1), mask, types
    target = np.random.default_rng(1).normal(size=(len(ids), 64)).astype(np.float32)
    torch_adam_steps(reference, tokens, target, steps=3)
    reference.save_pretrained(tmp_path / "expected")
    graphdef, params = nnx.split(first)
    found = adam_steps(params, graphdef, tokens, target, steps=3)
    expected = nnx.split(load_bert(str(tmp_path / "expected")))[1]
    compared = zip(jax.tree.leaves_with_path(found), jax.tree.leaves(expected), jax.tree.leaves(params), strict=True)
    for (path, ours), theirs, before in compared:
        name = jax.tree_util.keystr(path)
        if "['key']['bias']" not in name:
            assert np.abs(theirs - before).max() > 2.9e-3, name  # three whole steps
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4, err_msg=name)
