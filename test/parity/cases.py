"""The networks that the parity tests train on both sides, as configs, and how a config's defaults are filled in."""

from reference import DEFAULT_BETA, DEFAULT_OPERATOR, DEFAULT_OPTIMIZER, LEARNED_K

MAGNITUDES = ("sphere", "ball", "tanh", "linear", "seg", "log", "mix")
ANGULARS = (
    {"angular": "linear"},
    {"angular": "cosine"},
    {"angular": "square-cosine"},
    {"angular": "sigmoid", "k": 0.4},
    {"angular": "sigmoid", "k": 0.7, "learnK": "per-filter"},
)
WITH_RADIUS = ("ball", "tanh", "seg")
SGD = {"type": "sgd", "learningRate": 0.05, "momentum": 0.9}
ADAM = {"type": "adam", "learningRate": 0.001}
PLAIN = "inner-product"


def case(name, layers, shape=(7, 6, 2), classes=3, batch=6, steps=5, **config):
    """One network and what it is trained with; `config` are the fields of a config file."""
    return {
        "name": name,
        "shape": list(shape),
        "classes": classes,
        "batch": batch,
        "steps": steps,
        "config": {
            "data": {"idx": "."},
            "optimizer": SGD,
            "averageDecay": 0.9,
            **config,
            "layers": [{"name": f"layer{i + 1}", **layer} for i, layer in enumerate(layers)],
        },
    }


# Layers, with all that a config may leave out


def conv(filters, kernel=3, stride=1, padding="same", batchNorm=True, activation="relu", **more):
    return {
        "type": "conv",
        "filters": filters,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "batchNorm": batchNorm,
        "activation": activation,
        **more,
    }


def bare(filters, operator, **more):
    return conv(filters, batchNorm=False, activation="none", operator=operator, **more)


def pool(kind, size, stride, padding="valid"):
    return {"type": kind, "size": size, "stride": stride, "padding": padding}


def dense(units, **more):
    return {"type": "dense", "units": units, "batchNorm": False, "activation": "none", **more}


FLATTEN = {"type": "flatten"}
GLOBAL = {"type": "global-average-pool"}


# Cases


def operator_case(name, operator):
    """The operator in the middle: its gradients at the filters and, through the plain layer before it, at its input."""
    layers = [bare(3, PLAIN), bare(4, operator, stride=2), FLATTEN, dense(3)]
    return case(name, layers)


def operator_cases():
    found = []
    for magnitude in MAGNITUDES:
        radii = ("adaptive", "fixed") if magnitude in WITH_RADIUS else (None,)
        for angular in ANGULARS:
            for radius in radii:
                operator = {"magnitude": magnitude, **angular}
                name = f"{magnitude} {' '.join(str(v) for v in angular.values())}"
                if radius is not None:
                    operator |= {"radius": radius, "rho": 1.0 if radius == "adaptive" else 2.0}
                    name += f" {radius}"
                found.append(operator_case(name, operator))
    scaled = {"alpha": 1.5, "beta": 0.25}
    found += [
        operator_case(f"{magnitude} scaled", {"magnitude": magnitude, "angular": "cosine", **scaled})
        for magnitude in MAGNITUDES
    ]
    found += [
        operator_case(
            f"tanh sigmoid shared {shared}",
            {"magnitude": "tanh", "angular": "sigmoid", "learnRho": shared, "learnK": shared},
        )
        for shared in (False, "per-layer")
    ]
    return found


def weighted_cases():
    found = [
        operator_case(f"{magnitude} {angular} linear-weighted", {"magnitude": magnitude, "angular": angular, "weighting": "linear"})
        for magnitude in MAGNITUDES
        for angular in ("cosine", "sigmoid")
    ]
    found += [
        operator_case(
            f"{weighting} {angular} {radius}",
            {"magnitude": "tanh", "angular": angular, "weighting": weighting, "radius": radius},
        )
        for weighting in ("joint-tanh", "separate-tanh")
        for angular in ("linear", "cosine", "square-cosine", "sigmoid")
        for radius in ("adaptive", "fixed")
    ]
    return found


