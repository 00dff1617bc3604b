"""Decoupled networks in PyTorch float64, written from the formulas of the paper and of its authors' training: the other
side of the parity tests. Nothing here is derived from the engine.

Feature maps are [N, C, H, W]; a filter is [F, C, kernel, kernel]. A network is the `layers` of a config, flat, each with
its `operator` merged with the network's.
"""

import math

import torch
from torch.nn import functional

NORM_EPSILON = 1e-4  # inside the square root of both norms
RADIUS_EPSILON = 1e-4  # rho = r² + this
SMALLEST_K = 0.05  # k = |k| + this
BATCH_NORM_EPSILON = 1e-3
COSINE_LIMIT = 1 - 1e-7
ENERGY_FLOOR = 1e-3  # under the squared distances of filters; the paper of the energy has none

DEFAULT_OPERATOR = {
    "magnitude": "tanh",
    "angular": "cosine",
    "alpha": 1.0,
    "radius": "adaptive",
    "rho": 1.0,
    "learnRho": "per-filter",
    "k": 0.3,
    "learnK": False,
    "weighting": "none",
    "exponent": 2.0,
}
LEARNED_K = 0.7 + SMALLEST_K  # where a learned k starts
DEFAULT_BETA = {"seg": 0.5, "mix": 1.0}
DEFAULT_OPTIMIZER = {
    "sgd": {"nesterov": False},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7, "epsilonOn": "corrected"},
}


# Deterministic values: an integer hash, so that neither side stores the weights.


def text_hash(text):
    """FNV-1a, 32 bits."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def hashed(name, count):
    """`count` multiples of 2^-23 in [-1, 1), exact in float32: the top 24 bits of a mixed counter."""
    x = (torch.arange(count, dtype=torch.int64) * 0x9E3779B1 + text_hash(name)) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = x ^ (x >> shift)
        # The product of two 32-bit numbers overflows 63 bits: its upper half is cut off before.
        x = ((x * (factor & 0xFFFF)) + (((x * (factor >> 16)) & 0xFFFF) << 16)) & 0xFFFFFFFF
    return (x >> 8).double() / 2**23 - 1


def uniform(name, shape, middle, half_width):
    """Float32 values in [middle - half_width, middle + half_width), in row-major order of `shape`."""
    values = middle + half_width * hashed(name, math.prod(shape))
    return values.float().double().reshape(shape)


# Windows


def same_padding(size, window, stride):
    """TensorFlow's: what is odd goes to the end."""
    total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def pad(x, window, stride, padding, value=0.0):
    if padding == "valid":
        return x
    top, bottom = same_padding(x.shape[2], window, stride)
    left, right = same_padding(x.shape[3], window, stride)
    return functional.pad(x, (left, right, top, bottom), value=value)


def max_pool(x, size, stride, padding):
    return functional.max_pool2d(pad(x, size, stride, padding, -math.inf), size, stride)


def average_pool(x, size, stride, padding):
    """The mean of what lies inside the image."""
    total = functional.avg_pool2d(pad(x, size, stride, padding), size, stride)
    inside = functional.avg_pool2d(pad(torch.ones_like(x), size, stride, padding), size, stride)
    return total / inside


# The operator


def magnitude(name, norm, radius, alpha, beta):
    if name == "sphere":
        return torch.full_like(norm, alpha)
    if name == "ball":
        return alpha * torch.minimum(norm, radius) / radius
    if name == "tanh":
        return alpha * torch.tanh(norm / radius)
    if name == "linear":
        return alpha * norm
    if name == "seg":
        return torch.where(norm <= radius, alpha * norm, beta * norm + (alpha - beta) * radius)
    if name == "log":
        return alpha * torch.log1p(norm)
    if name == "mix":
        return alpha * norm + beta * torch.log1p(norm)
    raise ValueError(name)


