"""PyTorch's side of the bench: one request a line on stdin, one answer a line on stdout, both JSON.

A request names a network by its layers, as the bench resolved them, and what to measure:
{"key": ..., "layers": [...], "shape": [h, w, c], "batch": ..., "activity": "training" | "inference", "steps": ...}.
The answer is {"imagesPerSecond": ...}. The first line out tells the version, or why there is none.

A decoupled convolution is written as one would in PyTorch: normalised filters, the patch norm as a convolution of the
squares with ones, and autograd for the rest. Its images are ready as float tensors; the engine makes its own from bytes at
each step.
"""

import json
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


class DecoupledConv2d(nn.Module):
    """f(w, x) = h(|x|)·cos(w, x), [N, C, H, W] -> [N, F, H, W]; h is tanh(|x|/R) or |x|, and R = rho·E|x|."""

    def __init__(self, inputs, layer):
        super().__init__()
        self.side = layer["kernel"]
        self.stride = layer["stride"]
        self.padding = self.side // 2 if layer["padding"] == "same" else 0
        self.magnitude = layer["operator"]["magnitude"]
        filters = layer["filters"]
        scale = (2 / (self.side * self.side * inputs)) ** 0.5
        self.kernel = nn.Parameter(torch.randn(filters, inputs, self.side, self.side) * scale)
        self.rho_root = nn.Parameter(torch.ones(filters))
        self.register_buffer("ones", torch.ones(1, inputs, self.side, self.side))
        self.register_buffer("mean_norm", torch.ones(()))

    def forward(self, x):
        where = {"stride": self.stride, "padding": self.padding}
        norms = self.kernel.square().sum((1, 2, 3), keepdim=True)
        dot = functional.conv2d(x, self.kernel / torch.sqrt(norms + EPSILON), **where)
        if self.magnitude == "linear":
            return dot  # |x|·cos is the product with a normalised filter
        patch = torch.sqrt(functional.conv2d(x * x, self.ones, **where) + EPSILON)  # [N, 1, H, W]
        mean = self.mean_norm
        if self.training:
            mean = patch.mean()
            self.mean_norm.mul_(0.999).add_(mean.detach(), alpha=0.001)
        radius = (self.rho_root.square() + EPSILON).view(1, -1, 1, 1) * mean
        return torch.tanh(patch / radius) * (dot / patch)


def build(layers, shape):
    """The network of resolved layers; raises ValueError for what is not written here."""
    modules = []
    channels = shape[2]
    for layer in layers:
        kind = layer["type"]
        if kind == "conv":
            plain = layer["operator"] is None
            padding = layer["kernel"] // 2 if layer["padding"] == "same" else 0
            modules.append(
                nn.Conv2d(channels, layer["filters"], layer["kernel"], layer["stride"], padding, bias=False)
                if plain
                else DecoupledConv2d(channels, layer)
            )
            channels = layer["filters"]
            if layer["batchNorm"]:
                modules.append(nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON))
            if layer["activation"] == "relu":
                modules.append(nn.ReLU())
        elif kind == "max-pool":
            modules.append(nn.MaxPool2d(layer["size"], layer["stride"]))
        elif kind == "flatten":
            modules.append(nn.Flatten())
        elif kind == "dense":
            modules.append(nn.Linear(layer["inputs"], layer["units"], bias=False))
        else:
            raise ValueError(f"a layer of type {kind} is not in the PyTorch bench")
    return nn.Sequential(*modules)


class Contestant:
    """A network with its optimiser and images of noise."""

    def __init__(self, request):
        height, width, channels = request["shape"]
        self.batch = request["batch"]
        self.model = build(request["layers"], request["shape"])
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.images = torch.randn(max(self.batch, request["evaluationBatch"]), channels, height, width)
        self.labels = torch.arange(self.batch) % 10

    def train(self, steps):
        """Forward, backward and optimiser; the loss is read at each step, as the engine does."""
        self.model.train()
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.model(self.images[: self.batch]), self.labels)
            loss.backward()
            loss.item()
            self.optimizer.step()
        return steps * self.batch

    @torch.no_grad()
    def infer(self, steps):
        self.model.eval()
        for _ in range(steps):
            self.model(self.images).argmax(1).tolist()
        return steps * len(self.images)


def main():
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    print(json.dumps({"version": torch.__version__, "threads": THREADS}), flush=True)
    contestants = {}
    for line in sys.stdin:
        request = json.loads(line)
        contestant = contestants.setdefault(request["key"], None) or Contestant(request)
        contestants[request["key"]] = contestant
        started = time.perf_counter()
        work = contestant.train if request["activity"] == "training" else contestant.infer
        images = work(request["steps"])
        print(json.dumps({"imagesPerSecond": images / (time.perf_counter() - started)}), flush=True)


if __name__ == "__main__":
    main()
