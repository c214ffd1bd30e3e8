"""Convolutional networks of our own, trained from random weights."""

from architectures.layers import conv_block, pooled_classifier, scaled
from fer_bench.architecture import register_architecture


@register_architecture("cnn", family="cnn", reference_speed=295, recipe={"dropout": 0.4, "label_smoothing": 0.05})
def cnn(inputs, recipe):
    """Seven 3×3 convolutions of 32 to 256 filters with batch normalisation, global average pooling. Ours.

    One convolution alone at full resolution: a second there costs a quarter of the training time.
    """
    x = conv_block(scaled(inputs, recipe), 32)
    for filters in (64, 128, 256):
        x = conv_block(x, filters, convolutions=2)
    return pooled_classifier(x, recipe)