def angular(name, cosine, k, exponent):
    cosine = cosine.clamp(-COSINE_LIMIT, COSINE_LIMIT)
    if name == "linear":
        return 1 - 2 / math.pi * torch.arccos(cosine)
    if name == "cosine":
        return cosine
    if name == "square-cosine":
        return torch.sign(cosine) * cosine.abs() ** exponent
    if name == "sigmoid":
        return torch.tanh((math.pi / 2 - torch.arccos(cosine)) / (2 * k)) / torch.tanh(math.pi / (4 * k))
    raise ValueError(name)


def epsilon_norm(square_sum):
    return torch.sqrt(square_sum + NORM_EPSILON)


def filter_norms(kernel):
    """[F]"""
    return epsilon_norm(kernel.flatten(1).square().sum(1))


def decoupled(dot, patch_norm, kernel_norm, operator, rho, k, mean_norm):
    """f(w, x) of the products [N, F, ...], the patch norms [N, 1, ...] and, ready to broadcast, each filter's norm, rho, k."""
    adaptive = operator["radius"] == "adaptive"
    radius = None if rho is None else rho * mean_norm if adaptive else rho
    radius = None if radius is None else radius.expand_as(dot)
    norm = patch_norm.expand_as(dot)
    g = angular(operator["angular"], dot / (norm * kernel_norm), k, operator["exponent"])
    alpha, weighting = operator["alpha"], operator["weighting"]
    if weighting == "joint-tanh":  # equation 15
        return alpha * torch.tanh(norm * kernel_norm / radius) * g
    if weighting == "separate-tanh":  # equation 16
        return alpha * torch.tanh(kernel_norm / rho) * torch.tanh(norm / radius) * g
    h = magnitude(operator["magnitude"], norm, radius, alpha, operator["beta"])
    return (h * kernel_norm if weighting == "linear" else h) * g


# A network