def exponent_cases():
    return [
        operator_case(
            f"{magnitude} exponent {exponent}",
            {"magnitude": magnitude, "angular": "square-cosine", "exponent": exponent},
        )
        for magnitude in ("linear", "tanh")
        for exponent in (1, 1.25, 1.5, 3)
    ]


def layer_cases():
    tanh = {"magnitude": "tanh", "angular": "cosine"}
    found = [
        case(f"conv {padding} {size} by {stride}", [bare(2, PLAIN), bare(3, tanh, kernel=size, stride=stride, padding=padding), FLATTEN, dense(3)])
        for padding in ("same", "valid")
        for size, stride in ((1, 2), (2, 1), (3, 2), (4, 3), (5, 2))
    ]
    found += [
        case(f"{kind} {padding} {size} by {stride}", [bare(3, PLAIN), pool(kind, size, stride, padding), FLATTEN, dense(3)])
        for kind in ("max-pool", "average-pool")
        for padding in ("same", "valid")
        for size, stride in ((2, 2), (3, 2))
    ]
    found += [
        case("batch norm", [conv(4, activation="none"), GLOBAL, dense(3)]),
        case("batch norm and relu", [conv(4), conv(5, stride=2), GLOBAL, dense(3)]),
        case("dense with batch norm", [FLATTEN, dense(8) | {"batchNorm": True, "activation": "relu"}, dense(3)]),
    ]
    return found


def dense_cases():
    return [
        case(
            f"dense {magnitude} {angular} {radius}",
            [bare(3, PLAIN), FLATTEN, dense(5, operator={"magnitude": magnitude, "angular": angular, "radius": radius}), dense(3)],
        )
        for magnitude, angular, radius in (
            ("tanh", "cosine", "adaptive"),
            ("ball", "sigmoid", "adaptive"),
            ("seg", "linear", "fixed"),
            ("linear", "square-cosine", "adaptive"),
        )
    ] + [
        case(
            "dense scores weighted",
            [GLOBAL, dense(3, operator={"magnitude": "log", "angular": "cosine", "weighting": "linear"})],
        )
    ]


def prelu_cases():
    return [
        case("prelu after batch norm", [conv(4, activation="prelu"), GLOBAL, dense(3)]),
        case("prelu alone", [conv(4, batchNorm=False, activation="prelu"), FLATTEN, dense(3)]),
        case("prelu after dense", [FLATTEN, dense(5, activation="prelu") , dense(3)]),
    ]


def add(source, projection=False, activation="relu", **more):
    return {"type": "add", "from": source, "projection": projection, "activation": activation, **more}


def add_cases():
    inner = conv(4, activation="none")
    return [
        case("add of the same shape", [conv(4), conv(4), inner, add("layer1"), GLOBAL, dense(3)]),
        case("add with prelu", [conv(4), conv(4), inner, add("layer1", activation="prelu"), GLOBAL, dense(3)]),
        case(
            "add by a projection",
            [conv(3), conv(4, stride=2), inner, add("layer1", True, batchNorm=False), GLOBAL, dense(3)],
            weightDecay=0.01,
        ),
        case(
            "add by a normalised projection",
            [conv(3), conv(4, stride=2), inner, add("layer1", True, batchNorm=True), GLOBAL, dense(3)],
            weightDecay=0.01,
        ),
    ]


SMALL = [conv(4, operator={"magnitude": "tanh", "angular": "sigmoid", "learnK": "per-filter"}), conv(5, operator=PLAIN), conv(5, stride=2, operator={"magnitude": "ball", "angular": "cosine"}), GLOBAL, dense(3)]


def small(name, **config):
    return case(name, SMALL, **config)


