"""PyTorch's side of the bench: one request a line on stdin, one answer a line on stdout, both JSON.

A request names a network by its layers, as the bench resolved them, and what to measure:
{"key": ..., "layers": [...], "shape": [h, w, c], "batch": ..., "evaluationBatch": ...} with
"activity": "training", "steps": ... or with "activity": "inference", "images": ...
The answer is {"imagesPerSecond": ...}, or {"failed": why}: another request may still be measured. The first line out
tells the version and what computes, or why there is none.

A decoupled convolution is written as one would in PyTorch: normalised filters, the patch norm as a convolution of the
squares with ones (a dense layer's: a sum over features), and autograd for the rest. Its images are ready as float
tensors; the engine makes its own from bytes at each step. On a GPU (`--device cuda`) the images lie there already;
`--compiled` goes through torch.compile, and `--tf32` lets products round their factors to 10 bits.
"""

import argparse
import json
import math
import os
import sys
import time

THREADS = 2
EPSILON = 1e-4  # under both norms, as in the engine
BATCH_NORM_EPSILON = 1e-3

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit(0)


class Decoupled(nn.Module):
    """f(w, x) = h(|x|)·cos(w, x) of filters [F, ...]; h is tanh(|x|/R) or |x|, and R = rho·E|x|."""

    def __init__(self, shape, operator):
        super().__init__()
        self.magnitude = operator["magnitude"]
        filters, *patch = shape
        self.kernel = nn.Parameter(torch.randn(shape) * (2 / math.prod(patch)) ** 0.5)
        if self.magnitude != "linear":
            self.rho_root = nn.Parameter(torch.ones(filters))
            self.register_buffer("mean_norm", torch.ones(()))

    def normalised(self):
        """The filters, each of length 1."""
        norms = self.kernel.square().flatten(1).sum(1).view(-1, *[1] * (self.kernel.dim() - 1))
        return self.kernel / torch.sqrt(norms + EPSILON)

    def scaled(self, dot, square_sum):
        """h·cos of dot = |x|·cos [N, F, ...] and |x|² [N, 1, ...]."""
        patch = torch.sqrt(square_sum + EPSILON)
        mean = self.mean_norm
        if self.training:
            mean = patch.mean()
            self.mean_norm.mul_(0.999).add_(mean.detach(), alpha=0.001)
        radius = (self.rho_root.square() + EPSILON).view(1, -1, *[1] * (dot.dim() - 2)) * mean
        return torch.tanh(patch / radius) * (dot / patch)


class DecoupledConv2d(Decoupled):
    """[N, C, H, W] -> [N, F, H, W]"""

    def __init__(self, inputs, layer):
        side = layer["kernel"]
        super().__init__((layer["filters"], inputs, side, side), layer["operator"])
        self.stride = layer["stride"]
        self.padding = side // 2 if layer["padding"] == "same" else 0
        self.register_buffer("ones", torch.ones(1, inputs, side, side))

    def forward(self, x):
        where = {"stride": self.stride, "padding": self.padding}
        dot = functional.conv2d(x, self.normalised(), **where)
        if self.magnitude == "linear":
            return dot  # |x|·cos is the product with a normalised filter
        return self.scaled(dot, functional.conv2d(x * x, self.ones, **where))


class DecoupledLinear(Decoupled):
    """[N, C] -> [N, F]"""

    def __init__(self, layer):
        super().__init__((layer["units"], layer["inputs"]), layer["operator"])

    def forward(self, x):
        dot = functional.linear(x, self.normalised())
        if self.magnitude == "linear":
            return dot
        return self.scaled(dot, x.square().sum(1, keepdim=True))


class Network(nn.Module):
    """The network of resolved layers; raises ValueError for what is not written here."""

    def __init__(self, layers, shape):
        super().__init__()
        self.operators = nn.ModuleList()
        self.after = nn.ModuleList()
        self.names = [layer["name"] for layer in layers]
        self.sources = [layer.get("from") for layer in layers]
        channels = shape[2]
        outputs = {}
        for layer in layers:
            self.operators.append(operator(layer, channels, outputs))
            channels = layer["outputShape"][-1]
            outputs[layer["name"]] = channels
            self.after.append(afterwards(layer, channels))

    def forward(self, x):
        kept = {}
        for name, source, module, after in zip(self.names, self.sources, self.operators, self.after):
            x = after(module(x) if source is None else x + module(kept[source]))
            if name in self.sources:
                kept[name] = x
        return x