class Network:
    """Parameters and running averages by their names in a checkpoint, and the pass through the layers."""

    def __init__(self, case, dtype=torch.float64):
        self.dtype = dtype
        self.decay = case["averageDecay"]
        self.layers = case["layers"]
        self.parameters = {}
        self.averages = {}
        self.average_steps = 0
        self.decoupled_kernels = []
        self.decayed = []
        self.seed = case["name"]
        self._build(case["shape"])

    # Making the parameters

    def _parameter(self, name, shape, middle, half_width, decayed=False):
        value = uniform(f"{self.seed}/{name}", shape, middle, half_width).to(self.dtype)
        self.parameters[name] = value.requires_grad_()
        if decayed:
            self.decayed.append(name)

    def _kernel(self, name, inputs, filters, side, is_decoupled):
        """He uniform; the hash runs over [side, side, inputs, filters], a dense layer's over [inputs, filters]."""
        limit = math.sqrt(6 / (side * side * inputs))
        value = uniform(f"{self.seed}/{name}", (side, side, inputs, filters), 0.0, limit).permute(3, 2, 0, 1)
        self.parameters[name] = value.to(self.dtype).contiguous().requires_grad_()
        (self.decoupled_kernels if is_decoupled else self.decayed).append(name)

    def _weights(self, layer, inputs, filters, side):
        name, operator = layer["name"], layer.get("operator")
        self._kernel(f"{name}/kernel", inputs, filters, side, operator is not None)
        if operator is None:
            return
        if layer["usesRadius"]:
            if operator["learnRho"]:
                count = filters if operator["learnRho"] == "per-filter" else 1
                self._parameter(f"{name}/rho_root", (count,), math.sqrt(operator["rho"] - RADIUS_EPSILON), 0.2)
            if operator["radius"] == "adaptive":
                self.averages[f"{name}/mean_patch_norm"] = torch.zeros((), dtype=self.dtype)
        if operator["angular"] == "sigmoid" and operator["learnK"]:
            count = filters if operator["learnK"] == "per-filter" else 1
            self._parameter(f"{name}/k_root", (count,), operator["k"] - SMALLEST_K, 0.1)

    def _after(self, layer, filters):
        name = layer["name"]
        if layer.get("batchNorm"):
            name += "/projection" if layer["type"] == "add" else ""
            self._parameter(f"{name}/batch_norm/gamma", (filters,), 1.0, 0.2, decayed=True)
            self._parameter(f"{name}/batch_norm/beta", (filters,), 0.0, 0.2, decayed=True)
            self.averages[f"{name}/batch_norm/moving_mean"] = torch.zeros(filters, dtype=self.dtype)
            self.averages[f"{name}/batch_norm/moving_variance"] = torch.zeros(filters, dtype=self.dtype)
        if layer.get("activation") == "prelu":
            self._parameter(f"{layer['name']}/prelu/alpha", (filters,), layer.get("initialSlope", 0.25), 0.1)

    def _build(self, image):
        height, width, channels = image
        shapes = {}
        for layer in self.layers:
            kind = layer["type"]
            operator = layer.get("operator")
            layer["usesRadius"] = operator is not None and (
                operator["magnitude"] in ("ball", "tanh", "seg") or "tanh" in operator["weighting"]
            )
            if kind == "conv":
                self._weights(layer, channels, layer["filters"], layer["kernel"])
                channels = layer["filters"]
            elif kind == "dense":
                self._weights(layer, height * width * channels, layer["units"], 1)
                height, width, channels = 1, 1, layer["units"]
            elif kind == "add" and layer["projection"]:
                self._kernel(f"{layer['name']}/projection/kernel", shapes[layer["from"]][2], channels, 1, False)
            if kind in ("conv", "max-pool", "average-pool"):
                window = layer["kernel"] if kind == "conv" else layer["size"]
                along = [
                    math.ceil(size / layer["stride"])
                    if layer["padding"] == "same"
                    else (size - window) // layer["stride"] + 1
                    for size in (height, width)
                ]
                height, width = along
            elif kind == "global-average-pool":
                height, width = 1, 1
            elif kind == "add":
                layer["stride"] = math.ceil(shapes[layer["from"]][0] / height)
            self._after(layer, channels)
            shapes[layer["name"]] = (height, width, channels)

    # Running averages: biased, from zero; the bias is divided out where one is read.

    def _update_average(self, name, value):
        self.averages[name] = self.decay * self.averages[name] + (1 - self.decay) * value.detach()

    def average(self, name):
        return self.averages[name] / (1 - self.decay**self.average_steps)

    # The pass

    def scores(self, images, training):
        """[N, classes] of images [N, H, W, C], bytes."""
        if training:
            self.average_steps += 1
        x = ((images.to(self.dtype) - 127.5) / 128).permute(0, 3, 1, 2)
        outputs = {}
        for layer in self.layers:
            x = self._layer(layer, x, outputs, training)
            outputs[layer["name"]] = x
        return x

    def _layer(self, layer, x, outputs, training):
        kind = layer["type"]
        if kind in ("conv", "dense"):
            x = self._product(layer, x, training)
        elif kind == "max-pool":
            x = max_pool(x, layer["size"], layer["stride"], layer["padding"])
        elif kind == "average-pool":
            x = average_pool(x, layer["size"], layer["stride"], layer["padding"])
        elif kind == "global-average-pool":
            x = x.mean((2, 3))
        elif kind == "flatten":
            x = x.permute(0, 2, 3, 1).flatten(1)  # the features of a position stay together
        elif kind == "add":
            short = outputs[layer["from"]]
            if layer["projection"]:
                kernel = self.parameters[f"{layer['name']}/projection/kernel"]
                short = functional.conv2d(short, kernel, stride=layer["stride"])
                short = self._normalise(layer, short, training)
            return self._activate(layer, x + short)
        else:
            raise ValueError(kind)
        return self._activate(layer, self._normalise(layer, x, training))

    def _product(self, layer, x, training):
        name, operator = layer["name"], layer.get("operator")
        kernel = self.parameters[f"{name}/kernel"]
        if layer["type"] == "dense":
            dot = x @ kernel.flatten(1).T
            square_sum = x.square().sum(1, keepdim=True)
            per_filter = (1, -1)
        else:
            window, stride = layer["kernel"], layer["stride"]
            x = pad(x, window, stride, layer["padding"])
            dot = functional.conv2d(x, kernel, stride=stride)
            ones = torch.ones((1, x.shape[1], window, window), dtype=x.dtype)
            square_sum = functional.conv2d(x.square(), ones, stride=stride)
            per_filter = (1, -1, 1, 1)
        if operator is None:
            return dot
        patch_norm = epsilon_norm(square_sum)
        rho, k, mean_norm = None, operator["k"], None
        if layer["usesRadius"]:
            root = self.parameters.get(f"{name}/rho_root")
            if root is None:
                rho = torch.tensor([operator["rho"]], dtype=x.dtype)
            else:
                rho = root.square() + RADIUS_EPSILON
            rho = rho.view(per_filter)
            if operator["radius"] == "adaptive":
                mean_norm = patch_norm.mean()  # of the batch: the gradient goes through it
                if training:
                    self._update_average(f"{name}/mean_patch_norm", mean_norm)
                else:
                    mean_norm = self.average(f"{name}/mean_patch_norm")
        if f"{name}/k_root" in self.parameters:
            k = (self.parameters[f"{name}/k_root"].abs() + SMALLEST_K).view(per_filter)
        elif operator["angular"] == "sigmoid":
            k = torch.tensor(operator["k"], dtype=x.dtype)
        norms = filter_norms(kernel).view(per_filter)
        return decoupled(dot, patch_norm, norms, operator, rho, k, mean_norm)

    def _normalise(self, layer, x, training):
        if not layer.get("batchNorm"):
            return x
        name = layer["name"] + ("/projection" if layer["type"] == "add" else "")
        axes = (0, 2, 3) if x.dim() == 4 else (0,)
        shape = (1, -1, 1, 1) if x.dim() == 4 else (1, -1)
        if training:
            mean = x.mean(axes)
            variance = (x - mean.view(shape)).square().mean(axes)
            self._update_average(f"{name}/batch_norm/moving_mean", mean)
            self._update_average(f"{name}/batch_norm/moving_variance", variance)
        else:
            mean, variance = self.average(f"{name}/batch_norm/moving_mean"), self.average(f"{name}/batch_norm/moving_variance")
        gamma, beta = self.parameters[f"{name}/batch_norm/gamma"], self.parameters[f"{name}/batch_norm/beta"]
        scaled = (x - mean.view(shape)) / torch.sqrt(variance + BATCH_NORM_EPSILON).view(shape)
        return gamma.view(shape) * scaled + beta.view(shape)

    def _activate(self, layer, x):
        activation = layer.get("activation", "none")
        if activation == "relu":
            return torch.relu(x)
        if activation == "prelu":
            slope = self.parameters[f"{layer['name']}/prelu/alpha"]
            slope = slope.view((1, -1, 1, 1) if x.dim() == 4 else (1, -1))
            return torch.where(x > 0, x, slope * x)
        return x


