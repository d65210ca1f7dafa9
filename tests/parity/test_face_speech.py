"""System 5 against the same networks in PyTorch: ResNet against transformers', streams and joint network against torch.nn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from input_pipeline.errors import DataError
from jaxdep.models import Masked, Step
from jaxdep.models.encoders.resnet import SHAPES, ResNet, resnet_parameters
from jaxdep.models.face_speech import AudioNetwork, FaceSpeechNetwork, VisualNetwork
from jaxdep.models.layers.convolution import correlate
from jaxdep.models.layers.pooling import max_pool_overlapping

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
torch_models = pytest.importorskip("jaxdep.benchmark.torch_models")

B, F, SIZE, T, DIM, STEM = 4, 2, 33, 7, 5, 8
TARGET = np.array([0, 1, 1, 0])
CONFIG = FaceSpeechNetwork(
    VisualNetwork(backbone="resnet18", stem=STEM, widths=(9, 7), dropout=0.0, flip=0.0, degrees=0.0, brightness=0.0),
    AudioNetwork(hidden=3, units=4, dropout=0.0),
    widths=(8, 6),
)
INPUTS = {"face": 3, "speech": DIM}


def resnet(depth):
    """A random one of transformers'."""
    shape = SHAPES[depth]
    fields = {
        "hidden_sizes": [64 * 2**stage * shape.expansion for stage in range(4)],
        "depths": list(shape.blocks),
        "layer_type": "basic" if shape.expansion == 1 else "bottleneck",
    }
    return randomized(transformers.ResNetModel(transformers.ResNetConfig(**fields)))


def randomized(model):
    """The model with statistics, scales and shifts that matter."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.0)
                module.bias.normal_(0, 0.2)
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
    return model


def nchw(images):
    return torch.tensor(np.moveaxis(images, -1, 1).copy())


def filled(module, given):
    """`module` with parameters and statistics as given, nested."""
    state = nnx.state(module)
    assert jax.tree.map(np.shape, nnx.to_pure_dict(state)) == jax.tree.map(np.shape, given)
    nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, given))
    nnx.update(module, state)
    return module


@pytest.mark.parametrize(("depth", "size"), [("resnet18", (33, 40)), ("resnet50", (64, 64))])
def test_the_published_network_and_its_statistics_in_training(tmp_path, depth, size):
    torch.manual_seed(0)
    theirs = resnet(depth)
    theirs.save_pretrained(tmp_path, safe_serialization=True)
    ours = filled(ResNet(depth, rngs=nnx.Rngs(0)), resnet_parameters(str(tmp_path), depth))
    count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(ours, nnx.Param)))
    assert count == sum(parameter.numel() for parameter in theirs.parameters())
    images = np.random.default_rng(0).normal(size=(3, *size, 3)).astype(np.float32)
    images *= np.array([1, 4, 16], np.float32)[:, None, None, None]  # else all are alike to fifty layers of noise
    there = jnp.ones(3, bool)
    with torch.no_grad():
        expected = theirs.eval()(nchw(images)).pooler_output[:, :, 0, 0].numpy()
        found = nnx.jit(lambda model: model(images, there, None))(ours)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        assert np.abs(expected[0] - expected[1]).max() > 1e-2 * np.abs(expected).max()
        expected = theirs.train()(nchw(images)).pooler_output[:, :, 0, 0].numpy()
    found = nnx.jit(lambda model: model(images, there, Step(jax.random.key(0), there)))(ours)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    theirs.save_pretrained(tmp_path, safe_serialization=True)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4),
        nnx.to_pure_dict(nnx.state(ours)),
        resnet_parameters(str(tmp_path), depth),
    )


def test_weights_of_a_classifier_are_taken_and_those_of_another_depth_refused(tmp_path):
    torch.manual_seed(0)
    classifier = transformers.ResNetForImageClassification(
        transformers.ResNetConfig(hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic")
    )
    classifier.save_pretrained(tmp_path, safe_serialization=True)
    found = resnet_parameters(str(tmp_path), "resnet18")
    expected = classifier.resnet.embedder.embedder.convolution.weight.detach().numpy()
    np.testing.assert_array_equal(
        found["stem"]["convolution"]["joined"]["kernel"].reshape(7, 7, 3, 64), expected.transpose(2, 3, 1, 0)
    )
    with pytest.raises(DataError, match=r"hidden_sizes is \[64, 128, 256, 512\], of a resnet50 it is \[256"):
        resnet_parameters(str(tmp_path), "resnet50")


@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize(("stride", "size"), [(1, (9, 8)), (2, (9, 8)), (2, (8, 11)), (3, (7, 7)), (2, (1, 2))])
def test_convolutions_with_a_stride_and_their_gradients_are_those_of_conv2d(kernel, stride, size):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, *size, 4)), rng.normal(size=(kernel, kernel, 4, 5))
    x, weight = x.astype(np.float32), weight.astype(np.float32)
    images, kernels = nchw(x).requires_grad_(), torch.tensor(weight.transpose(3, 2, 0, 1).copy(), requires_grad=True)
    expected = torch.nn.functional.conv2d(images, kernels, stride=stride, padding=kernel // 2)
    found, back = jax.vjp(lambda x, weight: correlate(x, weight, stride), x, weight)
    np.testing.assert_allclose(found, np.moveaxis(expected.detach().numpy(), 1, -1), atol=1e-4)
    gradient = rng.normal(size=found.shape).astype(np.float32)
    expected.backward(nchw(gradient))
    of_x, of_weight = back(gradient)
    np.testing.assert_allclose(of_x, np.moveaxis(images.grad.numpy(), 1, -1), atol=1e-4)
    np.testing.assert_allclose(of_weight, kernels.grad.numpy().transpose(2, 3, 1, 0), atol=1e-4)


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (3, 1), (5, 3)])
@pytest.mark.parametrize("extent", [(9, 8), (8, 11), (2, 1)])
def test_overlapping_maxima_and_their_gradient_are_those_of_max_pool2d(size, stride, extent):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *extent, 3)).astype(np.float32)
    images = nchw(x).requires_grad_()
    expected = torch.nn.functional.max_pool2d(images, size, stride, size // 2)
    found, back = jax.vjp(lambda x: max_pool_overlapping(x, size, stride), x)
    np.testing.assert_array_equal(found, np.moveaxis(expected.detach().numpy(), 1, -1))
    gradient = rng.normal(size=found.shape).astype(np.float32)
    expected.backward(nchw(gradient))
    np.testing.assert_allclose(back(gradient)[0], np.moveaxis(images.grad.numpy(), 1, -1), atol=1e-6)


def in_torch():
    """The network of the benchmark, without the second bias of an LSTM, which adds to the first."""
    network = torch_models.FaceSpeech(CONFIG, 3, DIM, 2)
    randomized(network.backbone)
    for name, parameter in network.lstm.named_parameters():
        if name.startswith("bias_hh"):
            parameter.data.zero_()
            parameter.requires_grad_(False)
    return network


def of_linear(layer):
    return {"kernel": layer.weight.detach().numpy().T.copy(), "bias": layer.bias.detach().numpy().copy()}


def as_ours(network, folder):
    """The network's parameters and statistics as our module names and lays them."""
    network.backbone.save_pretrained(folder, safe_serialization=True)
    weight = {name: value.detach().numpy() for name, value in network.lstm.named_parameters()}

    def both(name, layer):
        return weight[f"{name}_l{layer}"], weight[f"{name}_l{layer}_reverse"]

    cells = {
        layer: {
            "input_kernel": np.stack([w.T for w in both("weight_ih", layer)], 1),
            "recurrent_kernel": np.stack([w.T for w in both("weight_hh", layer)]),
            "bias": np.stack(both("bias_ih", layer)),
        }
        for layer in range(2)
    }
    return {
        "visual": {
            "backbone": resnet_parameters(str(folder), "resnet18", STEM),
            "layers": {index: of_linear(layer) for index, layer in enumerate(network.visual)},
        },
        "audio": {"recurrent": {"layers": cells}, "layer": of_linear(network.audio[0])},
        "fusion": {index: of_linear(layer) for index, layer in enumerate(network.fusion)},
        "heads": {"t": of_linear(network.head)},
    }


