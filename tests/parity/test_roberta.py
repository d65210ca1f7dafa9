"""RoBERTa against transformers' PyTorch model, random weights: what it has otherwise than BERT."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from input_pipeline.extraction import extract
from input_pipeline.features import Words
from input_pipeline.recording import PARTICIPANT, Recording, Segment
from jaxdep.models.encoders import ENCODERS
from jaxdep.models.encoders.bert import load_bert, load_sentence_encoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.parity


def save(model_class: type, folder: Path, **changes: object):
    """A random PyTorch model, saved in `folder`; its weights are larger than a fresh one's, so that each of them matters."""
    sizes = {"vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"intermediate_size": 128, "max_position_embeddings": 34, "type_vocab_size": 1}
    torch.manual_seed(0)
    model = model_class(transformers.RobertaConfig(**sizes | changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    assert (folder / "model.safetensors").exists()
    return model


@pytest.mark.parametrize(
    ("head", "changes"),
    [
        ("RobertaModel", {}),
        ("RobertaModel", {"pad_token_id": 0, "layer_norm_eps": 1e-5}),
        ("RobertaForMaskedLM", {}),
        ("RobertaForSequenceClassification", {}),
    ],
)
def test_hidden_states_are_those_of_pytorch(tmp_path, head, changes):
    """As many tokens as there are positions, and fewer."""
    reference = save(getattr(transformers, head), tmp_path, **changes)
    padding = reference.config.pad_token_id
    bert = load_bert(str(tmp_path), "roberta")
    assert bert.max_tokens == 34 - padding - 1
    mask = np.arange(bert.max_tokens)[None] < np.array([bert.max_tokens, 17, 2])[:, None]
    ids = np.where(mask, np.random.default_rng(0).integers(3, 200, mask.shape), padding).astype(np.int32)
    with torch.no_grad():
        encoder = getattr(reference, "roberta", reference)
        inputs = {"input_ids": torch.tensor(ids, dtype=torch.long), "attention_mask": torch.tensor(mask).long()}
        expected = encoder(**inputs).last_hidden_state.numpy()
    found = np.asarray(jax.jit(lambda bert: bert(ids, mask))(bert))
    np.testing.assert_allclose(found[mask], expected[mask], atol=1e-5)
    assert not found[~mask].any()


def test_the_states_of_pieces_are_those_of_pytorch(tmp_path):
    """Byte pairs of vocab.json and merges.txt; a blank text is zeros, though RoBERTa has pieces for blanks."""
    texts = ["i sleep badly", " \n", "tired", "tired i sleep"]
    reference = save(transformers.RobertaModel, tmp_path)
    letters = "abdeilprsty"
    merges = ["s l", "e e", "sl ee", "slee p", "Ġ s", "t i", "ti r", "e d", "tir ed"]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *letters, "Ċ", *(one.replace(" ", "") for one in merges)]
    (tmp_path / "vocab.json").write_text(json.dumps({piece: index for index, piece in enumerate(pieces)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    segments = tuple(Segment(start, start + 1, PARTICIPANT, text) for start, text in enumerate(texts))
    feature = Words(encoder="roberta", checkpoint=str(tmp_path), dim=64)
    (found,) = extract(feature, [Recording("r", "p", "", segments)], encoders=ENCODERS, progress=False)
    expected = []
    for text in texts:
        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = reference(**inputs).last_hidden_state[0, 1:-1].numpy()
        expected.append(states if text.strip() else np.zeros((1, 64), np.float32))
    assert found.lengths.tolist() == [len(states) for states in expected]
    assert len(expected[2]) == 1  # "tired" is merged whole
    np.testing.assert_allclose(found.values, np.concatenate(expected), atol=1e-4)
    vectors = load_sentence_encoder(str(tmp_path), architecture="roberta")(texts)
    assert [bool(vector.any()) for vector in vectors] == [True, False, True, True]