# Training


def cross_entropy(scores, labels, smoothing, epsilon):
    """Mean of -sum t·log(softmax + epsilon); t = (1 - smoothing)·one-hot + smoothing/classes."""
    classes = scores.shape[1]
    targets = functional.one_hot(labels, classes).to(scores.dtype) * (1 - smoothing) + smoothing / classes
    if epsilon == 0:
        return -(targets * torch.log_softmax(scores, 1)).sum(1).mean()
    return -(targets * torch.log(torch.softmax(scores, 1) + epsilon)).sum(1).mean()


def orthogonality(kernel):
    """½‖ŴᵀŴ − I‖² of the normalised filters."""
    unit = kernel.flatten(1) / filter_norms(kernel)[:, None]
    return 0.5 * (unit @ unit.T - torch.eye(unit.shape[0], dtype=unit.dtype)).square().sum()


def hyperspherical_energy(kernel):
    """Mean of 1/(‖ŵi − ŵj‖² + 1e-3) over the pairs of filters."""
    unit = kernel.flatten(1) / filter_norms(kernel)[:, None]
    first, second = torch.triu_indices(unit.shape[0], unit.shape[0], offset=1)
    return (1 / ((unit[first] - unit[second]).square().sum(1) + ENERGY_FLOOR)).mean()


