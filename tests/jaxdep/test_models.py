"""The models: padding changes neither outputs nor gradients; keys; what they return."""

import dataclasses
import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from input_pipeline.config import ConfigError
from jaxdep.models import Masked, Step
from jaxdep.models.amm import AMM
from jaxdep.models.amm_baselines import HAN, RCNN, BertCNN, BiGRUNetwork, MHABiLSTM, MultimodalDCNN, PictureCNN
from jaxdep.models.bilstm_cnn import JointNetwork, SpeechNetwork, TextNetwork
from jaxdep.models.depaudionet import DepAudioNet
from jaxdep.models.emoaudionet import EmoAudioNet, MfccCNN, SpectrogramCNN
from jaxdep.models.emotion_transfer import DirectAudio, DirectText, EmotionAudio, EmotionAudioText, EmotionText
from jaxdep.models.face_speech import AudioNetwork, FaceSpeechNetwork, VisualNetwork
from jaxdep.models.layers.draws import shared_over
from jaxdep.models.multimodal_transformer import MultimodalTransformer

pytestmark = pytest.mark.usefixtures("quick_compilation")

DIM, OUTPUTS = 3, {"depressed": 2, "score": 1}
INPUTS = {"audio": DIM, "text": DIM, "image": 3, "mfcc": 11, "face": 3}
EMOTION = {"width": 8, "taps": ((-1, 2),), "frame_dim": 8, "attention_units": 4, "head_sharpness": (1.0, 0.0)}
EMOTION |= {"head_dropout": 0.5}
UTTERANCES = EmotionText(text_dim=5, attention_units=4, head_sharpness=(1.0, 0.2, 0.0), fusion_dim=6, dropout=0.3)
MODELS = {
    **{f"text, {pooling}": DirectText("audio", 4, pooling, 0.3) for pooling in ("final", "mean", "max", "mean_std")},
    **{f"audio, {pooling}": DirectAudio("audio", 3, 4, pooling, 0.3) for pooling in ("final", "mean")},
    **{
        f"emotion, {edges}": EmotionAudio(edges=edges, output_dropout=0.3, **EMOTION)
        for edges in ("valid", "replicate")
    },
    "emotion, utterances": UTTERANCES,
    "emotion, utterances by position": dataclasses.replace(UTTERANCES, position="bias", reach=2),
    "emotion, frames and utterances": EmotionAudioText(EmotionAudio(**EMOTION), UTTERANCES, fusion_dim=6),
}
_TEXT = TextNetwork("text", hidden=4, channels=6, units=5)
_SPEECH = SpeechNetwork(channels=(6, 4), hidden=4, units=8, pool=2)
_IMAGE = SpectrogramCNN(channels=4, pool=2, image_size=9, dropout=0.3)
_AMM = AMM(
    image="audio", colour="mfcc", hidden=4, image_hidden=3, attention_units=4, heads=2, head_dim=3, task_hidden=4
)
_AMM = dataclasses.replace(_AMM, initializer="uniform_0.5")
_PICTURE = PictureCNN("image", channels=(4, 4, 5), image_size=9, units=6)
_TRANSFORMER = MultimodalTransformer(image="audio", width=8, heads=2, layers=2, memory_layers=1)
_VECTOR = MfccCNN(channels=4, pool=2, dropout=0.3)
MODELS |= {
    "LSTM-CNN, text": dataclasses.replace(_TEXT, feature="audio", bidirectional=False),
    "Bi-LSTM, text": dataclasses.replace(_TEXT, feature="audio", channels=0, pooling="max"),
    "CNN, speech": dataclasses.replace(_SPEECH, hidden=0),
    "LSTM-CNN, speech": _SPEECH,
    "joint": JointNetwork(_TEXT, _SPEECH, units=8),
    "DepAudioNet": DepAudioNet(channels=6, hidden=4, pool=2, dropout=0.3),
    "CNN, image": dataclasses.replace(_IMAGE, order="paper"),
    "CNN, vector": _VECTOR,
    "EmoAudioNet": EmoAudioNet(_IMAGE, _VECTOR),
    "AMM": _AMM,
    "AMM, literal": dataclasses.replace(_AMM, form="literal"),
    "AMM, no attention": dataclasses.replace(_AMM, inter_modal=False, inter_task=False),
    "DCNN": MultimodalDCNN(picture=_PICTURE, channels=(4, 5), units=6),
    "DCNN, clip": MultimodalDCNN(
        picture=dataclasses.replace(_PICTURE, feature="audio", layout="sequence"), channels=(4, 5), units=6
    ),
    "BiGRU": BiGRUNetwork(image="audio", hidden=4, image_hidden=3),
    "audio, HAN": HAN("audio", hidden=3, attention_units=4),
    "MHA-BiLSTM": MHABiLSTM(hidden=3, attention_units=4, heads=2),
    "BERT": BertCNN("text", picture=_PICTURE),
    "RCNN": RCNN("text", hidden=3, units=5),
    "transformer": _TRANSFORMER,
}
_VISUAL = VisualNetwork(backbone="resnet18", stem=4, widths=(6, 5), dropout=0.3)
_SPEECH_STREAM = AudioNetwork("audio", hidden=3, units=4, dropout=0.3)
MODELS |= {
    "faces": _VISUAL,
    "faces, bottlenecks": dataclasses.replace(_VISUAL, backbone="resnet50", stem=2),
    "speech stream": _SPEECH_STREAM,
    "faces and speech": FaceSpeechNetwork(_VISUAL, _SPEECH_STREAM, widths=(7, 6)),
}
SLOW = {  # of each, every part is in a model beside it
    "text, mean",
    "text, max",
    "audio, final",
    "emotion, valid",
    "emotion, replicate",
    "emotion, utterances",
    "LSTM-CNN, text",
    "Bi-LSTM, text",
    "CNN, speech",
    "LSTM-CNN, speech",
    "CNN, image",
    "CNN, vector",
    "AMM, no attention",
    "AMM, literal",
    "faces",  # compiling it takes half a minute; parity is tested always
    "faces, bottlenecks",
    "faces and speech",
    "DCNN, clip",
    "BiGRU",
    "BERT",
    "MHA-BiLSTM",
    "RCNN",
    "transformer",
}
CASES = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in MODELS]
)