def training_cases():
    return [
        small("sgd without momentum", optimizer=SGD | {"momentum": 0}),
        small("sgd with momentum"),
        small("sgd with Nesterov's momentum", optimizer=SGD | {"nesterov": True}),
        small("adam", optimizer=ADAM | {"learningRate": 0.01}),
        small("adam with epsilon on raw moments", optimizer=ADAM | {"learningRate": 0.01, "epsilon": 0.001, "epsilonOn": "raw"}),
        small("adam of other constants", optimizer=ADAM | {"learningRate": 0.01, "beta1": 0.6, "beta2": 0.9, "epsilon": 0.003}),
        small("label smoothing", labelSmoothing=0.1),
        small("weight decay", weightDecay=0.05),
        small("projection", projection={"every": 2}),
    ]


def loss_epsilon_cases():
    return [
        small("loss epsilon", loss={"epsilon": 0.0001}),
        small("large loss epsilon and label smoothing", loss={"epsilon": 0.05}, labelSmoothing=0.1),
    ]


def filter_training_cases():
    return [
        small("orthogonality", orthogonality=0.1),
        small("hyperspherical energy", hypersphericalEnergy=0.1),
        small("weighted gradients", filterGradients="weighted"),
        small("projection to a scale", projection={"every": 2, "scale": 3}),
        small("all of them", orthogonality=0.1, hypersphericalEnergy=0.05, filterGradients="weighted", labelSmoothing=0.05, weightDecay=0.01, projection={"every": 2, "scale": 0.5}),
    ]


# Whole networks. Their rates are small: at the usual ones five steps spread the rounding of float32 a thousandfold (a few
# images a batch, normalised in every layer), in PyTorch as well: `record.py --float32` tells.


def sample():
    """The sample network's layers at its own widths."""
    layers = [
        conv(16),
        pool("max-pool", 2, 2),
        conv(32, operator={"magnitude": "ball"}),
        pool("max-pool", 2, 2),
        conv(32),
        GLOBAL,
        dense(10),
    ]
    operator = {"magnitude": "tanh", "angular": "cosine"}
    return case("sample network", layers, (28, 28, 1), 10, 16, operator=operator, optimizer=ADAM | {"learningRate": 0.002})


def cnn9(name="cnn-9 tn"):
    """The preset at other widths.

    Of 677 names this one keeps every unit farthest from its ReLU's corner, and the largest value of every pool farthest
    from the next, through all steps: by 7e-6 of their layer's root mean square.
    """
    stages = [layer for width in (8, 12, 16) for layer in [conv(width)] * 3 + [pool("max-pool", 2, 2)]]
    layers = [*stages, FLATTEN, dense(32, operator={}), dense(10)]
    return case(
        name,
        layers,
        (32, 32, 3),
        10,
        8,
        5,
        operator={"magnitude": "tanh", "angular": "cosine"},
        optimizer=SGD | {"learningRate": 0.0005},
        labelSmoothing=0.01,
        weightDecay=0.0005,
    )


def resnet32(name="resnet-32 gp", widths=(8, 16, 32), side=16, batch=8, steps=5, **config):
    """The preset at other widths, trained with the loss, decay and orthogonality of the authors' code.

    A unit that rounding to float32 moves across its ReLU's corner changes gradients by up to 20 %, in PyTorch as well,
    and most names, by which images and weights are drawn, have one within five steps. Of 200 names this one keeps all
    units farthest from the corner, by 5e-6 of their layer's root mean square. Images of 32×32 have four times as many
    units: none of as many names kept them all far enough there for five steps, so that size has one.
    """
    layers = [conv(widths[0], activation="none")]
    for group, width in enumerate(widths):
        for unit in range(5):
            source = f"layer{len(layers)}"
            halves = group > 0 and unit == 0
            layers.append(conv(width, stride=2 if halves else 1))
            layers.append(conv(width, activation="none"))
            layers.append(add(source, projection=halves))
    layers += [GLOBAL, dense(100)]
    return case(
        name,
        layers,
        (side, side, 3),
        100,
        batch,
        steps,
        **{
            "operator": {"magnitude": "tanh", "angular": "cosine"},
            "optimizer": ADAM | {"learningRate": 0.0001},
            "averageDecay": 0.999,
            "labelSmoothing": 0.01,
            "loss": {"epsilon": 0.0001},
            "weightDecay": 0.0005,
            "orthogonality": 0.00001,
            **config,
        },
    )


