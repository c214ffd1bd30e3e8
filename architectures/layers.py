"""Blocks that several architectures share: raw pixels in, attention, logits out. On keras and keras.ops alone."""

import keras
from keras import layers, ops

# Channel means of ImageNet in the order blue, green, red: the 'caffe' normalisation of the VGGs and ResNet50.
IMAGENET_MEANS_BGR = (103.939, 116.779, 123.68)
IMAGENET_DEVIATION = 58.0  # of its pixels, all channels
# Its channels' means and deviations in the order red, green, blue, of pixels in [0, 1]: 'torch'.
IMAGENET_MEANS = (0.485, 0.456, 0.406)
IMAGENET_DEVIATIONS = (0.229, 0.224, 0.225)

# Share of the old running mean and variance that a step of training keeps. Keras' default of 0.99, and the 0.999 of
# its MobileNetV2, lag behind the weights for hundreds of steps: a model that has learnt then validates at chance.
MOMENTUM = 0.9


def scaled(inputs, recipe):
    """Raw grey pixels (batch, height, width, 1) to [-1, 1] at recipe.input_size."""
    return layers.Rescaling(1 / 127.5, offset=-1, name="scale")(_resized(inputs, recipe))


def backbone(application, normalisation, inputs, recipe):
    """The feature map of a network of keras.applications, from raw grey pixels, normalised as it was trained.

    `application` builds the network; `normalisation` is 'caffe' (zero mean, BGR), 'tf' ([-1, 1]), 'torch' (zero mean
    and unit deviation of each channel) or 'own' (the network does it). Weights come from recipe.weights_file; without
    one they are random, by He et al. (ICCV 2015). Returns it batch-normalised: (batch, height / 32, width / 32,
    channels).
    """
    side = recipe.input_size
    weights = str(recipe.weights_file) if recipe.weights_file else None
    x = _resized(inputs, recipe)
    x = layers.Concatenate(name="grey_to_rgb")([x, x, x])
    if normalisation != "own":
        scale, offset = _affine(normalisation, pretrained=weights is not None)
        x = layers.Rescaling(scale, offset=offset, name=normalisation)(x)
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


def insert_layers(network, following):
    """A copy of a network of keras.applications, weights and all, with layers of ours between its own.

    `following(layer)` returns the layer that is to come after one of the network's, None for none.
    """

    def call(layer, *arguments, **keywords):
        outputs = layer(*arguments, **keywords)
        inserted = following(layer)
        return outputs if inserted is None else inserted(outputs)

    copy = keras.models.clone_model(network, call_function=call)
    for layer in network.layers:
        if layer.weights:
            copied = copy.get_layer(layer.name)
            copied.set_weights(layer.get_weights())
            if isinstance(copied, layers.Normalization):
                copied.finalize_state()  # it computes with what it derives from its weights
    return copy


def conv_block(x, filters, convolutions=1):
    """3×3 convolutions with batch normalisation and ReLU, then 2×2 max pooling."""
    for _ in range(convolutions):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM)(x)
        x = layers.ReLU()(x)
    return layers.MaxPooling2D()(x)


def residual_block(x, filters, stride=1, gate=None):
    """Two 3×3 convolutions with batch normalisation beside a shortcut: the basic block of He et al. (CVPR 2016).

    `gate` is a layer for the convolutions' output before the addition.
    """
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = _normalised_conv(x, filters, 1, stride)
    branch = layers.ReLU()(_normalised_conv(x, filters, 3, stride))
    branch = _normalised_conv(branch, filters, 3)
    if gate is not None:
        branch = gate(branch)
    return layers.ReLU()(layers.Add()([shortcut, branch]))


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
class SqueezeExcitation(layers.Layer):
    """Gates each channel of a feature map by a weight in [0, 2] from the channels' means.

    Two dense layers with `ratio` times fewer units between them, then a sigmoid: Hu et al., Squeeze-and-Excitation
    Networks, CVPR 2018. Ours is twice the sigmoid, so that a gate at rest changes nothing.
    """

    last_kernel = "glorot_uniform"

    def __init__(self, ratio=16, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, input_shape):
        channels = input_shape[-1]
        units = max(1, channels // self.ratio)
        self.squeeze = layers.Dense(
            units, activation="relu", kernel_initializer="he_normal", dtype=self.dtype_policy, name="squeeze"
        )
        self.excite = layers.Dense(
            channels, kernel_initializer=self.last_kernel, dtype=self.dtype_policy, name="excite"
        )
        self.squeeze.build((input_shape[0], channels))
        self.excite.build((input_shape[0], units))
        super().build(input_shape)

    def call(self, inputs):
        gate = 2 * ops.sigmoid(self.logits(inputs))
        return inputs * ops.expand_dims(gate, (1, 2))

    def logits(self, inputs):
        """What the sigmoid is taken of: (batch, channels)."""
        return self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2))))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio}