@functools.cache
def built(name):
    model = MODELS[name].build(INPUTS, OUTPUTS, rngs=nnx.Rngs(params=jax.random.key(1)))
    return nnx.split(model)


@functools.cache
def compiled(name):
    """(features, step=None) -> outputs."""
    graphdef, state = built(name)
    return jax.jit(lambda features, step=None: nnx.merge(graphdef, state, copy=True)(features, step=step))


def padded(lengths, extra=0):
    """Random vectors behind the mask: a model must not look there. With `extra` there are more of them."""
    mask = np.arange(9 + extra) < lengths[..., None]
    if extra and lengths.ndim == 2:
        mask = np.pad(mask, [(0, 0), (0, 2), (0, 0)])
    values = np.random.default_rng(extra).normal(size=(*mask.shape, DIM))
    values[mask] = np.random.default_rng(99).normal(size=(mask.sum(), DIM))
    return Masked(jnp.asarray(values, jnp.float32), jnp.asarray(mask))


def whole(shape, extra):
    """Of three examples the last has none, and behind its mask is anything, with `extra` anything else."""
    values = np.random.default_rng(extra).normal(size=(3, *shape))
    values[:2] = np.random.default_rng(99).normal(size=(2, *shape))
    return Masked(jnp.asarray(values, jnp.float32), jnp.array([True, True, False]))


def frames(extra):
    """Of two examples two frames and one, of the last none; more frames and what lies behind the mask by `extra`."""
    values = np.random.default_rng(extra).normal(size=(3, 2 + (extra > 0), 9, 9, INPUTS["face"]))
    mask = np.zeros(values.shape[:2], bool)
    mask[0, :2], mask[1, 0] = True, True
    values[mask] = np.random.default_rng(99).normal(size=(3, *values.shape[2:]))
    return Masked(jnp.asarray(values, jnp.float32), jnp.asarray(mask))


def batch(name, extra=0):
    lengths = np.array([[9, 5, 7], [6, 8, 0], [4, 0, 0]]) if name.startswith("audio,") else np.array([9, 6, 5])
    features = {"audio": padded(lengths, extra), "text": padded(lengths, extra)}
    features |= {"image": whole((9, 9, INPUTS["image"]), extra), "mfcc": whole((INPUTS["mfcc"],), extra)}
    features["face"] = frames(extra)
    if name.startswith("emotion"):
        values, mask = padded(np.array([9, 7, 5]), extra)
        features["text"] = Masked(values.at[1, 5:7].set(0), mask)  # the second dialogue ends after one more utterance
    return {feature: features[feature] for feature in MODELS[name].takes()}


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
    steps = [Step(jax.random.key(i), jnp.ones(3, bool)) for i in (0, 0, 1)]
    first, same, other = (model(features, step).logits["depressed"] for step in steps)
    np.testing.assert_array_equal(plain, again)
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)
    assert not np.allclose(first, plain)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_an_example_is_dropped_alike_where_its_batch_is_shared(name):
    graphdef, state = built(name)
    features, step = batch(name), Step(jax.random.key(0), jnp.ones(3, bool))
    expected = compiled(name)(features, step).logits["depressed"]

    @jax.jit
    @partial(jax.vmap, axis_name="data")
    def of_share(features):
        with shared_over("data"):
            shared = step._replace(valid=jnp.ones(1, bool), axis="data")
            return nnx.merge(graphdef, state, copy=True)(features, step=shared).logits["depressed"]

    shares = of_share(jax.tree.map(lambda x: x[:, None], features))
    np.testing.assert_allclose(shares[:, 0], expected, atol=1e-4)


