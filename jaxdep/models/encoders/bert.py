"""BERT and RoBERTa as text encoders: the module, its published weights, and vectors of texts and of their word pieces.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding": a post-norm
transformer encoder (Vaswani et al. 2017, section 3.1) over word, position and token type embeddings. Liu et al. 2019,
"RoBERTa: A Robustly Optimized BERT Pretraining Approach", is the same network, trained otherwise and on other pieces of
words; its positions are counted from behind the padding's id.
"""

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from input_pipeline.errors import DataError
from jaxdep.models.encoders.checkpoint import (
    bert_name,
    bert_weights,
    checkpoint_folder,
    fill,
    read_config,
    read_tokenizer,
    read_weights,
)

if TYPE_CHECKING:
    from transformers import BertConfig, RobertaConfig

Pooling = Literal["mean", "cls"]
Architecture = Literal["bert", "roberta"]

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_new": functools.partial(jax.nn.gelu, approximate=True),
    "gelu_pytorch_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
}


class Bert(nnx.Module):
    """Token ids to hidden states. It owns parameters and nothing else.

    Attributes:
        dim: the size D of a hidden state.
        max_tokens: how many tokens have a position.
        vocabulary_size: token ids are below it.
    """

    def __init__(self, config: "BertConfig | RobertaConfig", *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        """Makes the module with fresh weights; `load_bert` makes one with published weights.

        Args:
            config: sizes, activation, dropout rates and epsilon, under the names of a checkpoint's config.json.
            dtype: of the computation (float32, bfloat16); parameters are float32.
            rngs: the stream `params` initialises every parameter.

        Raises:
            ValueError: the config asks for what this architecture has not, or its sizes do not fit each other.
        """
        _check_architecture(config)
        self.dim = config.hidden_size
        self.first_position = _first_position(config)
        self.max_tokens = config.max_position_embeddings - self.first_position
        self.vocabulary_size = config.vocab_size
        embed = functools.partial(
            nnx.Embed,
            features=self.dim,
            embedding_init=nnx.initializers.normal(config.initializer_range),
            dtype=dtype,
            rngs=rngs,
        )
        self.word = embed(config.vocab_size)
        self.position = embed(config.max_position_embeddings)
        self.type = embed(config.type_vocab_size)
        self.norm = _layer_norm(config, dtype, rngs)
        self.dropout = nnx.Dropout(config.hidden_dropout_prob)
        self.layers = nnx.List([BertLayer(config, dtype=dtype, rngs=rngs) for _ in range(config.num_hidden_layers)])

    def __call__(
        self,
        token_ids: Int[Array, "batch tokens"],
        mask: Bool[Array, "batch tokens"],
        type_ids: Int[Array, "batch tokens"] | None = None,
        *,
        key: jax.Array | None = None,
    ) -> Float[Array, "batch tokens dim"]:
        """The last layer's hidden states, zero where `mask` is False; what stands in the padding changes nothing.

        Args:
            token_ids: below `vocabulary_size`.
            mask: True for tokens, False for padding.
            type_ids: 0 for the first text of a pair, 1 for the second; all 0 without it.
            key: of the dropout; without a key there is none.

        Raises:
            ValueError: there are more tokens than `max_tokens`.
        """
        length = token_ids.shape[1]
        if length > self.max_tokens:
            raise ValueError(f"token_ids: at most {self.max_tokens} tokens have a position, found {length}")
        type_ids = jnp.zeros_like(token_ids) if type_ids is None else type_ids
        keys = _split(key, 1 + len(self.layers))
        # An id outside the vocabulary embeds as NaN, and 0 * NaN would reach the tokens from the padding.
        states = self.word(jnp.where(mask, token_ids, 0)) + self.type(jnp.where(mask, type_ids, 0))
        states = self.norm(states + self.position(self.first_position + jnp.arange(length))[None])
        states = self.dropout(states, deterministic=key is None, rngs=keys[0])
        for layer, layer_key in zip(self.layers, keys[1:], strict=True):
            states = layer(states, mask, key=layer_key)
        return jnp.where(mask[..., None], states, 0)


class BertLayer(nnx.Module):
    """Self-attention and a feed-forward network, each with dropout, a residual connection and LayerNorm after it."""

    def __init__(self, config: "BertConfig | RobertaConfig", *, dtype: DTypeLike, rngs: nnx.Rngs):
        linear = functools.partial(
            nnx.Linear,
            kernel_init=nnx.initializers.normal(config.initializer_range),
            dtype=dtype,
            rngs=rngs,
        )
        dim = config.hidden_size
        self.heads = config.num_attention_heads
        self.activation = config.hidden_act
        self.attention_dropout_rate = config.attention_probs_dropout_prob
        self.query = linear(dim, dim)
        self.key = linear(dim, dim)
        self.value = linear(dim, dim)
        self.attention_output = linear(dim, dim)
        self.attention_norm = _layer_norm(config, dtype, rngs)
        self.intermediate = linear(dim, config.intermediate_size)
        self.output = linear(config.intermediate_size, dim)
        self.output_norm = _layer_norm(config, dtype, rngs)
        self.dropout = nnx.Dropout(config.hidden_dropout_prob)

    def __call__(
        self,
        states: Float[Array, "batch tokens dim"],
        mask: Bool[Array, "batch tokens"],
        *,
        key: jax.Array | None = None,
    ) -> Float[Array, "batch tokens dim"]:
        """The next hidden states; no token attends to one where `mask` is False."""
        weights_key, attention_key, output_key = _split(key, 3)
        attended = self.attention_output(self._attend(states, mask, weights_key))
        attended = self.dropout(attended, deterministic=key is None, rngs=attention_key)
        states = self.attention_norm(states + attended)
        transformed = self.output(ACTIVATIONS[self.activation](self.intermediate(states)))
        transformed = self.dropout(transformed, deterministic=key is None, rngs=output_key)
        return self.output_norm(states + transformed)

    def _attend(self, states: Array, mask: Array, key: jax.Array | None) -> Array:
        by_head = (*states.shape[:2], self.heads, -1)  # [B, T, H, D / H]
        attended = nnx.dot_product_attention(
            self.query(states).reshape(by_head),
            self.key(states).reshape(by_head),
            self.value(states).reshape(by_head),
            mask=mask[:, None, None, :],  # [B, H, T queries, T keys]
            broadcast_dropout=False,
            dropout_rng=key,
            # At rate 0 the fused attention of jax.nn is taken, which works the softmax in float32.
            dropout_rate=0.0 if key is None else self.attention_dropout_rate,
        )
        return attended.reshape(states.shape)


def load_bert(checkpoint: str, architecture: Architecture = "bert", *, dtype: DTypeLike = jnp.float32) -> Bert:
    """The published encoder of a folder or a hub name. A pooler and the heads of pretraining tasks are left out.

    Raises:
        DataError: the checkpoint cannot be had, is of another architecture, is damaged, or is only there as a pickle; one
            line.
    """
    folder = checkpoint_folder(checkpoint)
    config = read_config(folder, architecture)
    try:
        model = nnx.eval_shape(lambda: Bert(config, dtype=dtype, rngs=nnx.Rngs(0)))
    except ValueError as error:
        raise DataError(f"{folder / 'config.json'}: {error}") from None
    return fill(model, bert_weights(read_weights(folder), folder, architecture), bert_name, folder)


class SentenceEncoder:
    """Texts to vectors, one a text or one a word piece: tokenizer and BERT, compiled once for each padded length.

    Attributes:
        dim: the size D of a vector.
    """

    def __init__(self, model: Bert, tokenizer: Any, *, pooling: Pooling, batch_size: int = 32, max_tokens: int = 512):
        """See `load_sentence_encoder`. `tokenizer` is one of transformers', in its fast form."""
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling: expected one of {get_args(Pooling)}, found {pooling!r}")
        self.dim = model.dim
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._max_tokens = min(max_tokens, model.max_tokens)
        graphdef, self._params = nnx.split(model)

        def states(params: nnx.State, token_ids: Array, mask: Array) -> Array:
            return nnx.merge(graphdef, params)(token_ids, mask).astype(jnp.float32)

        def vectors(params: nnx.State, token_ids: Array, mask: Array) -> Array:
            return _pool(states(params, token_ids, mask), mask, pooling)

        self._states = jax.jit(states)
        self._vectors = jax.jit(vectors)

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "texts dim"]:
        """A float32 vector for each text, in their order; zeros for a text without a token (empty, blanks)."""
        distinct, order = _distinct(texts)
        vectors = np.zeros((len(distinct), self.dim), np.float32)
        for rows, pooled in list(self._batches(self._vectors, self._tokenize(distinct))):  # dispatch all, then wait
            vectors[rows] = np.asarray(pooled)[: len(rows)]
        return vectors[order]

    def word_states(self, texts: Sequence[str]) -> list[Float[np.ndarray, "pieces dim"]]:
        """For each text its word pieces' hidden states, without the first and last token's; [0, D] for a blank text."""
        distinct, order = _distinct(texts)
        found = [np.zeros((0, self.dim), np.float32)] * len(distinct)
        tokens = self._tokenize(distinct)
        for rows, states in self._batches(self._states, tokens):
            for row, of_row in zip(rows, np.asarray(states), strict=False):
                found[row] = of_row[1 : len(tokens[row]) - 1]
        return [found[index] for index in order]

    def _batches(self, function: Callable[..., Array], tokens: list[list[int]]) -> Iterator[tuple[list[int], Array]]:
        """Indices of texts, and the function's result for them: [batch_size, ...], the texts' rows first.

        The longest come first, so that texts of one batch need little padding and the last, ragged batch is short.
        """
        order = sorted((i for i, ids in enumerate(tokens) if ids), key=lambda i: len(tokens[i]), reverse=True)
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            length = _padded_length(len(tokens[rows[0]]), self._max_tokens)
            token_ids = np.zeros((self._batch_size, length), np.int32)
            mask = np.zeros((self._batch_size, length), bool)
            for slot, row in enumerate(rows):
                token_ids[slot, : len(tokens[row])] = tokens[row]
                mask[slot, : len(tokens[row])] = True
            yield rows, function(self._params, token_ids, mask)

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, cut at `max_tokens`; none at all for a blank one or where no piece of a word is."""
        if not texts:
            return []
        options = {"truncation": True, "max_length": self._max_tokens, "padding": False}
        batch = self._tokenizer(list(texts), return_attention_mask=False, return_token_type_ids=False, **options)
        cut = sum(bool(encoding.overflowing) for encoding in batch.encodings)
        if cut:
            logging.getLogger(__name__).warning(
                "%d of %d texts are longer than %d tokens; the rest of them is not read",
                cut,
                len(texts),
                self._max_tokens,
            )
        special = self._tokenizer.num_special_tokens_to_add()
        # To RoBERTa a space or the end of a line is a piece too.
        return [
            ids if len(ids) > special and text.strip() else []
            for ids, text in zip(batch["input_ids"], texts, strict=True)
        ]


def load_sentence_encoder(
    checkpoint: str,
    pooling: Pooling = "mean",
    batch_size: int = 32,
    max_tokens: int = 512,
    *,
    architecture: Architecture = "bert",
    dtype: DTypeLike = jnp.float32,
) -> SentenceEncoder:
    """The encoder of a folder or a hub name, with the tokenizer that stands beside its weights.

    Args:
        checkpoint: holds config.json, model.safetensors and tokenizer.json or vocab.txt, of RoBERTa vocab.json and
            merges.txt.
        pooling: "mean" over a text's tokens, the first and the last ([CLS] and [SEP], of RoBERTa <s> and </s>) among
            them, or the state of the first one ("cls"); not normalised.
        batch_size: texts that are encoded together.
        max_tokens: longer texts are cut, with a warning; never more than the checkpoint has positions for.
        architecture: the checkpoint's.
        dtype: of the computation; the vectors are float32.

    Raises:
        DataError: see `load_bert`; or the tokenizer is absent, damaged or of another vocabulary.
    """
    model = load_bert(checkpoint, architecture, dtype=dtype)
    tokenizer = read_tokenizer(checkpoint_folder(checkpoint), model.vocabulary_size)
    return SentenceEncoder(model, tokenizer, pooling=pooling, batch_size=batch_size, max_tokens=max_tokens)


def _layer_norm(config: "BertConfig | RobertaConfig", dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.LayerNorm:
    # E[x^2] - E[x]^2 loses what float32 has of a small variance, and BERT's epsilon of 1e-12 does not cover it.
    return nnx.LayerNorm(
        config.hidden_size, epsilon=config.layer_norm_eps, use_fast_variance=False, dtype=dtype, rngs=rngs
    )


def _first_position(config: "BertConfig | RobertaConfig") -> int:
    """The row of the first token's position: RoBERTa keeps those up to the padding's id."""
    return 0 if config.model_type == "bert" or config.pad_token_id is None else config.pad_token_id + 1


def _split(key: jax.Array | None, count: int) -> Sequence[jax.Array | None]:
    return [None] * count if key is None else list(jax.random.split(key, count))


def _pool(states: Array, mask: Array, pooling: Pooling) -> Array:
    """[B, T, D] -> [B, D]; padded states are zero, and a row without tokens gives zeros."""
    if pooling == "cls":
        return states[:, 0]
    return states.sum(axis=1) / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)


def _padded_length(length: int, max_tokens: int) -> int:
    """The least of 16, 24, 32, 48, 64, 96, ... that holds `length`: beyond 16, less than a third is padding."""
    padded = 16
    while padded < length:
        padded = padded * 3 // 2 if padded & (padded - 1) == 0 else padded * 4 // 3
    return min(padded, max_tokens)


def _distinct(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Each text once, and for every given text its index among those."""
    if isinstance(texts, str):
        raise TypeError("texts: expected a sequence of texts, found one text")
    index = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return list(index), [index[text] for text in texts]


def _check_architecture(config: "BertConfig | RobertaConfig") -> None:
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    for name in (*sizes, "max_position_embeddings", "type_vocab_size"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} is {getattr(config, name)}; expected at least 1")
    if config.model_type == "roberta" and config.pad_token_id is None:
        raise ValueError("pad_token_id is missing; RoBERTa counts positions from it")
    if not 0 <= (first := _first_position(config)) < config.max_position_embeddings:
        raise ValueError(
            f"positions begin at {first}, behind pad_token_id; max_position_embeddings is {config.max_position_embeddings}"
        )
    if config.hidden_size % config.num_attention_heads:
        raise ValueError(
            f"hidden_size {config.hidden_size} is no multiple of num_attention_heads {config.num_attention_heads}"
        )
    if config.hidden_act not in ACTIVATIONS:
        raise ValueError(f"hidden_act is {config.hidden_act!r}; expected one of {', '.join(ACTIVATIONS)}")
    if (positions := getattr(config, "position_embedding_type", "absolute")) != "absolute":
        raise ValueError(f"position_embedding_type is {positions!r}; only 'absolute' is known")
    if config.is_decoder:
        raise ValueError("is_decoder is true; only encoders, which see both sides of a token, are known")
