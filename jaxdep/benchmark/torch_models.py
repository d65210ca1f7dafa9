"""The networks of `systems.SYSTEMS` in PyTorch: what a competent user would write. tests/parity holds them to ours.

Each takes the features of a batch without padding and returns the logits of each task, then the penalty; padded batches
without packing are what lets cuDNN choose its persistent kernels.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel

from jaxdep.models import amm
from jaxdep.models.bilstm_cnn import JointNetwork as JointNetworkConfig
from jaxdep.models.depaudionet import DepAudioNet as DepAudioNetConfig
from jaxdep.models.emoaudionet import EmoAudioNet as EmoAudioNetConfig
from jaxdep.models.emotion_transfer import DirectAudio, DirectText
from jaxdep.models.emotion_transfer import EmotionAudio as EmotionAudioConfig
from jaxdep.models.encoders.resnet import SHAPES
from jaxdep.models.face_speech import FaceSpeechNetwork


class BiLSTM(nn.Module):
    """`DirectText`: a bi-LSTM over segments, their mean, a linear decision."""

    def __init__(self, config: DirectText, dim: int, classes: int):
        super().__init__()
        self.lstm = nn.LSTM(dim, config.hidden, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * config.hidden, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, T, D]."""
        return self.head(self.lstm(x)[0].mean(1)), x.new_zeros(())


class TwoLevelBiGRU(nn.Module):
    """`DirectAudio`: a bi-GRU over the frames of each segment, their mean, the same over segments, a decision."""

    def __init__(self, config: DirectAudio, dim: int, classes: int):
        super().__init__()
        self.frames = nn.GRU(dim, config.frame_hidden, bidirectional=True, batch_first=True)
        self.segments = nn.GRU(2 * config.frame_hidden, config.segment_hidden, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * config.segment_hidden, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, U, T, D]."""
        segments = self.frames(x.flatten(0, 1))[0].mean(1).unflatten(0, x.shape[:2])
        return self.head(self.segments(segments)[0].mean(1)), x.new_zeros(())


class EmotionAudio(nn.Module):
    """`EmotionAudio`: dilated convolutions with residual blocks, attentive pooling, three dense layers."""

    def __init__(self, config: EmotionAudioConfig, dim: int, classes: int):
        super().__init__()
        self.config = config
        width, frame, heads = config.width, config.frame_dim, len(config.head_sharpness)
        reach = max(config.splice)
        dilated = [nn.Conv1d(width, width, 2, dilation=after - before) for before, after in config.taps]
        first = nn.Conv1d(dim, width, len(config.splice), padding=reach, padding_mode="replicate")
        self.layers = nn.ModuleList([first, *dilated])
        self.inner = nn.ModuleList([nn.Linear(width, width) for _ in self.layers])
        self.outer = nn.ModuleList([nn.Linear(width, width) for _ in self.layers])
        self.biases = nn.ParameterList([torch.ones(width) for _ in self.layers])
        self.frame = nn.Linear(width, frame)
        self.W1 = nn.Linear(frame, config.attention_units, bias=False)
        self.W2 = nn.Linear(config.attention_units, heads, bias=False)
        self.emotion = nn.Linear(heads * frame, frame)
        self.fusion = nn.Linear(frame, frame)
        self.head = nn.Linear(frame, classes)
        self.sharpness = nn.Buffer(torch.tensor(config.head_sharpness), persistent=False)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The emotion feature [B, F] and the attention [B, heads, T] of x [B, T, D]."""
        drop = nn.functional.dropout
        blocks: Sequence[Any] = list(zip(self.layers, self.inner, self.outer, self.biases, strict=True))
        for layer, inner, outer, bias in blocks:
            x = layer(x.transpose(1, 2)).relu().transpose(1, 2)
            x = drop(outer(inner(x).relu()) + x + bias, self.config.dropout, self.training).relu()
        frames = self.frame(x)
        attention = self.W2(torch.tanh(self.W1(frames))).softmax(dim=1).transpose(1, 2)
        pooled = drop((attention @ frames).flatten(1), self.config.head_dropout, self.training)
        return self.emotion(pooled).relu(), attention

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, T, D]."""
        emotion, attention = self.features(x)
        target = torch.where(self.sharpness > 0, self.sharpness, 1 / attention.shape[2])
        off = (attention @ attention.transpose(1, 2)).float() - target.diag()
        penalty = self.config.penalty_weight * (off**2).sum((1, 2))
        dropped = nn.functional.dropout(emotion, self.config.output_dropout, self.training)
        return self.head(self.fusion(dropped).relu()), penalty.mean()


class JointNetwork(nn.Module):
    """`JointNetwork` at its defaults: bi-LSTM and convolution on words, convolutions and LSTM on frames, three FC."""

    def __init__(self, config: JointNetworkConfig, text_dim: int, speech_dim: int, classes: int):
        super().__init__()
        self.config = config
        text, speech = config.text, config.speech
        self.words = nn.LSTM(text_dim, text.hidden, bidirectional=True, batch_first=True)
        self.convolution = nn.Conv1d(2 * text.hidden, text.channels, text.kernel, padding="same")
        self.text = nn.Linear(text.channels, text.units)
        widths = (speech_dim, *speech.channels)
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(*width, speech.kernel, padding="same") for width in pairwise(widths)]
        )
        self.frames = nn.LSTM(widths[-1], speech.hidden, batch_first=True)
        self.speech = nn.Linear(speech.hidden, speech.units)
        self.joint = nn.Linear(text.units + speech.units, config.units)
        self.head = nn.Linear(config.units, classes)

    def forward(self, words: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """words [B, T, D], frames [B, T, D]; activations follow the maxima, which they leave where they are."""
        config, functional = self.config, nn.functional
        text = self.convolution(self.words(words)[0].transpose(1, 2)).amax(2).relu()
        x = frames.transpose(1, 2)
        for convolution in self.convolutions:
            x = functional.elu(functional.max_pool1d(convolution(x), config.speech.pool, ceil_mode=True))
        speech = self.frames(x.transpose(1, 2))[0].mean(1)
        text = functional.dropout(self.text(text).relu(), config.text.dropout, self.training)
        speech = functional.dropout(functional.elu(self.speech(speech)), config.speech.dropout, self.training)
        joint = self.joint(torch.cat([text, speech], 1)).relu()
        return self.head(functional.dropout(joint, config.dropout, self.training)), words.new_zeros(())


class DepAudioNet(nn.Module):
    """`DepAudioNet`: a convolution, batch norm, maxima, LSTMs, a decision on their last state."""

    def __init__(self, config: DepAudioNetConfig, dim: int, classes: int):
        super().__init__()
        self.config = config
        self.convolution = nn.Conv1d(dim, config.channels, config.kernel, padding="same")
        self.norm = nn.BatchNorm1d(config.channels)
        self.pool = nn.MaxPool1d(config.pool, ceil_mode=True)
        self.lstm = nn.LSTM(config.channels, config.hidden, config.layers, batch_first=True)
        self.head = nn.Linear(config.hidden, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, T, D]; the ReLU follows the maxima, which it leaves where they are."""
        pooled = self.pool(self.norm(self.convolution(x.transpose(1, 2)))).relu()
        dropped = nn.functional.dropout(pooled, self.config.dropout, self.training)
        return self.head(self.lstm(dropped.transpose(1, 2))[0][:, -1]), x.new_zeros(())