@CASES
def test_shapes_of_outputs(name):
    outputs = compiled(name)(batch(name))
    assert {task: logits.shape for task, logits in outputs.logits.items()} == {"depressed": (3, 2), "score": (3, 1)}
    assert outputs.penalty.shape == (3,)
    assert all(value.shape[0] == 3 for value in outputs.intermediates.values())
    if name.startswith("emotion"):
        found = dict(outputs.intermediates)
        dims = {"audio": 8, "text": 3 * 5}
        assert found.pop("emotion").shape == (3, sum(dims[feature] for feature in MODELS[name].takes()))
        assert (outputs.penalty > 0).all()
        assert found.keys() == {f"{feature}_attention" for feature in MODELS[name].takes()}
        for attention in found.values():
            np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-6)
    else:
        assert (outputs.penalty == 0).all()


@CASES
def test_a_model_owns_parameters_and_batch_statistics_alone(name):
    _, parameters, _, rest = nnx.split(nnx.merge(*built(name)), nnx.Param, nnx.BatchStat, ...)
    assert jax.tree.leaves(parameters)
    assert not jax.tree.leaves(rest)


def test_empty_segments_at_the_end_of_a_session_change_nothing():
    model = compiled("audio, mean")
    features = batch("audio, mean")["audio"]
    whole = model({"audio": features}).logits["depressed"]
    short = model({"audio": Masked(features.values[2:, :1], features.mask[2:, :1])}).logits["depressed"]
    np.testing.assert_allclose(short[0], whole[2], atol=1e-5)


@pytest.mark.parametrize(
    ("config", "dim"), [(EmotionAudio(), 128), (EmotionText(), 5 * 64), (EmotionAudioText(), 128 + 5 * 64)]
)
def test_the_emotion_feature_has_the_papers_dimensions(config, dim):
    def emotion(features):
        model = config.build({"audio": 80, "text": 768}, OUTPUTS, rngs=nnx.Rngs(params=0))
        return model(features).intermediates["emotion"]

    shapes = {"audio": (2, 118, 80), "text": (2, 7, 768)}
    features = {name: Masked(jnp.zeros(shape), jnp.ones(shape[:2], bool)) for name, shape in shapes.items()}
    assert jax.eval_shape(emotion, features).shape == (2, dim)


def test_both_branches_together_are_what_they_are_alone():
    joint = nnx.merge(*built("emotion, frames and utterances"))
    alone = {name: nnx.merge(*built(name)) for name in ("emotion, valid", "emotion, utterances")}
    alone["emotion, valid"].audio, alone["emotion, utterances"].text = joint.audio, joint.text
    features = batch("emotion, frames and utterances")
    found, audio, text = (jax.jit(model)(features) for model in (joint, *alone.values()))
    emotion = [audio.intermediates["emotion"], text.intermediates["emotion"]]
    np.testing.assert_allclose(found.intermediates["emotion"], jnp.concatenate(emotion, axis=1), atol=1e-6)
    np.testing.assert_allclose(found.penalty, audio.penalty + text.penalty, atol=1e-6)


@pytest.mark.parametrize("edges", ["valid", "replicate"])
def test_silent_and_short_utterances_give_numbers(edges):
    """Frames of one whole utterance, none and a single one, which is less than the context of four."""
    config = EmotionAudioText(EmotionAudio(edges=edges, **EMOTION), UTTERANCES)
    graphdef, state = nnx.split(config.build(INPUTS, OUTPUTS, rngs=nnx.Rngs(params=1)))
    text = jax.tree.map(lambda x: jnp.repeat(x[:1], 3, axis=0), padded(np.array([7])))
    (_, found), gradient = objective(graphdef)(state, {"audio": padded(np.array([9, 0, 1])), "text": text})
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, gradient)))
    heard = found.intermediates["audio_attention"].sum(-1)
    np.testing.assert_allclose(heard, np.array([[1], [0], [edges == "replicate"]]).repeat(2, 1), atol=1e-6)
    assert np.allclose(found.logits["depressed"][1], found.logits["depressed"][2]) == (edges == "valid")


