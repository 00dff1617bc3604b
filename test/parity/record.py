"""Trains the networks of `cases.py` in float64 and writes what came out, to be compared with the engine.

    python record.py                  writes vectors/*.json
    python record.py --check          compares them with what comes out now; exit status 1 where they differ
    python record.py --float32        prints how far the same program is from float64 where it computes in float32
    --only <group>                    one of the groups alone

Tensors are told by their values where they are few, else by their norm and by sums of their values with signs drawn by a
hash: the mean square of the differences of such sums is the squared distance of the tensors, in expectation.
"""

import argparse
import json
import math
import pathlib
import sys

try:
    import torch
except ImportError as error:
    print(f"PyTorch is missing: {error}", file=sys.stderr)
    sys.exit(3)

from cases import GROUPS, resolved
from reference import Network, Trainer, hashed

FOLDER = pathlib.Path(__file__).parent / "vectors"
SUMS = 16
DIGITS = 8
AGREEMENT = 1e-7  # of two runs of the same program on other processors


def images_of(case, step):
    """Bytes [batch, H, W, C] of four contrasts, and labels [batch]."""
    shape = (case["batch"], *case["shape"])
    raw = ((hashed(f"{case['name']}/images/{step}", math.prod(shape)) + 1) * 128).floor().reshape(shape)
    contrast = (1 + torch.arange(case["batch"]) % 4).view(-1, 1, 1, 1)
    images = 128 + ((raw - 128) * contrast / 4).floor()
    drawn = (hashed(f"{case['name']}/labels/{step}", case["batch"]) + 1) / 2 * case["classes"]
    return images, drawn.floor().long()


def in_our_order(tensor):
    """A kernel's values in the order of a checkpoint: [kernel, kernel, C, F]."""
    return tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor


def rounded(value):
    return float(f"{value:.{DIGITS}g}")


_signs = {}


def signs(count):
    if count not in _signs:
        _signs[count] = torch.stack([torch.where(hashed(f"sum {i}", count) < 0, -1.0, 1.0).double() for i in range(SUMS)])
    return _signs[count]


def digest(tensor):
    values = in_our_order(tensor.detach()).double().flatten()
    if len(values) <= SUMS:
        return {"values": [rounded(v) for v in values.tolist()]}
    sums = signs(len(values)) @ values
    return {"norm": rounded(values.norm().item()), "sums": [rounded(v) for v in sums.tolist()]}


def train(case, dtype=torch.float64):
    """The outcome of a case: losses, first gradients, and weights, averages, the optimiser's state and test scores after
    the last step."""
    network_case, training = resolved(case)
    network = Network(network_case, dtype)
    trainer = Trainer(network, training)
    losses, first = [], {}
    for step in range(case["steps"]):
        loss, gradients = trainer.gradients(*images_of(case, step))
        losses.append(rounded(loss))
        if step == 0:
            first = {name: digest(gradient) for name, gradient in gradients.items()}
        trainer.apply(gradients)
    averages = {name: digest(network.average(name)) for name in network.averages}
    weights = {name: digest(parameter) for name, parameter in network.parameters.items()}
    state = {name: digest(tensor) for name, tensor in trainer.optimizer_state().items()}
    with torch.no_grad():
        scores = network.scores(images_of(case, case["steps"])[0], training=False)
    return {
        **case,
        "losses": losses,
        "gradients": first,
        "tensors": {**weights, **averages, **state},
        "scores": digest(scores),
    }


def distance(a, b):
    """Of digest `a` from `b`, as a share of b."""
    if "values" in b:
        size = math.hypot(*b["values"])
        return math.dist(a["values"], b["values"]) / size if size > 0 else math.hypot(*a["values"])
    return math.dist(a["sums"], b["sums"]) / math.sqrt(SUMS) / b["norm"] if b["norm"] > 0 else a["norm"]


def differences(a, b):
    """(what, distance) of everything that two outcomes of a case tell."""
    for step, losses in enumerate(zip(a["losses"], b["losses"], strict=True)):
        yield f"loss {step}", distance(*({"values": [loss]} for loss in losses))
    yield "scores", distance(a["scores"], b["scores"])
    for kind in ("gradients", "tensors"):
        for name in b[kind]:
            yield f"{kind} {name}", distance(a[kind][name], b[kind][name])


def given(outcome):
    """What two outcomes must share to be compared: the case itself, and the names of the tensors."""
    case = {key: outcome[key] for key in ("name", "shape", "classes", "batch", "steps", "config")}
    return case, [sorted(outcome[kind]) for kind in ("gradients", "tensors")]


def write(group, outcomes):
    lines = ",\n".join(json.dumps(outcome, separators=(",", ":")) for outcome in outcomes)
    (FOLDER / f"{group}.json").write_text(f"[\n{lines}\n]\n")


def check(group, outcomes):
    recorded = json.loads((FOLDER / f"{group}.json").read_text())
    if [c["name"] for c in recorded] != [c["name"] for c in outcomes]:
        return [f"{group}: the cases are others"]
    wrong = []
    for old, new in zip(recorded, outcomes):
        if given(old) != given(new):
            wrong.append(f"{group}, {new['name']}: the case, or what is told of it, is another")
            continue
        what, worst = max(differences(old, new), key=lambda found: found[1])
        if not worst < AGREEMENT:
            wrong.append(f"{group}, {new['name']}: {what} is off by {worst:.1e}")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--only", choices=GROUPS, action="append")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # threads that wait for one another are slow where others work, too
    wrong = []
    for group in arguments.only or GROUPS:
        outcomes = [train(case) for case in GROUPS[group]()]
        if arguments.float32:
            for outcome, case in zip(outcomes, GROUPS[group]()):
                found = differences(train(case, torch.float32), outcome)
                print(group, case["name"], *max(found, key=lambda each: each[1]))
        elif arguments.check:
            wrong += check(group, outcomes)
        else:
            write(group, outcomes)
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
