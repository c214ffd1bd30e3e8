"""Building blocks that several architectures share, written with `keras` and `keras.ops` only."""

import keras
from keras import layers, ops

# Statistics of ImageNet's pixels for the 'caffe' normalization of VGG and ResNet50: channel means in the order blue,
# green, red, and the standard deviation over all channels. Pixels are in [0, 255].
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)
IMAGENET_PIXEL_STD = 58.0
# Channel statistics for the 'torch' normalization, in the order red, green, blue. Pixels are in [0, 1].
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Keras' default of 0.99, and the 0.999 of its MobileNetV2, let the running statistics lag behind the weights for
# hundreds of steps: a model that has already learned still validates at chance.
BATCH_NORM_MOMENTUM = 0.9


def rescale_input(inputs, recipe):
    """Resize raw gray pixels (batch, height, width, 1) to `recipe.input_size` and rescale them to [-1, 1]."""
    return layers.Rescaling(1 / 127.5, offset=-1, name="scale")(_resize(inputs, recipe))


def keras_backbone(application, normalization, inputs, recipe):
    """Return the feature map of a network of `keras.applications`, computed from raw gray pixels.

    The weights come from `recipe.weights_file`. Without a file they are random, as in He et al. (ICCV 2015).

    Args:
        application: Function of `keras.applications` that builds the network.
        normalization: How the network's weights expect their pixels: "caffe" (zero mean), "tf" ([-1, 1]), "torch"
            (zero mean and unit variance per channel) or "own" (the network normalizes by itself).
        inputs: Raw gray pixels in [0, 255], (batch, height, width, 1).
        recipe: The recipe; `input_size` and `weights_file` are read.

    Returns:
        The batch-normalized feature map, (batch, input_size / 32, input_size / 32, channels).
    """
    size = recipe.input_size
    weights = str(recipe.weights_file) if recipe.weights_file else None
    x = _resize(inputs, recipe)
    x = layers.Concatenate(name="grey_to_rgb")([x, x, x])
    if normalization != "own":
        scale, offset = _scale_and_offset(normalization, pretrained=weights is not None)
        x = layers.Rescaling(scale, offset=offset, name=normalization)(x)
    network = application(include_top=False, weights=weights, input_shape=(size, size, 3), name="backbone")
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
        elif weights is None and type(layer) is layers.Conv2D:
            # Keras' default initializer halves the variance of the signal in every layer with a ReLU. A VGG without
            # batch normalization then learns nothing for hundreds of steps.
            layer.kernel.assign(keras.initializers.HeNormal()(layer.kernel.shape))
    # Features of unit variance do not saturate an LSTM, and they separate the nearly equal features that a deep
    # network with random weights gives all images.
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name="features")(network(x))