class Trainer:
    """One step after the other, as the authors train."""

    def __init__(self, network, training):
        self.network = network
        self.training = training
        self.step = 0
        self.slots = {}

    def penalty(self):
        """What is added to the cross-entropy for its gradient."""
        network, training = self.network, self.training
        total = torch.zeros((), dtype=network.dtype)
        for name in network.decayed:
            total = total + 0.5 * training["weightDecay"] * network.parameters[name].square().sum()
        for name in network.decoupled_kernels:
            kernel = network.parameters[name]
            if training["orthogonality"]:
                total = total + training["orthogonality"] * orthogonality(kernel)
            if training["hypersphericalEnergy"]:
                total = total + training["hypersphericalEnergy"] * hyperspherical_energy(kernel)
        return total

    def gradients(self, images, labels):
        """The cross-entropy, and each parameter's gradient of it and the penalty."""
        network = self.network
        scores = network.scores(images, training=True)
        loss = cross_entropy(scores, labels, self.training["labelSmoothing"], self.training["lossEpsilon"])
        parameters = list(network.parameters.values())
        gradients = torch.autograd.grad(loss + self.penalty(), parameters)
        found = dict(zip(network.parameters, gradients))
        if self.training["filterGradients"] == "weighted":
            for name in network.decoupled_kernels:  # Δw = ‖w‖·∂f/∂w
                norms = filter_norms(network.parameters[name].detach())
                found[name] = found[name] * norms.view(-1, 1, 1, 1)
        return loss.item(), found

    def apply(self, gradients):
        self.step += 1
        with torch.no_grad():
            for name, parameter in self.network.parameters.items():
                parameter -= self._change(name, gradients[name])
            projection = self.training["projection"]
            if projection and self.step % projection["every"] == 0:
                for name in self.network.decoupled_kernels:
                    kernel = self.network.parameters[name]
                    kernel *= (projection["scale"] / filter_norms(kernel)).view(-1, 1, 1, 1)

    def _change(self, name, gradient):
        optimizer = self.training["optimizer"]
        rate = optimizer["learningRate"]
        if optimizer["type"] == "sgd":
            momentum = optimizer["momentum"]
            velocity = momentum * self._slot("momentum", name) + gradient
            self._keep("momentum", name, velocity)
            return rate * (gradient + momentum * velocity if optimizer["nesterov"] else velocity)
        beta1, beta2 = optimizer["beta1"], optimizer["beta2"]
        first = beta1 * self._slot("m", name) + (1 - beta1) * gradient
        second = beta2 * self._slot("v", name) + (1 - beta2) * gradient.square()
        self._keep("m", name, first)
        self._keep("v", name, second)
        if optimizer["epsilonOn"] == "raw":  # TensorFlow 1
            corrected = rate * math.sqrt(1 - beta2**self.step) / (1 - beta1**self.step)
            return corrected * first / (torch.sqrt(second) + optimizer["epsilon"])
        mean, square = first / (1 - beta1**self.step), second / (1 - beta2**self.step)
        return rate * mean / (torch.sqrt(square) + optimizer["epsilon"])

    def _slot(self, slot, name):
        return self.slots.get(f"optimizer/{slot}/{name}", 0)

    def _keep(self, slot, name, value):
        self.slots[f"optimizer/{slot}/{name}"] = value

    def optimizer_state(self):
        """All that the optimiser remembers, by its names in a checkpoint; β₁ᵗ and β₂ᵗ are those of the step to come."""
        optimizer = self.training["optimizer"]
        if optimizer["type"] == "sgd":
            return self.slots
        powers = {
            f"optimizer/{name}Power": torch.tensor(optimizer[name] ** (self.step + 1), dtype=torch.float64)
            for name in ("beta1", "beta2")
        }
        return self.slots | powers
