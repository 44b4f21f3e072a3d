"""PyTorch's end of the comparison: pytorch.ts starts it, and writes a JSON request a line; it answers a line each.

{"threads": n, "device": "cpu" | "cuda"}       opens
{"work": {..}, "operands": {name: {file, shape, dtype}}}   prepares; operands are row-major, each in a file
{"run": true}                                  computes once and answers the processor time that took, in ms
{"result": file}                               writes the last result there
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

device = torch.device("cpu")


def operand(entry):
    file, shape, dtype = entry["file"], entry["shape"], getattr(torch, entry["dtype"])
    size = 1
    for n in shape:
        size *= n
    # Not mapped from the file: a library's operands lie in memory of its own.
    return torch.from_file(file, size=size, dtype=dtype).clone().reshape(shape).to(device)


def convolve(x, weight, bias, stride, padding, groups):
    top, left, bottom, right = padding
    if top == bottom and left == right:
        return F.conv2d(x, weight, bias, stride, (top, left), 1, groups)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride, 0, 1, groups)


def conv_work(work, at):
    x, weight, grad = at["x"], at["weight"], at["grad"]
    stride, groups = work["stride"], work["groups"]
    top, left, bottom, right = work["padding"]
    if work["direction"] == "forward":
        return lambda: convolve(x, weight, None, stride, work["padding"], groups)
    padded = F.pad(x, (left, right, top, bottom))
    by_input = work["direction"] == "inputGrad"

    def run():
        grads = torch.ops.aten.convolution_backward(
            grad, padded, weight, None, [stride, stride], [0, 0], [1, 1], False, [0, 0], groups,
            [by_input, not by_input, False],
        )
        if not by_input:
            return grads[1]
        height, width = x.shape[2:]
        return grads[0][:, :, top : top + height, left : left + width]

    return run


def normalize(x):
    """The paper's section 3.3 within each tower's half of the maps. PyTorch's alpha is divided by the window."""
    n, c, h, w = x.shape
    own = x.reshape(2 * n, c // 2, h, w)
    return F.local_response_norm(own, 5, alpha=5e-4, beta=0.75, k=2).reshape(n, c, h, w)


def network_work(work, at):
    images = at["images"]
    weights = {name: x for name, x in at.items() if "." in name}

    def layer(x, name, stride, padding, groups):
        return F.relu(convolve(x, weights[name + ".weight"], weights[name + ".bias"], stride, padding, groups))

    def forward():
        x = F.max_pool2d(normalize(layer(images, "conv1", 4, [0, 0, 3, 3], 1)), 3, 2)
        x = F.max_pool2d(normalize(layer(x, "conv2", 1, [2, 2, 2, 2], 2)), 3, 2)
        x = layer(x, "conv3", 1, [1, 1, 1, 1], 1)
        x = layer(x, "conv4", 1, [1, 1, 1, 1], 2)
        x = F.max_pool2d(layer(x, "conv5", 1, [1, 1, 1, 1], 2), 3, 2).flatten(1)
        for name in ("fc6", "fc7"):
            x = F.relu(F.linear(x, weights[name + ".weight"], weights[name + ".bias"])) * 0.5
        return F.linear(x, weights["fc8.weight"], weights["fc8.bias"])

    if work["kind"] == "inference":
        return forward
    labels = at["labels"].long()
    for x in weights.values():
        x.requires_grad_(True)

    def run():
        with torch.enable_grad():
            for x in weights.values():
                x.grad = None
            F.cross_entropy(forward(), labels).backward()
        return weights["conv1.weight"].grad

    return run


def make(work, at):
    if work["kind"] == "matmul":
        return lambda: torch.matmul(at["a"], at["b"])
    return conv_work(work, at) if work["kind"] == "conv" else network_work(work, at)


def open_device(name):
    if name == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch finds no CUDA device")
        # float32 as the others have it, instead of tensor cores' 10 bits.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
    return torch.device(name)


def main():
    global device
    torch.set_grad_enabled(False)
    run, last = None, None
    for line in sys.stdin:
        request, reply = json.loads(line), {}
        try:
            if "threads" in request:
                torch.set_num_threads(request["threads"])
                device = open_device(request["device"])
                reply = {"version": torch.__version__}
            elif "work" in request:
                last = None
                run = make(request["work"], {name: operand(e) for name, e in request["operands"].items()})
            elif "run" in request:
                start = time.process_time()
                last = run()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                reply = {"cpu": 1000 * (time.process_time() - start)}
            else:
                flat = last.contiguous().flatten().cpu()
                torch.from_file(request["result"], True, flat.numel()).copy_(flat)
        except Exception as error:  # whatever the library throws goes to the table
            reply = {"error": str(error)}
        print(json.dumps(reply), flush=True)


main()