def insert_layers(network, layer_after):
    """Return a copy of a network of `keras.applications`, weights included, with additional layers.

    Args:
        network: The Keras model.
        layer_after: Function that takes a layer of the network and returns the layer to insert after it, or None.

    Returns:
        The new Keras model; `network` is unchanged.
    """

    def call(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        inserted = layer_after(layer)
        return outputs if inserted is None else inserted(outputs)

    copy = keras.models.clone_model(network, call_function=call)
    for layer in network.layers:
        if layer.weights:
            copied = copy.get_layer(layer.name)
            copied.set_weights(layer.get_weights())
            if isinstance(copied, layers.Normalization):
                copied.finalize_state()  # recomputes the mean and variance that the layer derives from its weights
    return copy


def conv_block(x, filters, convolutions=1):
    """Apply 3×3 convolutions with batch normalization and ReLU, then 2×2 max pooling."""
    for _ in range(convolutions):
        x = conv_bn_relu(x, filters)
    return layers.MaxPooling2D()(x)


def conv_bn_relu(x, filters, kernel_size=3, stride=1):
    """Apply a convolution with batch normalization and ReLU."""
    return layers.ReLU()(_conv_bn(x, filters, kernel_size, stride))


def residual_block(x, filters, stride=1, gate=None):
    """Apply the basic block of He et al. (CVPR 2016): two 3×3 convolutions with batch normalization and a shortcut.

    Args:
        x: Feature map, (batch, height, width, channels).
        filters: Number of output channels.
        stride: Stride of the first convolution and of the shortcut.
        gate: Layer applied to the output of the convolutions before the addition, such as `SqueezeExcitation()`.

    Returns:
        Feature map, (batch, height / stride, width / stride, filters).
    """
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = _conv_bn(x, filters, 1, stride)
    branch = conv_bn_relu(x, filters, stride=stride)
    branch = _conv_bn(branch, filters, 3)
    if gate is not None:
        branch = gate(branch)
    return layers.ReLU()(layers.Add()([shortcut, branch]))


def pooled_head(feature_map, recipe):
    """Apply global average pooling and `classification_head`. Return float32 logits (batch, recipe.classes)."""
    return classification_head(layers.GlobalAveragePooling2D()(feature_map), recipe)


def classification_head(features, recipe):
    """Apply dropout and a dense layer. Return float32 logits (batch, recipe.classes)."""
    x = layers.Dropout(recipe.dropout)(features)
    return layers.Dense(recipe.classes, dtype="float32", name="logits")(x)


def positions_to_sequence(feature_map):
    """Reshape a feature map to the sequence of its positions in reading order: (batch, height·width, channels)."""
    _, height, width, channels = feature_map.shape
    return layers.Reshape((height * width, channels))(feature_map)


def rows_to_sequence(feature_map):
    """Reshape a feature map to the sequence of its rows from top to bottom: (batch, height, width·channels)."""
    _, height, width, channels = feature_map.shape
    return layers.Reshape((height, width * channels))(feature_map)


@keras.saving.register_keras_serializable(package="fer_bench")
class HistogramEqualization(layers.Layer):
    """Equalizes the histogram of each image (batch, height, width, 1) of pixels in [0, 255].

    A pixel becomes the fraction of the pixels that are not brighter, from 0 for the darkest ones to 255 for the
    brightest, as in OpenCV's `equalizeHist`. Pixels are rounded first. A constant image becomes black. A change of
    brightness or contrast before the layer has no effect behind it, as long as it keeps the levels apart.

    A pixel is a row and a column of a 16×16 table of the 256 levels, each as a one-hot vector. The product of the two
    matrices is the histogram, without scattered additions, which not every export has.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)  # bfloat16 has too few digits for pixels that are not whole numbers

    def call(self, inputs):
        height, width = inputs.shape[1:3]
        pixels = ops.clip(ops.round(ops.cast(ops.reshape(inputs, (-1, height * width)), "float32")), 0, 255)
        rows = ops.floor(pixels / 16)
        row = ops.one_hot(ops.cast(rows, "int32"), 16, dtype="float32")
        column = ops.one_hot(ops.cast(pixels - 16 * rows, "int32"), 16, dtype="float32")
        counts = ops.matmul(ops.transpose(row, (0, 2, 1)), column)
        cumulative = ops.cumsum(ops.reshape(counts, (-1, 256)), axis=1)
        darkest = ops.min(ops.where(cumulative > 0, cumulative, height * width), axis=1, keepdims=True)
        scale = 255 / ops.maximum(height * width - darkest, 1)
        levels = ops.round(ops.maximum(cumulative - darkest, 0) * scale)
        equalized = ops.take_along_axis(levels, ops.cast(pixels, "int32"), axis=1)
        return ops.cast(ops.reshape(equalized, (-1, height, width, 1)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="fer_bench")
class SqueezeExcitation(layers.Layer):
    """Multiplies each channel of a feature map by a gate in [0, 2] computed from the channel means.

    Hu et al., Squeeze-and-Excitation Networks, CVPR 2018: two dense layers, the first with `ratio` times fewer units
    than channels, then a sigmoid. Our gate is twice the sigmoid, so that logits of zero change nothing.
    """

    excite_initializer = "glorot_uniform"

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
            channels, kernel_initializer=self.excite_initializer, dtype=self.dtype_policy, name="excite"
        )
        self.squeeze.build((input_shape[0], channels))
        self.excite.build((input_shape[0], units))
        super().build(input_shape)

    def call(self, inputs):
        gate = 2 * ops.sigmoid(self.gate_logits(inputs))
        return inputs * ops.expand_dims(gate, (1, 2))

    def gate_logits(self, inputs):
        """Return the gate before the sigmoid, (batch, channels)."""
        return self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2))))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio}


@keras.saving.register_keras_serializable(package="fer_bench")
class ChannelAttention(SqueezeExcitation):
    """Squeeze-and-excitation on the sum of channel means and maxima, as in CBAM (Woo et al., ECCV 2018).

    The last kernel starts at zero, so that the layer starts as the identity.
    """

    excite_initializer = "zeros"

    def gate_logits(self, inputs):
        maxima = ops.max(inputs, axis=(1, 2))
        return super().gate_logits(inputs) + self.excite(self.squeeze(maxima))


@keras.saving.register_keras_serializable(package="fer_bench")
class SpatialAttention(layers.Layer):
    """Multiplies each position of a feature map by a gate in [0, 2].

    As in CBAM (Woo et al., ECCV 2018), the gate is the sigmoid of a 7×7 convolution over the mean and maximum of the
    channels. Ours is twice the sigmoid with a kernel that starts at zero, so that the layer starts as the identity
    and pretrained features pass unchanged at first.
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
    """Channel attention, then spatial attention (Woo et al., CBAM, ECCV 2018). Starts as the identity."""

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
    """Reduces a sequence (batch, steps, features) to its weighted mean (batch, features).

    The weights are the softmax over steps of v·tanh(W x): additive attention (Bahdanau et al., ICLR 2015) with a
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


def _scale_and_offset(normalization, pretrained):
    """Return the scale and offset that bring raw pixels to the range that the network's weights expect."""
    if normalization == "tf":
        return 1 / 127.5, -1
    if normalization == "torch":
        offsets = [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
        return [1 / (255 * std) for std in IMAGENET_STD], offsets
    # The channels of a gray image are equal, so BGR order changes only the order of the means. Random weights expect
    # no particular scale: they get unit variance.
    scale = 1.0 if pretrained else 1 / IMAGENET_PIXEL_STD
    return scale, [-scale * mean for mean in IMAGENET_MEAN_BGR]


def _conv_bn(x, filters, kernel_size, stride=1):
    """Apply a convolution without bias, initialized as in He et al. (ICCV 2015), and batch normalization."""
    x = layers.Conv2D(filters, kernel_size, stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)


def _resize(inputs, recipe):
    size = recipe.input_size
    if tuple(inputs.shape[1:3]) == (size, size):
        return inputs
    return layers.Resizing(size, size, interpolation="bilinear", name="resize")(inputs)