@pytest.mark.parametrize("name", ["emotion, utterances", "emotion, utterances by position"])
def test_no_attention_goes_where_no_utterance_is(name):
    values, mask = padded(np.array([7, 7, 5]))
    values = values.at[0, :3].set(0).at[1:, :7].set(0)  # the first begins its dialogue, the others have no words at all
    weights = compiled(name)({"text": Masked(values, mask)}).intermediates["text_attention"]
    np.testing.assert_array_equal(weights[0] > 0, np.tile((np.arange(9) >= 3) & (np.arange(9) < 7), (3, 1)))
    np.testing.assert_allclose(weights[0].sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(weights[1:], np.eye(9)[[3, 2]][:, None].repeat(3, 1), atol=1e-6)  # the middle one


def test_only_a_bias_tells_the_current_utterance_from_its_neighbours():
    def logits(name, position, features):
        graphdef, state = built(name)
        model = nnx.merge(graphdef, state, copy=True)
        if position is not None:
            model.text.position.numbers[...] = position
        return jax.jit(model)({"text": features}).logits["depressed"]

    values, mask = batch("emotion, utterances")["text"]
    whole = Masked(values[:1], mask[:1])  # nine utterances
    reordered = Masked(jnp.roll(whole.values, 2, axis=1), whole.mask)
    plain, by_position = "emotion, utterances", "emotion, utterances by position"
    zeros, numbers = jnp.zeros((5, 3)), jax.random.normal(jax.random.key(0), (5, 3))
    for name, position in ((plain, None), (by_position, zeros)):
        expected = logits(name, position, whole)
        np.testing.assert_allclose(logits(name, position, reordered), expected, atol=1e-6)
    assert not np.allclose(logits(by_position, numbers, reordered), logits(by_position, numbers, whole), atol=1e-3)


@pytest.mark.parametrize("utterances", [1, 3, 7, 9])
def test_the_bias_is_of_the_distance_from_the_middle_in_any_context(utterances):
    """Of equal utterances the attention is the softmax of the numbers at their distances, -2 .. 2 and as many beyond."""
    model = nnx.merge(*built("emotion, utterances by position"))
    numbers = jax.random.normal(jax.random.key(0), (5, 3))
    model.text.position.numbers[...] = numbers
    values, mask = jnp.ones((1, 9, DIM)), jnp.arange(9)[None] < utterances
    found = jax.jit(model)({"text": Masked(values, mask)}).intermediates["text_attention"][0, :, :utterances]
    expected = {
        1: [2],
        3: [1, 2, 3],
        7: [0, 0, 1, 2, 3, 4, 4],
        9: [0, 0, 0, 1, 2, 3, 4, 4, 4],
    }[utterances]
    np.testing.assert_allclose(found, jax.nn.softmax(numbers[jnp.array(expected)].T), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "missing", "feature"),
    [
        ("joint", "text", "text"),
        ("joint", "speech", "audio"),
        ("EmoAudioNet", "spectrogram", "image"),
        ("EmoAudioNet", "mfcc", "mfcc"),
        ("AMM", "text", "text"),
        ("AMM", "image", "audio"),
        pytest.param("faces and speech", "visual", "face", marks=pytest.mark.slow),
        pytest.param("faces and speech", "audio", "audio", marks=pytest.mark.slow),
        ("DCNN", "text", "text"),
        ("DCNN", "image", "image"),
        ("BiGRU", "image", "audio"),
        pytest.param("transformer", "text", "text", marks=pytest.mark.slow),
        pytest.param("transformer", "image", "audio", marks=pytest.mark.slow),
    ],
)
def test_a_missing_modality_adds_a_zero_vector_and_finite_gradients(name, missing, feature):
    graphdef, state = built(name)
    features = batch(name)
    values, mask = features[feature]
    absent = Masked(values.at[1].set(jnp.nan), mask.at[1].set(False))
    (_, found), gradient = objective(graphdef)(state, features | {feature: absent})
    assert not found.intermediates[missing][1].any()
    assert found.intermediates[missing][0].any()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, gradient)))
    present = compiled(name)(features)
    for task in OUTPUTS:
        np.testing.assert_allclose(found.logits[task][::2], present.logits[task][::2], atol=1e-5)
        assert not np.allclose(found.logits[task][1], present.logits[task][1])