class EmoAudioNet(nn.Module):
    """`EmoAudioNet` with the layers in the code's order: two-dimensional convolutions beside one-dimensional ones."""

    def __init__(self, config: EmoAudioNetConfig, channels: int, dim: int, classes: int):
        super().__init__()
        image, vector = config.spectrogram, config.mfcc

        def planes(width: int) -> list[nn.Module]:
            return [nn.Conv2d(width, image.channels, image.kernel, padding="same"), nn.ReLU()]

        def line(width: int) -> list[nn.Module]:
            return [nn.Conv1d(width, vector.channels, vector.kernel, padding="same"), nn.ReLU()]

        def drop() -> nn.Module:
            return nn.Dropout(image.dropout)

        inner = image.channels
        first = [*planes(channels), *planes(inner), drop(), nn.MaxPool2d(image.pool), *planes(inner)]
        second = [*planes(inner), *planes(inner), drop(), *planes(inner), drop(), nn.MaxPool2d(image.pool)]
        self.spectrogram = nn.Sequential(*first, *second, nn.Flatten())
        pooled = [nn.Dropout(vector.dropout), nn.MaxPool1d(vector.pool), nn.Flatten()]
        self.mfcc = nn.Sequential(*line(1), *line(vector.channels), *pooled)
        left = (image.image_size // image.pool // image.pool) ** 2
        self.head = nn.Linear(left * inner + dim // vector.pool * vector.channels, classes)

    def forward(self, image: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """image [B, H, W, C], vector [B, D]."""
        joint = torch.cat([self.spectrogram(image.permute(0, 3, 1, 2)), self.mfcc(vector[:, None])], 1)
        return self.head(joint), image.new_zeros(())


class Asking(nn.Module):
    """Multi-head attention of one vector on the states of something else."""

    def __init__(self, query: int, keys: int, heads: int, head_dim: int, scale: float):
        super().__init__()
        self.heads, self.scale = heads, scale
        self.query, self.key, self.value = (nn.Linear(dim, heads * head_dim, bias=False) for dim in (query, keys, keys))

    def forward(self, query: Tensor, states: Tensor) -> Tensor:
        """query [B, Q], states [B, T, K] -> [B, heads * head_dim]."""
        every = (self.query(query)[:, None], self.key(states), self.value(states))
        Q, K, V = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in every)
        return nn.functional.scaled_dot_product_attention(Q, K, V, scale=self.scale).flatten(1)


class AMM(nn.Module):
    """`AMM` of words, zones and colours with both attentions in their form "sequence", for two tasks."""

    def __init__(self, config: amm.AMM, text_dim: int, image_dim: int, colour_dim: int, *classes: int):
        super().__init__()
        self.config = config
        width, hidden, units = config.heads * config.head_dim, config.task_hidden, config.attention_units
        text, image = 2 * config.hidden, config.image_hidden
        self.words = nn.GRU(text_dim, config.hidden, bidirectional=True, batch_first=True)
        self.zones = nn.GRU(image_dim, image, batch_first=True)
        self.pooling = nn.ModuleList(
            [nn.Sequential(nn.Linear(dim, units), nn.Tanh(), nn.Linear(units, 1, bias=False)) for dim in (text, image)]
        )
        pairs, scale = ((text, image + colour_dim), (image + colour_dim, text)), config.head_dim**-0.5
        self.fusion = nn.ModuleList([Asking(*pair, config.heads, config.head_dim, scale) for pair in pairs])
        self.readers = nn.ModuleList([nn.LSTM(width, hidden, batch_first=True) for _ in classes])
        self.between = nn.ModuleList([Asking(hidden, hidden, 1, hidden, 1.0) for _ in classes])
        self.heads = nn.ModuleList([nn.Linear(hidden, count) for count in classes])

    def forward(self, words: Tensor, zones: Tensor, colours: Tensor) -> tuple[Tensor, ...]:
        """words [B, T, D], zones [B, N, D], colours [B, C]."""

        def drop(x: Tensor) -> Tensor:
            return nn.functional.dropout(x, self.config.dropout, self.training)

        text, image = self.words(words)[0], self.zones(zones)[0]
        of_text, of_image = (
            (pool(states).softmax(1) * states).sum(1) for pool, states in zip(self.pooling, (text, image), strict=True)
        )
        image = torch.cat([image, colours[:, None].expand(-1, image.shape[1], -1)], 2)
        of_text, of_image = drop(of_text), drop(torch.cat([of_image, colours], 1))
        fused = torch.stack([self.fusion[0](of_text, image), self.fusion[1](of_image, text)], 1).relu()
        first, second = (reader(fused)[0] for reader in self.readers)
        answers = (self.between[0](first[:, -1], second), self.between[1](second[:, -1], first))
        logits = (head(drop(answer)) for head, answer in zip(self.heads, answers, strict=True))
        return (*logits, words.new_zeros(()))


class FaceSpeech(nn.Module):
    """`FaceSpeechNetwork` without augmentation, its backbone transformers' ResNet."""

    def __init__(self, config: FaceSpeechNetwork, channels: int, dim: int, classes: int):
        super().__init__()
        self.config = config
        visual, audio = config.visual, config.audio
        shape = SHAPES[visual.backbone]
        widths = [visual.stem * 2**stage * shape.expansion for stage in range(len(shape.blocks))]
        self.backbone = ResNetModel(
            ResNetConfig(
                num_channels=channels,
                embedding_size=visual.stem,
                hidden_sizes=widths,
                depths=list(shape.blocks),
                layer_type="basic" if shape.expansion == 1 else "bottleneck",
            )
        )
        self.visual = self._layers(widths[-1], *visual.widths)
        self.lstm = nn.LSTM(dim, audio.hidden, num_layers=audio.layers, bidirectional=True, batch_first=True)
        self.audio = self._layers(4 * audio.hidden, audio.units)
        self.fusion = self._layers(visual.widths[-1] + audio.units, *config.widths)
        self.head = nn.Linear(config.widths[-1], classes)

    def _layers(self, *widths: int) -> nn.ModuleList:
        return nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, faces: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """faces [B, F, H, W, C], speech [B, T, D]."""

        def drop(x: Tensor) -> Tensor:
            return nn.functional.dropout(x, self.config.visual.dropout, self.training)

        visual = self.backbone(faces.flatten(0, 1).permute(0, 3, 1, 2)).pooler_output.flatten(1)
        for number, layer in enumerate(self.visual):
            visual = layer(drop(visual) if number else visual).relu()
        visual = visual.unflatten(0, faces.shape[:2]).mean(1)
        states, _ = self.lstm(speech)
        audio = self.audio[0](torch.cat([states.mean(1), states.std(1, correction=0)], 1)).relu()
        joint = torch.cat([drop(visual), drop(audio)], 1)
        for layer in self.fusion:
            joint = layer(joint).relu()
        return self.head(joint), faces.new_zeros(())
