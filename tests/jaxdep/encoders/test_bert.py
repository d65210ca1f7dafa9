"""BERT: its arithmetic, the reading of checkpoints, and vectors of texts, on a small checkpoint made here."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file
from scipy.special import erf, softmax

from input_pipeline.errors import DataError
from jaxdep.models.encoders.bert import Bert, SentenceEncoder, load_bert, load_sentence_encoder

pytestmark = pytest.mark.usefixtures("quick_compilation")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "feel", "tired", "sad", "fine", "today", "so"]
CONFIG = {
    "model_type": "bert",
    "vocab_size": 20,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}


def published_weights(config: Mapping = CONFIG) -> dict[str, np.ndarray]:
    """Random weights under the names of a released BERT, large enough that every one of them matters."""
    dim, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], dim),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], dim),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], dim),
    }
    norms, linears = {"embeddings.LayerNorm": dim}, {}
    for layer in (f"encoder.layer.{i}." for i in range(config["num_hidden_layers"])):
        norms |= {layer + "attention.output.LayerNorm": dim, layer + "output.LayerNorm": dim}
        linears |= {layer + f"attention.self.{part}": (dim, dim) for part in ("query", "key", "value")}
        linears |= {layer + "attention.output.dense": (dim, dim)}
        linears |= {layer + "intermediate.dense": (inner, dim), layer + "output.dense": (dim, inner)}
    shapes |= {f"{name}.{leaf}": (size,) for name, size in norms.items() for leaf in ("weight", "bias")}
    shapes |= {f"{name}.weight": shape for name, shape in linears.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in linears.items()}
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def write_checkpoint(folder: Path, weights: Mapping[str, np.ndarray] | None = None, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    save_file(dict(published_weights() if weights is None else weights), folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that no test changes."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="module")
def bert(tiny: Path) -> Bert:
    return load_bert(str(tiny))


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> SentenceEncoder:
    return load_sentence_encoder(str(tiny), "mean", batch_size=2)


@pytest.fixture
def tokens() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids, mask and types of three texts of 7, 4 and 1 tokens."""
    rng = np.random.default_rng(1)
    mask = np.arange(7)[None] < np.array([[7], [4], [1]])
    return rng.integers(0, 20, (3, 7)).astype(np.int32), mask, rng.integers(0, 2, (3, 7)).astype(np.int32)


def numpy_bert(w: Mapping[str, np.ndarray], ids: np.ndarray, types: np.ndarray) -> np.ndarray:
    """The paper's equations for one text without padding, in float64: [T] -> [T, D]."""

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[name + ".weight"].T.astype(np.float64) + w[name + ".bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-12) * w[name + ".weight"] + w[name + ".bias"]

    tables = {table: w[f"embeddings.{table}_embeddings.weight"].astype(np.float64) for table in ("word", "position")}
    x = tables["word"][ids] + tables["position"][: len(ids)] + w["embeddings.token_type_embeddings.weight"][types]
    x = norm(x, "embeddings.LayerNorm")
    for layer in (f"encoder.layer.{i}." for i in range(CONFIG["num_hidden_layers"])):
        query, key, value = (linear(x, layer + f"attention.self.{part}") for part in ("query", "key", "value"))
        heads = [slice(start, start + 4) for start in (0, 4, 8)]
        attended = [softmax(query[:, h] @ key[:, h].T / 2, axis=-1) @ value[:, h] for h in heads]
        x = norm(
            x + linear(np.concatenate(attended, -1), layer + "attention.output.dense"),
            layer + "attention.output.LayerNorm",
        )
        inner = linear(x, layer + "intermediate.dense")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        x = norm(x + linear(inner, layer + "output.dense"), layer + "output.LayerNorm")
    return x


def assert_same_encoder(one: Bert, other: Bert, atol: float = 0.0) -> None:
    ours, theirs = nnx.to_pure_dict(nnx.state(one)), nnx.to_pure_dict(nnx.state(other))
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol, rtol=0), ours, theirs)


@jax.jit
def states_of(bert: Bert, *tokens: np.ndarray, key: jax.Array | None = None) -> jax.Array:
    return bert(*tokens, key=key)


# the module


def test_hidden_states_follow_the_papers_equations(bert, tokens):
    ids, mask, types = tokens
    with jax.numpy_rank_promotion("raise"):
        states = np.asarray(states_of(bert, ids, mask, types))
    for row, length in enumerate(mask.sum(1)):
        expected = numpy_bert(published_weights(), ids[row, :length], types[row, :length])
        np.testing.assert_allclose(states[row, :length], expected, atol=2e-5)