@pytest.mark.parametrize("order", ["code", "paper"])
def test_the_vectors_of_emoaudionet_have_the_papers_dimensions(order):
    def vectors(features):
        model = EmoAudioNet(SpectrogramCNN(order=order)).build(
            {"image": 3, "mfcc": 177}, OUTPUTS, rngs=nnx.Rngs(params=0)
        )
        return model(features).intermediates

    shapes = {"image": (2, 224, 224, 3), "mfcc": (2, 177)}
    features = {
        name: Masked(jax.ShapeDtypeStruct(shape, jnp.float32), jnp.ones(2, bool)) for name, shape in shapes.items()
    }
    found = {name: vector.shape for name, vector in jax.eval_shape(vectors, features).items()}
    assert found == {"spectrogram": (2, 1152), "mfcc": (2, 2816), "joint": (2, 1152 + 2816)}


def test_images_of_another_size_and_vectors_shorter_than_a_pooling_are_named():
    graphdef, state = built("EmoAudioNet")
    features = batch("EmoAudioNet")
    larger = Masked(jnp.zeros((3, 10, 9, 3)), jnp.ones(3, bool))
    with pytest.raises(ConfigError, match=r"^image_size: the images of 'image' are 10x9 pixels, expected 9x9$"):
        nnx.merge(graphdef, state, copy=True)(features | {"image": larger})
    dcnn, features = nnx.merge(*built("DCNN")), batch("DCNN")
    with pytest.raises(ConfigError, match=r"^image_size: the images of 'image' are 10x9 pixels, expected 9x9$"):
        dcnn(features | {"image": larger})
    with pytest.raises(ConfigError, match=r"^pool: 2 is more than the 1 places of 'mfcc'$"):
        _VECTOR.build({"mfcc": 1}, OUTPUTS, rngs=nnx.Rngs(params=0))


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
        (DepAudioNet(kernel=2), "kernel: an odd number of frames, found 2"),
        (DepAudioNet(layers=0), "layers: at least 1, found 0"),
        (EmotionText(text_dim=0), "text_dim: at least 1"),
        (EmotionText(reach=-1), "reach: 0 or more utterances, found -1"),
        (EmotionAudioText(audio=EmotionAudio(dropout=1.0)), r"config\.audio\.dropout: a rate"),
        (EmotionAudioText(audio=EmotionAudio(dtype="bfloat16")), r"config\.audio\.dtype: set dtype beside"),
        (EmotionAudioText(text=EmotionText(fusion_dim=64)), r"text\.fusion_dim: set fusion_dim beside .* it is 128"),
        (JointNetwork(speech=SpeechNetwork(pool=0)), r"config\.speech\.pool: at least 1"),
        (JointNetwork(text=TextNetwork(dtype="bfloat16")), r"text\.dtype: set the joint network's"),
        (SpectrogramCNN(image_size=63), "image_size: two poolings by 8 need 64 pixels or more, found 63"),
        (SpectrogramCNN(channels=0), "channels: at least 1, found 0"),
        (MfccCNN(kernel=4), "kernel: an odd number, found 4"),
        (EmoAudioNet(mfcc=MfccCNN(pool=0)), r"config\.mfcc\.pool: at least 1"),
        (AMM(text="", image=""), r"config\.text: neither text nor image is given; name one of the two features"),
        (AMM(text="", gender="gender"), r"config\.gender: it stands beside text, which is left out"),
        (AMM(heads=0), r"config\.heads: at least 1, found 0"),
        (MultimodalDCNN(channels=()), r"config\.channels: one convolution or more"),
        (
            MultimodalDCNN(picture=PictureCNN(image_size=7)),
            r"picture\.image_size: .* 6 convolutions leave nothing of 7",
        ),
        (BertCNN(picture=PictureCNN(channels=(4, 0))), r"picture\.channels: .* found \(4, 0\)"),
        (BertCNN(picture=PictureCNN(units=0)), r"picture\.units: at least 1, found 0"),
        (MHABiLSTM(heads=0), r"config\.heads: at least 1, found 0"),
        (MultimodalTransformer(layers=0), r"config\.layers: at least 1, found 0"),
        (MultimodalTransformer(width=36), r"config\.width: an even number that 8 heads divide, found 36"),
        (EmoAudioNet(SpectrogramCNN(dtype="bfloat16")), r"spectrogram\.dtype: set the joint network's"),
    ],
)
def test_a_wrong_size_is_refused(config, words):
    with pytest.raises(ConfigError, match=words):
        config.freeze()


def test_amm_attends_between_two_tasks_alone():
    with pytest.raises(ConfigError, match=r"^tasks: attention between tasks is between two, found a, b, c$"):
        AMM().build({"text": 3, "image": 3}, {"a": 2, "b": 2, "c": 2}, rngs=nnx.Rngs(params=0))