def whole_resnet32():
    """One step on images of the size of the data; of 677 names this one keeps all units farthest from their ReLU's corner, by 1.5e-5."""
    return resnet32("resnet-32 at 32×32 xy", side=32, batch=4, steps=1)


def mnist2d():
    """The preset at other widths: its features are what two filters over the whole last map give."""
    stages = [layer for width in (8, 12, 16) for layer in [conv(width)] * 2 + [pool("max-pool", 2, 2)]]
    layers = [*stages, conv(2, padding="valid", batchNorm=False, activation="none"), GLOBAL, dense(10)]
    return case(
        "mnist-2d",
        layers,
        (28, 28, 1),
        10,
        8,
        operator={"magnitude": "tanh", "angular": "cosine"},
        optimizer=ADAM | {"learningRate": 0.0001},
    )


def resnet18(name="resnet-18"):
    """The preset at other widths: a 7×7 stem, additions without projection that nothing follows, PReLU elsewhere."""
    prelu = {"activation": "prelu", "initialSlope": 0}
    layers = [conv(8, kernel=7, stride=2, **prelu), pool("max-pool", 3, 2, "same")]
    for group, (width, units) in enumerate(((8, 1), (12, 2), (16, 3), (20, 1))):
        if group > 0:
            layers.append(conv(width, stride=2, **prelu))
        for _ in range(units):
            source = f"layer{len(layers)}"
            layers += [conv(width, **prelu), conv(width, activation="none"), add(source, activation="none")]
    layers += [GLOBAL, dense(10)]
    return case(
        name,
        layers,
        (64, 64, 3),
        10,
        8,
        operator={"magnitude": "tanh", "angular": "cosine"},
        optimizer=SGD | {"learningRate": 0.0005},
        weightDecay=0.0005,
    )


GROUPS = {
    "operators": operator_cases,
    "weighted": weighted_cases,
    "exponents": exponent_cases,
    "layers": layer_cases,
    "dense": dense_cases,
    "prelu": prelu_cases,
    "add": add_cases,
    "training": training_cases,
    "lossEpsilon": loss_epsilon_cases,
    "filterTraining": filter_training_cases,
    "networks": lambda: [sample(), cnn9(), mnist2d()],
    "resnet": lambda: [resnet32(), whole_resnet32(), resnet18()],
}


def resolved(found):
    """What the reference computes with: every layer with its whole operator, every training option with its value."""
    config = found["config"]
    general = config.get("operator", {})
    layers = []
    for layer in config["layers"]:
        layer = dict(layer)
        own = layer.pop("operator", PLAIN if layer["type"] == "dense" else {})
        if layer["type"] in ("conv", "dense") and own != PLAIN:
            operator = DEFAULT_OPERATOR | general | own
            if operator["learnK"] and "k" not in general | own:
                operator["k"] = LEARNED_K
            layer["operator"] = {"beta": DEFAULT_BETA.get(operator["magnitude"], 0.0)} | operator
        if layer["type"] == "add":
            layer.setdefault("batchNorm", layer["projection"])
        layers.append(layer)
    network = {
        "name": found["name"],
        "shape": found["shape"],
        "layers": layers,
        "averageDecay": config["averageDecay"],
    }
    projection = config.get("projection")
    training = {
        "optimizer": DEFAULT_OPTIMIZER[config["optimizer"]["type"]] | config["optimizer"],
        "labelSmoothing": config.get("labelSmoothing", 0),
        "lossEpsilon": config.get("loss", {}).get("epsilon", 0),
        "weightDecay": config.get("weightDecay", 0),
        "orthogonality": config.get("orthogonality", 0),
        "hypersphericalEnergy": config.get("hypersphericalEnergy", 0),
        "filterGradients": config.get("filterGradients", "standard"),
        "projection": projection and {"scale": 1, **projection},
    }
    return network, training