def test_padding_changes_nothing_whatever_stands_in_it(bert, tokens):
    ids, mask, types = tokens
    longer = [np.pad(array, ((0, 0), (0, 5))) for array in tokens]
    longer[0][~longer[1]] = 10**6  # no such word: it would embed as NaN
    states, padded = np.asarray(states_of(bert, ids, mask, types)), np.asarray(states_of(bert, *longer))
    np.testing.assert_allclose(padded[:, :7], states, atol=1e-5)
    assert not padded[~longer[1]].any()


def test_a_row_of_padding_alone_is_zero(bert, tokens):
    ids, mask, _ = tokens
    mask = mask & (np.arange(3) != 1)[:, None]
    states = np.asarray(states_of(bert, ids, mask))
    assert np.isfinite(states).all()
    assert not states[1].any()


def test_types_are_zero_by_default(bert, tokens):
    ids, mask, types = tokens
    states = np.asarray(states_of(bert, ids, mask))
    np.testing.assert_allclose(states, states_of(bert, ids, mask, np.zeros_like(types)), atol=1e-6)
    assert not np.allclose(states, states_of(bert, ids, mask, np.ones_like(types)), atol=1e-2)


def test_dropout_is_by_an_explicit_key_alone(bert, tokens):
    ids, mask, _ = tokens
    assert not jax.tree.leaves(nnx.state(bert, nnx.Not(nnx.Param)))
    one, again, other = (np.asarray(states_of(bert, ids, mask, key=jax.random.key(seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other, atol=1e-2)
    assert not np.allclose(one, states_of(bert, ids, mask), atol=1e-2)


def test_without_dropout_rates_a_key_changes_nothing(tmp_path, tokens):
    ids, mask, _ = tokens
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    bert = load_bert(str(write_checkpoint(tmp_path / "still", **still)))
    with_key = states_of(bert, ids, mask, key=jax.random.key(0))
    np.testing.assert_allclose(with_key, states_of(bert, ids, mask), atol=1e-5)


def test_bfloat16_computes_in_bfloat16_with_float32_parameters(tiny, bert, tokens):
    ids, mask, _ = tokens
    rounded = load_bert(str(tiny), dtype=jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(rounded))} == {jnp.dtype("float32")}
    states = states_of(rounded, ids, mask)
    assert states.dtype == jnp.bfloat16
    assert 0 < np.abs(states.astype(jnp.float32) - states_of(bert, ids, mask)).max() < 0.15


def test_more_tokens_than_positions_are_refused(bert):
    ids = np.zeros((1, 41), np.int32)
    with pytest.raises(ValueError, match="at most 40 tokens have a position, found 41"):
        bert(ids, ids == 0)


# the checkpoint


def with_prefix_and_heads(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    extra = {name: np.ones((2, 2), np.float32) for name in ("bert.pooler.dense.weight", "cls.predictions.bias")}
    return {"bert." + name: array for name, array in weights.items()} | extra


def with_names_of_tensorflow(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    spelt = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, old in spelt.items():
        weights = {name.replace(new, old): array for name, array in weights.items()}
    return dict(weights)


def with_position_ids(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**weights, "embeddings.position_ids": np.arange(40)[None]}


@pytest.mark.parametrize("rename", [with_prefix_and_heads, with_names_of_tensorflow, with_position_ids])
def test_every_published_spelling_gives_the_same_encoder(tmp_path, bert, rename):
    other = write_checkpoint(tmp_path / "other", rename(published_weights()))
    assert_same_encoder(bert, load_bert(str(other)))


def test_weights_over_several_files_are_put_together(tmp_path, bert):
    weights = published_weights()
    sharded = write_checkpoint(tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    shards = {name: f"model-{i % 2 + 1:05}-of-00002.safetensors" for i, name in enumerate(weights)}
    for shard in set(shards.values()):
        save_file({name: weights[name] for name in weights if shards[name] == shard}, sharded / shard)
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert_same_encoder(bert, load_bert(str(sharded)))


@pytest.mark.parametrize(("stored", "atol"), [(np.float16, 2e-3), (ml_dtypes.bfloat16, 2e-2), (np.float64, 0)])
def test_weights_stored_in_other_precisions_become_float32(tmp_path, bert, stored, atol):
    cast = {name: array.astype(stored) for name, array in published_weights().items()}
    loaded = load_bert(str(write_checkpoint(tmp_path / "cast", cast)))
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(loaded))} == {jnp.dtype("float32")}
    assert_same_encoder(bert, loaded, atol)


LAST = "encoder.layer.1.output.dense.weight"


def lose(weights):
    del weights[LAST]


def add(weights):
    weights["encoder.layer.2.output.dense.bias"] = np.zeros(12, np.float32)


def transpose(weights):
    weights[LAST] = np.ascontiguousarray(weights[LAST].T)


def quantise(weights):
    weights[LAST] = weights[LAST].astype(np.int8)


def store_twice(weights):
    weights["bert." + LAST] = weights[LAST]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lose, rf"1 missing \(the first is {LAST}\)"),
        (add, r"1 unexpected \(the first is encoder.layer.2.output.dense.bias\)"),
        (transpose, rf"{LAST} has shape"),
        (quantise, rf"{LAST} holds int8"),
        (store_twice, rf"{LAST} is stored twice"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path, damage, told):
    weights = published_weights()
    damage(weights)
    with pytest.raises(DataError, match=told) as caught:
        load_bert(str(write_checkpoint(tmp_path / "damaged", weights)))
    assert "\n" not in str(caught.value)
    assert "damaged" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("model_type", "roberta", "model_type is 'roberta', expected 'bert'"),
        ("hidden_act", "swish", "hidden_act is 'swish'"),
        ("hidden_size", "twelve", "hidden_size"),
        ("num_attention_heads", 5, "hidden_size 12 is no multiple of num_attention_heads 5"),
        ("num_hidden_layers", 0, "num_hidden_layers is 0"),
        ("position_embedding_type", "relative_key", "position_embedding_type is 'relative_key'"),
        ("is_decoder", True, "is_decoder is true"),
        ("num_hidden_layers", 3, "missing"),
    ],
)
def test_a_config_of_another_architecture_is_refused_in_one_line(tmp_path, field, value, told):
    with pytest.raises(DataError, match=told) as caught:
        load_bert(str(write_checkpoint(tmp_path / "other", **{field: value})))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"model_type": "bert"}, "model_type is 'bert', expected 'roberta'"),
        ({"pad_token_id": None}, "pad_token_id is missing; RoBERTa counts positions from it"),
        ({"pad_token_id": 39}, "positions begin at 40, behind pad_token_id; max_position_embeddings is 40"),
    ],
)
def test_a_roberta_without_positions_is_refused_in_one_line(tmp_path, config, told):
    folder = write_checkpoint(tmp_path / "other", **{"model_type": "roberta"} | config)
    with pytest.raises(DataError, match=told) as caught:
        load_bert(str(folder), "roberta")
    assert "\n" not in str(caught.value)


