"""Bags of visual words: local descriptors sorted into the clusters of the training split's, and counted."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import MiniBatchKMeans

from input_pipeline.batching import Examples, vectors_of
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError


class VisualWords:
    """The visual words of one feature (Csurka et al. 2004): clusters by k-means of the vectors of those who train.

    Args:
        count: how many words.
        seed: of the clusters' first centres, and of the batches that move them.

    Raises:
        ConfigError: the feature's values are indices.
    """

    def __init__(self, examples: Examples, feature: str, count: int, seed: int):
        if examples.buckets[0].features[feature].values.dtype.kind == "i":
            raise ConfigError(
                f"visual_words: the values of {feature!r} are indices, not vectors; count another feature"
            )
        self.feature, self.count, self.seed, self.n_groups = feature, count, seed, len(examples.group_ids)
        found, groups = [], []
        for bucket in examples.buckets:
            for row, values, mask in zip(bucket.rows, *bucket.features[feature], strict=True):
                found.append(vectors_of(values, mask))
                groups.append(np.full(len(found[-1]), examples.groups[row]))
        self.vectors, self.groups = np.concatenate(found), np.concatenate(groups)

    def shares(self, train: Int[np.ndarray, " n"]) -> Float[np.ndarray, "G count"]:
        """Of each recording's vectors the share in each word; zeros where it has none.

        Args:
            train: the recordings whose vectors make the words.

        Raises:
            DataError: these have fewer different vectors than there are to be words.
        """
        known = self.vectors[np.isin(self.groups, train)]
        if len(different := np.unique(known, axis=0)) < self.count:
            raise DataError(
                f"visual_words: {self.count} words of {self.feature!r} are asked for, and the training split has "
                f"{len(different)} different vectors; ask for fewer"
            )
        clusters = MiniBatchKMeans(self.count, random_state=self.seed, n_init=1, batch_size=4096).fit(known)
        counts = np.zeros((self.n_groups, self.count))
        np.add.at(counts, (self.groups, clusters.predict(self.vectors)), 1)
        return counts / np.maximum(counts.sum(1, keepdims=True), 1)
