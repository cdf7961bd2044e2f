"""InceptionResnetV1 written down once more, as a TensorFlow 1 training graph looks after facenet's freeze script.

Batch norm is not folded; a `phase_train` placeholder switches between the batch's statistics and the moving ones.
Written independently of `camwatch.engine.inception_resnet`, so that the two can be compared.
"""

from typing import Any

import numpy as np
import tensorflow as tf

R = "InceptionResnetV1"


class SlimGraph:
    """Builds the graph into the current default graph; `fused` chooses between TensorFlow's two batch norms."""

    def __init__(self, *, fused: bool, gamma: bool = False, size: int = 512, epsilon: float = 0.001) -> None:
        self.rng = np.random.default_rng(7)
        self.fused, self.gamma, self.epsilon = fused, gamma, epsilon
        self.phase_train = tf.compat.v1.placeholder(tf.bool, (), name="phase_train")
        self.input = tf.compat.v1.placeholder(tf.float32, (None, 160, 160, 3), name="input")
        self.embeddings = self.network(self.input, size)

    def variable(self, name: str, value: Any) -> Any:
        constant = tf.constant(np.asarray(value, np.float32), name=name)
        return tf.identity(constant, name=f"{name}/read")

    def batch_norm(self, net: Any, scope: str) -> Any:
        size = net.shape[-1]
        beta = self.variable(f"{scope}/beta", self.rng.normal(0, 0.3, size))
        mean = self.variable(f"{scope}/moving_mean", self.rng.normal(0, 0.3, size))
        variance = self.variable(f"{scope}/moving_variance", self.rng.uniform(0.5, 2, size))
        if self.gamma:
            gamma = self.variable(f"{scope}/gamma", self.rng.uniform(0.5, 1.5, size))
        else:
            gamma = tf.ones(size, name=f"{scope}/Const")
        if not self.fused:
            scale = tf.math.rsqrt(
                tf.add(
                    variance,
                    tf.constant(self.epsilon, name=f"{scope}/batchnorm/add/y"),
                    name=f"{scope}/batchnorm/add",
                )
            )
            if self.gamma:
                scale = tf.multiply(scale, gamma, name=f"{scope}/batchnorm/mul")
            return net * scale + (beta - mean * scale)
        flat = len(net.shape) == 2
        if flat:
            net = tf.reshape(net, (-1, 1, 1, size))
        ops = tf.raw_ops
        off, on = [], []
        for value in (net, gamma, beta, mean, variance):
            sides = ops.Switch(data=value, pred=self.phase_train)
            off.append(sides.output_false)
            on.append(sides.output_true)
        nothing = tf.zeros(0)
        train = ops.FusedBatchNorm(
            x=on[0],
            scale=on[1],
            offset=on[2],
            mean=nothing,
            variance=nothing,
            epsilon=self.epsilon,
            name=f"{scope}/cond/FusedBatchNorm",
        )
        infer = ops.FusedBatchNorm(
            x=off[0],
            scale=off[1],
            offset=off[2],
            mean=off[3],
            variance=off[4],
            epsilon=self.epsilon,
            is_training=False,
            name=f"{scope}/cond/FusedBatchNorm_1",
        )
        net = ops.Merge(inputs=[infer.y, train.y], name=f"{scope}/cond/Merge").output
        return tf.reshape(net, (-1, size)) if flat else net

    def weights(self, name: str, *shape: int) -> Any:
        values = self.rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        # what all activations have in common must not pass, or every picture would get nearly the same embedding
        return self.variable(name, values - values.mean(axis=tuple(range(len(shape) - 1)), keepdims=True))

    def conv(
        self, net: Any, scope: str, out: int, height: int, width: int, stride: int = 1, padding: str = "SAME"
    ) -> Any:
        weights = self.weights(f"{scope}/weights", height, width, net.shape[-1], out)
        net = tf.nn.conv2d(net, weights, stride, padding, name=f"{scope}/Conv2D")
        return tf.nn.relu(self.batch_norm(net, f"{scope}/BatchNorm"))

    def residual(self, net: Any, scope: str, branches: list[Any], scale: float, relu: bool = True) -> Any:
        mixed = tf.concat(branches, 3)
        scope_1x1 = f"{scope}/Conv2d_1x1"
        weights = self.weights(f"{scope_1x1}/weights", 1, 1, mixed.shape[-1], net.shape[-1])
        up = tf.nn.conv2d(mixed, weights, 1, "SAME", name=f"{scope_1x1}/Conv2D")
        biases = self.variable(f"{scope_1x1}/biases", self.rng.normal(0, 0.3, net.shape[-1]))
        up = tf.nn.bias_add(up, biases, name=f"{scope_1x1}/BiasAdd")
        net = net + tf.multiply(tf.constant(scale, name=f"{scope}/mul/x"), up, name=f"{scope}/mul")
        return tf.nn.relu(net) if relu else net

    def block35(self, net: Any, s: str) -> Any:
        a = self.conv(net, f"{s}/Branch_0/Conv2d_1x1", 32, 1, 1)
        b = self.conv(net, f"{s}/Branch_1/Conv2d_0a_1x1", 32, 1, 1)
        b = self.conv(b, f"{s}/Branch_1/Conv2d_0b_3x3", 32, 3, 3)
        c = self.conv(net, f"{s}/Branch_2/Conv2d_0a_1x1", 32, 1, 1)
        c = self.conv(c, f"{s}/Branch_2/Conv2d_0b_3x3", 32, 3, 3)
        c = self.conv(c, f"{s}/Branch_2/Conv2d_0c_3x3", 32, 3, 3)
        return self.residual(net, s, [a, b, c], 0.17)

    def crossed(self, net: Any, s: str, out: int, length: int, scale: float, relu: bool = True) -> Any:
        a = self.conv(net, f"{s}/Branch_0/Conv2d_1x1", out, 1, 1)
        b = self.conv(net, f"{s}/Branch_1/Conv2d_0a_1x1", out, 1, 1)
        b = self.conv(b, f"{s}/Branch_1/Conv2d_0b_1x{length}", out, 1, length)
        b = self.conv(b, f"{s}/Branch_1/Conv2d_0c_{length}x1", out, length, 1)
        return self.residual(net, s, [a, b], scale, relu)

    def network(self, net: Any, size: int) -> Any:
        net = self.conv(net, f"{R}/Conv2d_1a_3x3", 32, 3, 3, 2, "VALID")
        net = self.conv(net, f"{R}/Conv2d_2a_3x3", 32, 3, 3, 1, "VALID")
        net = self.conv(net, f"{R}/Conv2d_2b_3x3", 64, 3, 3)
        net = tf.nn.max_pool2d(net, 3, 2, "VALID")
        net = self.conv(net, f"{R}/Conv2d_3b_1x1", 80, 1, 1, 1, "VALID")
        net = self.conv(net, f"{R}/Conv2d_4a_3x3", 192, 3, 3, 1, "VALID")
        net = self.conv(net, f"{R}/Conv2d_4b_3x3", 256, 3, 3, 2, "VALID")
        for i in range(1, 6):
            net = self.block35(net, f"{R}/Repeat/block35_{i}")
        s = f"{R}/Mixed_6a"
        a = self.conv(net, f"{s}/Branch_0/Conv2d_1a_3x3", 384, 3, 3, 2, "VALID")
        b = self.conv(net, f"{s}/Branch_1/Conv2d_0a_1x1", 192, 1, 1)
        b = self.conv(b, f"{s}/Branch_1/Conv2d_0b_3x3", 192, 3, 3)
        b = self.conv(b, f"{s}/Branch_1/Conv2d_1a_3x3", 256, 3, 3, 2, "VALID")
        net = tf.concat([a, b, tf.nn.max_pool2d(net, 3, 2, "VALID")], 3)
        for i in range(1, 11):
            net = self.crossed(net, f"{R}/Repeat_1/block17_{i}", 128, 7, 0.1)
        s = f"{R}/Mixed_7a"
        a = self.conv(net, f"{s}/Branch_0/Conv2d_0a_1x1", 256, 1, 1)
        a = self.conv(a, f"{s}/Branch_0/Conv2d_1a_3x3", 384, 3, 3, 2, "VALID")
        b = self.conv(net, f"{s}/Branch_1/Conv2d_0a_1x1", 256, 1, 1)
        b = self.conv(b, f"{s}/Branch_1/Conv2d_1a_3x3", 256, 3, 3, 2, "VALID")
        c = self.conv(net, f"{s}/Branch_2/Conv2d_0a_1x1", 256, 1, 1)
        c = self.conv(c, f"{s}/Branch_2/Conv2d_0b_3x3", 256, 3, 3)
        c = self.conv(c, f"{s}/Branch_2/Conv2d_1a_3x3", 256, 3, 3, 2, "VALID")
        net = tf.concat([a, b, c, tf.nn.max_pool2d(net, 3, 2, "VALID")], 3)
        for i in range(1, 6):
            net = self.crossed(net, f"{R}/Repeat_2/block8_{i}", 192, 3, 0.2)
        net = self.crossed(net, f"{R}/Block8", 192, 3, 1.0, relu=False)
        net = tf.reshape(tf.nn.avg_pool2d(net, 3, 1, "VALID"), (-1, net.shape[-1]))
        net = tf.matmul(net, self.weights(f"{R}/Bottleneck/weights", net.shape[-1], size))
        net = self.batch_norm(net, f"{R}/Bottleneck/BatchNorm")
        return tf.math.l2_normalize(net, 1, 1e-10, name="embeddings")