def operator(layer, channels, outputs):
    """A layer before normalisation; of an addition, what happens to the earlier layer's output."""
    kind = layer["type"]
    if kind == "conv":
        padding = layer["kernel"] // 2 if layer["padding"] == "same" else 0
        if layer["operator"] is None:
            return nn.Conv2d(channels, layer["filters"], layer["kernel"], layer["stride"], padding, bias=False)
        return DecoupledConv2d(channels, layer)
    if kind == "max-pool":
        return nn.MaxPool2d(layer["size"], layer["stride"])
    if kind == "flatten":
        return nn.Flatten()
    if kind == "global-average-pool":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if kind == "dense":
        if layer["operator"] is None:
            return nn.Linear(layer["inputs"], layer["units"], bias=False)
        return DecoupledLinear(layer)
    if kind == "add":
        projection = layer.get("projection")
        if projection is None:
            return nn.Identity()
        inputs = outputs[layer["from"]]
        convolution = nn.Conv2d(inputs, channels, 1, projection["stride"], bias=False)
        if not projection["batchNorm"]:
            return convolution
        return nn.Sequential(convolution, nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON))
    raise ValueError(f"a layer of type {kind} is not in the PyTorch bench")


def afterwards(layer, channels):
    """Batch normalisation and activation."""
    modules = []
    if layer.get("batchNorm"):
        norm = nn.BatchNorm2d if len(layer["outputShape"]) == 3 else nn.BatchNorm1d
        modules.append(norm(channels, eps=BATCH_NORM_EPSILON))
    if layer.get("activation") == "relu":
        modules.append(nn.ReLU())
    if layer.get("activation") == "prelu":
        modules.append(nn.PReLU(channels))
    return nn.Sequential(*modules)


class Contestant:
    """A network with its optimiser and images of noise."""

    def __init__(self, request, device, compiled):
        height, width, channels = request["shape"]
        self.batch = request["batch"]
        self.model = Network(request["layers"], request["shape"]).to(device)
        self.network = torch.compile(self.model) if compiled else self.model
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.evaluation_batch = request["evaluationBatch"]
        self.images = torch.randn(max(self.batch, self.evaluation_batch), channels, height, width, device=device)
        self.labels = torch.arange(self.batch, device=device) % 10

    def train(self, steps):
        """Forward, backward and optimiser; the loss is read at each step, as the engine does."""
        self.model.train()
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.network(self.images[: self.batch]), self.labels)
            loss.backward()
            loss.item()
            self.optimizer.step()
        return steps * self.batch

    @torch.no_grad()
    def infer(self, images):
        """So many images in the engine's batches, of which the last one has what is left."""
        self.model.eval()
        for first in range(0, images, self.evaluation_batch):
            self.network(self.images[: min(self.evaluation_batch, images - first)]).argmax(1).tolist()
        return images


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--tf32", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hidden = "" if visible is None else f'; CUDA_VISIBLE_DEVICES is "{visible}"'
        print(json.dumps({"missing": f"torch finds no CUDA device{hidden}"}), flush=True)
        return
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    torch.backends.cudnn.allow_tf32 = options.tf32
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(json.dumps({"version": torch.__version__, "threads": THREADS, "device": name}), flush=True)
    contestants = {}
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), contestants, options)), flush=True)


def answer(request, contestants, options):
    """Images a second, or why there are none; what failed holds no memory any more."""
    try:
        return {"imagesPerSecond": measure(request, contestants, options)}
    except Exception as error:  # a lack of memory, or of a compiler for --compiled
        failure = f"{type(error).__name__}: {error}"
    contestants.pop(request["key"], None)
    if options.device == "cuda":
        torch.cuda.empty_cache()
    return {"failed": " ".join(failure.split())[:300]}


def measure(request, contestants, options):
    """Images a second of a request's network, which is kept for the next one."""
    key = request["key"]
    if key not in contestants:
        contestants[key] = Contestant(request, options.device, options.compiled)
    contestant = contestants[key]
    started = time.perf_counter()
    if request["activity"] == "training":
        images = contestant.train(request["steps"])
    else:
        images = contestant.infer(request["images"])
    return images / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
