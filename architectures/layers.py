"""Blocks that several architectures share: raw pixels in, attention, logits out. On keras and keras.ops alone."""

import keras
from keras import layers, ops

# Channel means of ImageNet in the order blue, green, red: the 'caffe' normalisation of the VGGs and ResNet50.
IMAGENET_MEANS_BGR = (103.939, 116.779, 123.68)
IMAGENET_DEVIATION = 58.0  # of its pixels, all channels

# Share of the old running mean and variance that a step of training keeps. Keras' default of 0.99, and the 0.999 of
# its MobileNetV2, lag behind the weights for hundreds of steps: a model that has learnt then validates at chance.
MOMENTUM = 0.9


def scaled(inputs, recipe):
    """Raw grey pixels (batch, height, width, 1) to [-1, 1] at recipe.input_size."""
    return layers.Rescaling(1 / 127.5, offset=-1, name="scale")(_resized(inputs, recipe))


def backbone(application, normalisation, inputs, recipe):
    """The feature map of a network of keras.applications, from raw grey pixels, normalised as it was trained.

    `normalisation` is 'caffe' (zero mean, BGR) or 'tf' ([-1, 1]). Weights come from recipe.weights_file; without one
    they are random, by He et al. (ICCV 2015). Returns it batch-normalised: (batch, height / 32, width / 32, channels).
    """
    x = _resized(inputs, recipe)
    x = layers.Concatenate(name="grey_to_rgb")([x, x, x])
    if normalisation == "caffe":
        # Grey has equal channels, so turning RGB into BGR changes nothing but the order of the means. Random weights
        # have no scale to be true to: they get unit variance.
        scale = 1.0 if recipe.weights_file else 1 / IMAGENET_DEVIATION
        x = layers.Rescaling(scale, offset=[-scale * mean for mean in IMAGENET_MEANS_BGR], name="caffe")(x)
    else:
        x = layers.Rescaling(1 / 127.5, offset=-1, name="tf")(x)
    side = recipe.input_size
    weights = str(recipe.weights_file) if recipe.weights_file else None
    network = application(include_top=False, weights=weights, input_shape=(side, side, 3), name="backbone")
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
        elif weights is None and type(layer) is layers.Conv2D:
            # Keras' own initialisation halves the signal's variance in every layer with a ReLU: a VGG without batch
            # normalisation then stands still for hundreds of steps.
            layer.kernel.assign(keras.initializers.HeNormal()(layer.kernel.shape))
    # Whatever the network's scale, what follows gets features of unit variance: an LSTM is not saturated by them, and
    # the nearly equal features that a deep random network gives all images are told apart.
    return layers.BatchNormalization(momentum=MOMENTUM, name="features")(network(x))


def conv_block(x, filters, convolutions=1):
    """3×3 convolutions with batch normalisation and ReLU, then 2×2 max pooling."""
    for _ in range(convolutions):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM)(x)
        x = layers.ReLU()(x)
    return layers.MaxPooling2D()(x)


def pooled_classifier(feature_map, recipe):
    """Global average pooling, then the classifier."""
    return classifier(layers.GlobalAveragePooling2D()(feature_map), recipe)


def classifier(features, recipe):
    """Dropout and a dense layer to float32 logits (batch, recipe.classes)."""
    x = layers.Dropout(recipe.dropout)(features)
    return layers.Dense(recipe.classes, dtype="float32", name="logits")(x)


def positions(feature_map):
    """A feature map (batch, height, width, channels) as a sequence in reading order (batch, height·width, channels)."""
    _, height, width, channels = feature_map.shape
    return layers.Reshape((height * width, channels))(feature_map)


def rows(feature_map):
    """A feature map as a sequence of its rows, from top to bottom (batch, height, width·channels)."""
    _, height, width, channels = feature_map.shape
    return layers.Reshape((height, width * channels))(feature_map)


@keras.saving.register_keras_serializable(package="fer_bench")
class SpatialAttention(layers.Layer):
    """Gates each position of a feature map by a weight in [0, 2]; starts as the identity.

    The gate is a 7×7 convolution over the channels' mean and maximum, as in CBAM (Woo et al., ECCV 2018), here
    twice a sigmoid of a kernel that starts at zero, so that pretrained features pass unchanged at first.
    """

    def __init__(self, kernel_size=7, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.convolution = layers.Conv2D(1, kernel_size, padding="same", kernel_initializer="zeros", name="gate")

    def build(self, input_shape):
        self.convolution.build((*input_shape[:-1], 2))
        super().build(input_shape)

    def call(self, inputs):
        mean = ops.mean(inputs, axis=-1, keepdims=True)
        maximum = ops.max(inputs, axis=-1, keepdims=True)
        gate = self.convolution(ops.concatenate([mean, maximum], axis=-1))
        return inputs * (2 * ops.sigmoid(gate))

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package="fer_bench")
class AttentionPooling(layers.Layer):
    """Weighted mean of a sequence (batch, steps, features) to (batch, features).

    The weights are a softmax over steps of v·tanh(W x): additive attention (Bahdanau et al., ICLR 2015) with a
    learned query.
    """

    def __init__(self, units=64, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.projection = layers.Dense(units, activation="tanh", name="projection")
        self.score = layers.Dense(1, use_bias=False, name="score")

    def build(self, input_shape):
        self.projection.build(input_shape)
        self.score.build((*input_shape[:-1], self.units))
        super().build(input_shape)

    def call(self, inputs):
        weights = ops.softmax(self.score(self.projection(inputs)), axis=1)
        return ops.sum(weights * inputs, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _resized(inputs, recipe):
    side = recipe.input_size
    if tuple(inputs.shape[1:3]) == (side, side):
        return inputs
    return layers.Resizing(side, side, interpolation="bilinear", name="resize")(inputs)
