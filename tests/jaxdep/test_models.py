"""The models: padding changes neither outputs nor gradients; keys; what they return."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from input_pipeline.config import ConfigError
from jaxdep.models import Masked
from jaxdep.models.bilstm_cnn import JointNetwork, SpeechNetwork, TextNetwork
from jaxdep.models.emotion_transfer import DirectAudio, DirectText, EmotionAudio

pytestmark = pytest.mark.usefixtures("quick_compilation")

DIM, OUTPUTS = 3, {"depressed": 2, "score": 1}
EMOTION = {"width": 8, "taps": ((-1, 2),), "frame_dim": 8, "attention_units": 4, "head_sharpness": (1.0, 0.2)}
MODELS = {
    **{f"text, {pooling}": DirectText("audio", 4, pooling, 0.3) for pooling in ("final", "mean", "max", "mean_std")},
    **{f"audio, {pooling}": DirectAudio("audio", 3, 4, pooling, 0.3) for pooling in ("final", "mean")},
    **{
        f"emotion, {edges}": EmotionAudio(edges=edges, output_dropout=0.3, **EMOTION)
        for edges in ("valid", "replicate")
    },
}
_TEXT = TextNetwork("text", hidden=4, channels=6, units=5)
_SPEECH = SpeechNetwork(channels=(6, 4), hidden=4, units=8, pool=2)
MODELS |= {
    "LSTM-CNN, text": dataclasses.replace(_TEXT, feature="audio", bidirectional=False),
    "Bi-LSTM, text": dataclasses.replace(_TEXT, feature="audio", channels=0, pooling="max"),
    "CNN, speech": dataclasses.replace(_SPEECH, hidden=0),
    "LSTM-CNN, speech": _SPEECH,
    "joint": JointNetwork(_TEXT, _SPEECH, units=8),
}
CASES = pytest.mark.parametrize("name", MODELS)


@functools.cache
def built(name):
    model = MODELS[name].build({"audio": DIM, "text": DIM}, OUTPUTS, rngs=nnx.Rngs(params=jax.random.key(1)))
    return nnx.split(model)


@functools.cache
def compiled(name):
    """(features, key=None) -> outputs."""
    graphdef, state = built(name)
    return jax.jit(lambda features, key=None: nnx.merge(graphdef, state, copy=True)(features, key=key))


def batch(name, extra=0):
    """Random frames behind the mask: a model must not look there. With `extra` there are more of them."""
    lengths = np.array([[9, 5, 7], [6, 8, 0], [4, 0, 0]]) if name.startswith("audio") else np.array([9, 6, 5])
    mask = np.arange(9 + extra) < lengths[..., None]
    if extra and lengths.ndim == 2:
        mask = np.pad(mask, [(0, 0), (0, 2), (0, 0)])
    values = np.random.default_rng(extra).normal(size=(*mask.shape, DIM))
    values[mask] = np.random.default_rng(99).normal(size=(mask.sum(), DIM))
    audio = Masked(jnp.asarray(values, jnp.float32), jnp.asarray(mask))
    return {"audio": audio} | ({"text": audio} if name == "joint" else {})


def objective(graphdef):
    def loss(state, features):
        outputs = nnx.merge(graphdef, state, copy=True)(features)
        values = [*outputs.logits.values(), outputs.penalty[:, None]]
        return sum(jnp.sin(value).sum() for value in values), outputs

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


@CASES
def test_more_padding_changes_neither_outputs_nor_gradients(name):
    graphdef, state = built(name)
    take = objective(graphdef)
    (_, few), gradient = take(state, batch(name))
    (_, many), gradient_of_many = take(state, batch(name, extra=4))
    for task in OUTPUTS:
        np.testing.assert_allclose(many.logits[task], few.logits[task], atol=1e-5)
    np.testing.assert_allclose(many.penalty, few.penalty, atol=1e-5)
    for found, expected in zip(jax.tree.leaves(gradient_of_many), jax.tree.leaves(gradient), strict=True):
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(found, expected, atol=1e-5)


@CASES
def test_an_example_does_not_depend_on_its_batch(name):
    model, features = compiled(name), batch(name)
    whole = model(features).logits["depressed"]
    alone = model(jax.tree.map(lambda x: x[1:2], features)).logits["depressed"]
    np.testing.assert_allclose(alone[0], whole[1], atol=1e-5)
    assert not np.allclose(whole[0], whole[1], atol=1e-4)


@CASES
def test_dropout_follows_its_key_and_is_off_without_one(name):
    model, features = compiled(name), batch(name)
    plain, again = (model(features).logits["depressed"] for _ in range(2))
    first, same, other = (model(features, key=jax.random.key(i)).logits["depressed"] for i in (0, 0, 1))
    np.testing.assert_array_equal(plain, again)
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)
    assert not np.allclose(first, plain)


@CASES
def test_shapes_of_outputs(name):
    outputs = compiled(name)(batch(name))
    assert {task: logits.shape for task, logits in outputs.logits.items()} == {"depressed": (3, 2), "score": (3, 1)}
    assert outputs.penalty.shape == (3,)
    assert all(value.shape[0] == 3 for value in outputs.intermediates.values())
    if name.startswith("emotion"):
        assert outputs.intermediates["emotion"].shape == (3, 8)
        assert (outputs.penalty > 0).all()
        np.testing.assert_allclose(outputs.intermediates["attention"].sum(-1), 1, atol=1e-6)
    else:
        assert (outputs.penalty == 0).all()


@CASES
def test_a_model_owns_parameters_alone(name):
    _, parameters, rest = nnx.split(nnx.merge(*built(name)), nnx.Param, ...)
    assert jax.tree.leaves(parameters)
    assert not jax.tree.leaves(rest)


def test_empty_segments_at_the_end_of_a_session_change_nothing():
    model = compiled("audio, mean")
    features = batch("audio, mean")["audio"]
    whole = model({"audio": features}).logits["depressed"]
    short = model({"audio": Masked(features.values[2:, :1], features.mask[2:, :1])}).logits["depressed"]
    np.testing.assert_allclose(short[0], whole[2], atol=1e-5)


@pytest.mark.parametrize("missing", ["text", "speech"])
def test_a_missing_modality_adds_a_zero_vector_and_finite_gradients(missing):
    graphdef, state = built("joint")
    features = batch("joint")
    feature = {"text": "text", "speech": "audio"}[missing]
    values, mask = features[feature]
    absent = Masked(values.at[1].set(jnp.nan), mask.at[1].set(False))
    (_, found), gradient = objective(graphdef)(state, features | {feature: absent})
    assert not found.intermediates[missing][1].any()
    assert found.intermediates[missing][0].any()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, gradient)))
    present = compiled("joint")(features)
    for task in OUTPUTS:
        np.testing.assert_allclose(found.logits[task][::2], present.logits[task][::2], atol=1e-5)
        assert not np.allclose(found.logits[task][1], present.logits[task][1])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (TextNetwork(kernel=4), "kernel: an odd number of frames, found 4"),
        (TextNetwork(hidden=0), "hidden: at least 1"),
        (TextNetwork(channels=-1), "channels: 0 or more"),
        (SpeechNetwork(pool=0), "pool: at least 1"),
        (SpeechNetwork(hidden=-1), "hidden: 0 or more"),
        (SpeechNetwork(channels=(8, 0)), "channels: at least 1 each"),
        (SpeechNetwork(channels=(), hidden=0), "hidden: 0 leaves out the LSTM"),
        (JointNetwork(speech=SpeechNetwork(pool=0)), r"config\.speech\.pool: at least 1"),
        (JointNetwork(text=TextNetwork(dtype="bfloat16")), r"text\.dtype: set the joint network's"),
    ],
)
def test_a_wrong_size_is_refused(config, words):
    with pytest.raises(ConfigError, match=words):
        config.freeze()