def test_three_steps_of_adam_and_the_evaluation_behind_them(tmp_path):
    torch.manual_seed(0)
    theirs = in_torch()
    given = as_ours(theirs, tmp_path)
    model = filled(CONFIG.build(INPUTS, {"t": 2}, rngs=nnx.Rngs(params=0)), given)
    graphdef, params, statistics = nnx.split(model, nnx.Param, ...)
    adam, step = optax.adam(1e-3, eps=1e-4), Step(jax.random.key(0), jnp.ones(B, bool))
    moments = adam.init(params)
    rng = np.random.default_rng(0)
    faces = rng.normal(size=(3, B, F, SIZE, SIZE, 3)).astype(np.float32)
    speech = rng.normal(size=(3, B, T, DIM)).astype(np.float32)

    def features(index):
        return {
            "face": Masked(jnp.asarray(faces[index]), jnp.ones((B, F), bool)),
            "speech": Masked(jnp.asarray(speech[index]), jnp.ones((B, T), bool)),
        }

    @jax.jit
    def gradient(params, statistics, features):
        def objective(params):
            model = nnx.merge(graphdef, params, statistics, copy=True)
            logits = model(features, step=step).logits["t"]
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, TARGET).mean()
            return loss, (logits, nnx.state(model, nnx.BatchStat))

        return jax.grad(objective, has_aux=True)(params)

    torch_adam = torch.optim.Adam([p for p in theirs.parameters() if p.requires_grad], lr=1e-3, eps=1e-4)
    for index in range(3):
        of_params, (found, statistics) = gradient(params, statistics, features(index))
        expected = theirs(torch.tensor(faces[index]), torch.tensor(speech[index]))[0]
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5 if index == 0 else 1e-4)
        torch_adam.zero_grad()
        torch.nn.functional.cross_entropy(expected, torch.from_numpy(TARGET)).backward()
        torch_adam.step()
        updates, moments = adam.update(of_params, moments)
        params = optax.apply_updates(params, updates)
    after = as_ours(theirs.eval(), tmp_path)
    model = nnx.merge(graphdef, params, statistics)
    expected = theirs(torch.tensor(faces[0]), torch.tensor(speech[0]))[0]
    np.testing.assert_allclose(model(features(0)).logits["t"], expected.detach().numpy(), atol=2e-4)
    far = jax.tree.map(lambda x, y: float(np.abs(x - y).max()), nnx.to_pure_dict(nnx.state(model)), after)
    assert max(jax.tree.leaves(far)) < 2e-3, far