@keras.saving.register_keras_serializable(package="fer_bench")
class ChannelAttention(SqueezeExcitation):
    """Squeeze-and-excitation of the channels' means and maxima, added; starts as the identity.

    As in CBAM (Woo et al., ECCV 2018), with a last kernel that starts at zero.
    """

    last_kernel = "zeros"

    def logits(self, inputs):
        maxima = ops.max(inputs, axis=(1, 2))
        return super().logits(inputs) + self.excite(self.squeeze(maxima))


@keras.saving.register_keras_serializable(package="fer_bench")
class SpatialAttention(layers.Layer):
    """Gates each position of a feature map by a weight in [0, 2]; starts as the identity.

    The gate is a 7×7 convolution over the channels' mean and maximum, as in CBAM (Woo et al., ECCV 2018), here
    twice a sigmoid of a kernel that starts at zero, so that pretrained features pass unchanged at first.
    """

    def __init__(self, kernel_size=7, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.convolution = layers.Conv2D(
            1, kernel_size, padding="same", kernel_initializer="zeros", dtype=self.dtype_policy, name="gate"
        )

    def build(self, input_shape):
        self.convolution.build((*input_shape[:-1], 2))
        super().build(input_shape)

    def call(self, inputs):
        mean = ops.mean(inputs, axis=-1, keepdims=True)
        maximum = ops.max(inputs, axis=-1, keepdims=True)
        gate = self.convolution(ops.concatenate([mean, maximum], axis=-1))
        return inputs * (2 * ops.sigmoid(gate))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package="fer_bench")
class CBAM(layers.Layer):
    """Channel attention, then spatial attention; starts as the identity. Woo et al., CBAM, ECCV 2018."""

    def __init__(self, ratio=16, kernel_size=7, **kwargs):
        super().__init__(**kwargs)
        self.channels = ChannelAttention(ratio, dtype=self.dtype_policy, name="channels")
        self.positions = SpatialAttention(kernel_size, dtype=self.dtype_policy, name="positions")

    def build(self, input_shape):
        self.channels.build(input_shape)
        self.positions.build(input_shape)
        super().build(input_shape)

    def call(self, inputs):
        return self.positions(self.channels(inputs))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        sizes = {"ratio": self.channels.ratio, "kernel_size": self.positions.kernel_size}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable(package="fer_bench")
class AttentionPooling(layers.Layer):
    """Weighted mean of a sequence (batch, steps, features) to (batch, features).

    The weights are a softmax over steps of v·tanh(W x): additive attention (Bahdanau et al., ICLR 2015) with a
    learned query.
    """

    def __init__(self, units=64, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.projection = layers.Dense(units, activation="tanh", dtype=self.dtype_policy, name="projection")
        self.score = layers.Dense(1, use_bias=False, dtype=self.dtype_policy, name="score")

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


def _affine(normalisation, pretrained):
    """Factor and offsets from raw pixels to those that a network's weights were trained on."""
    if normalisation == "tf":
        return 1 / 127.5, -1
    if normalisation == "torch":
        offsets = [-mean / deviation for mean, deviation in zip(IMAGENET_MEANS, IMAGENET_DEVIATIONS, strict=True)]
        return [1 / (255 * deviation) for deviation in IMAGENET_DEVIATIONS], offsets
    # Grey has equal channels, so turning RGB into BGR changes nothing but the order of the means. Random weights have
    # no scale to be true to: they get unit variance.
    scale = 1.0 if pretrained else 1 / IMAGENET_DEVIATION
    return scale, [-scale * mean for mean in IMAGENET_MEANS_BGR]


def _normalised_conv(x, filters, size, stride=1):
    x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=MOMENTUM)(x)


def _resized(inputs, recipe):
    side = recipe.input_size
    if tuple(inputs.shape[1:3]) == (side, side):
        return inputs
    return layers.Resizing(side, side, interpolation="bilinear", name="resize")(inputs)