def test_a_pickle_is_refused_unopened(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model.bin: a pickle.*convert it to safetensors"):
        load_bert(str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_an_absent_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=name):
        load_bert(str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_truncated_file_is_named(folder, name):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=name) as caught:
        load_bert(str(folder))
    assert "\n" not in str(caught.value)


def test_an_index_cannot_point_outside_its_folder(tmp_path, folder):
    save_file(published_weights(), tmp_path / "secret.safetensors")
    names = dict.fromkeys(published_weights(), "../secret.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    with pytest.raises(DataError, match=r"'\.\./secret\.safetensors'; expected a \.safetensors file beside the index"):
        load_bert(str(folder))


def test_a_name_that_the_hub_cannot_give_asks_for_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("nobody/no-such-model", str(tmp_path / "no_such_folder")):
        with pytest.raises(DataError, match=f"^{name}: .*give the folder of a downloaded checkpoint$") as caught:
            load_bert(name)
        assert "\n" not in str(caught.value)


def test_a_hub_name_is_read_from_the_cache_offline(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository, revision = tmp_path / "models--somebody--tiny", "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots").mkdir()
    folder.rename(repository / "snapshots" / revision)
    assert load_sentence_encoder("somebody/tiny", "mean")(["so sad"]).shape == (1, 12)


# texts

TEXTS = ["i feel tired", "", "so sad so tired today sad fine today so", "fine", "i feel tired", " \n"]


def test_vectors_and_word_states_are_the_papers_in_the_order_of_the_texts(tiny, encoder):
    words, mean = encoder.word_states(TEXTS), encoder(TEXTS)
    cls = load_sentence_encoder(str(tiny), "cls", batch_size=2)(TEXTS)
    assert [len(of_text) for of_text in words] == [3, 0, 9, 1, 3, 0]
    for row, text in enumerate(TEXTS):
        if text.strip():
            ids = np.array([2, *map(WORDS.index, text.split()), 3])  # [CLS] ... [SEP]
            states = numpy_bert(published_weights(), ids, np.zeros_like(ids))
            np.testing.assert_allclose(words[row], states[1:-1], atol=2e-5)
            np.testing.assert_allclose(mean[row], states.mean(0), atol=2e-5)
            np.testing.assert_allclose(cls[row], states[0], atol=2e-5)


def test_an_unknown_word_has_a_state_too_and_case_is_ignored(encoder):
    (states,) = encoder.word_states(["I feel UNHEARD"])
    expected = numpy_bert(published_weights(), np.array([2, 5, 6, 1, 3]), np.zeros(5, int))  # i feel [UNK]
    np.testing.assert_allclose(states, expected[1:-1], atol=2e-5)


def test_a_vector_does_not_depend_on_the_other_texts(encoder):
    together = encoder(TEXTS)
    assert together.dtype == np.float32
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(encoder([text])[0], together[row], atol=1e-5)


def test_a_text_without_words_is_zero(encoder):
    vectors = encoder(["", "  \t\n", "fine"])
    assert not vectors[:2].any()
    assert vectors[2].any()


def test_no_texts_give_no_vectors(encoder):
    assert encoder([]).shape == (0, encoder.dim) == (0, 12)
    assert encoder.word_states([]) == []


def test_duplicates_are_encoded_once(encoder, monkeypatch):
    compiled, batches = encoder._vectors, []
    monkeypatch.setattr(encoder, "_vectors", lambda *args: batches.append(args[2]) or compiled(*args))
    vectors = encoder(["fine", "sad", "fine"] * 10)
    assert sum(mask.any(1).sum() for mask in batches) == 2
    np.testing.assert_array_equal(vectors[0::3], np.repeat(vectors[2:3], 10, axis=0))


@pytest.mark.slow
def test_texts_of_all_lengths_compile_a_few_programs(tiny):
    encoder = load_sentence_encoder(str(tiny), "mean", batch_size=1)
    encoder(["sad " * count for count in (*range(1, 23), 38)])
    assert encoder._vectors._cache_size() == 3  # 16, 24 and the 40 of the checkpoint's positions


def test_a_long_text_is_cut_with_a_warning(tiny, caplog):
    encoder = load_sentence_encoder(str(tiny), "mean", max_tokens=10)
    with caplog.at_level(logging.WARNING):
        (states,) = encoder.word_states(["sad " * 30])
    assert "1 of 1 texts are longer than 10 tokens" in caplog.text
    np.testing.assert_allclose(states, encoder.word_states(["sad " * 8])[0], atol=1e-6)  # [CLS], 8 words, [SEP]


def test_a_checkpoint_without_tokenizer_is_refused(folder):
    (folder / "vocab.txt").unlink()
    with pytest.raises(DataError, match=r"holds no tokenizer; put .*vocab\.txt beside its weights"):
        load_sentence_encoder(str(folder), "mean")


def test_half_a_tokenizer_is_none(folder):
    (folder / "vocab.txt").rename(folder / "vocab.json")
    with pytest.raises(DataError, match=r"holds no tokenizer; put .*vocab\.json and merges\.txt"):
        load_sentence_encoder(str(folder), "mean")


def test_a_tokenizer_of_another_vocabulary_is_refused(folder):
    (folder / "vocab.txt").write_text("\n".join([*WORDS, *"bcdefghjklmno"]))
    with pytest.raises(DataError, match=r"the tokenizer has 25 tokens, config\.json's vocab_size is 20"):
        load_sentence_encoder(str(folder), "mean")


def test_a_damaged_tokenizer_is_refused_in_one_line(folder):
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="tokenizer") as caught:
        load_sentence_encoder(str(folder), "mean")
    assert "\n" not in str(caught.value)


def test_one_text_is_not_taken_for_many(encoder):
    with pytest.raises(TypeError, match="a sequence of texts"):
        encoder("so sad")


def test_an_unknown_pooling_is_refused(tiny):
    with pytest.raises(ValueError, match="pooling: expected one of"):
        load_sentence_encoder(str(tiny), "max")
