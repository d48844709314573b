"""Runs a graph of the benchmark with torch: python3 torch-graph.py cpu|cuda

On standard input comes one request a line, as JSON, and to each goes one answer: first the graph, with its input and its constants; then
"output" for what it gives, or a number for the milliseconds that so many forwards take.
"""

import base64
import ctypes
import json
import sys
import time

import torch
import torch.nn.functional as F


def convolve(x, w, b=None, *, kernel_shape, pads, strides=(1, 1), dilations=(1, 1), group=1):
    rank = len(kernel_shape)
    conv = F.conv1d if rank == 1 else F.conv2d
    return conv(x, w, b, stride=strides[:rank], padding=pads[:rank], dilation=dilations[:rank], groups=group)


def max_pool(x, *, kernel_shape, strides, pads=(0, 0, 0, 0)):
    top, left, bottom, right = pads
    return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=float("-inf")) if any(pads) else x, kernel_shape, strides)


def gemm(x, w, b=None):
    return torch.matmul(x, w) if b is None else torch.addmm(b, x, w)


def resize(x, sizes, *, mode, coordinate_transformation_mode, nearest_mode=None):
    if mode == "nearest":
        assert (coordinate_transformation_mode, nearest_mode) == ("asymmetric", "floor")
        return F.interpolate(x, sizes[2:], mode="nearest")
    return F.interpolate(x, sizes[2:], mode="bilinear", align_corners=coordinate_transformation_mode == "align_corners")


OPERATORS = {
    "Add": torch.add,
    "AveragePool": lambda x, kernel_shape, strides: F.avg_pool2d(x, kernel_shape, strides),
    "BatchNormalization": lambda x, gamma, beta, mean, variance, epsilon: F.batch_norm(x, mean, variance, gamma, beta, eps=epsilon),
    "Concat": lambda *xs, axis: torch.cat(xs, axis),
    "Conv": convolve,
    "Gemm": gemm,
    "GlobalAveragePool": lambda x: F.adaptive_avg_pool2d(x, 1),
    "GlobalMaxPool": lambda x: F.adaptive_max_pool2d(x, 1),
    "HardSwish": F.hardswish,
    "LayerNormalization": lambda x, gamma, beta, axis, epsilon: F.layer_norm(x, x.shape[axis:], gamma, beta, epsilon),
    "LeakyRelu": lambda x, alpha: F.leaky_relu(x, alpha),
    "MatMul": torch.matmul,
    "MaxPool": max_pool,
    "Mul": torch.mul,
    "ReduceMax": lambda x, axes, keepdims: torch.amax(x, axes, bool(keepdims)),
    "ReduceMean": lambda x, axes, keepdims: torch.mean(x, axes, bool(keepdims)),
    "Relu": torch.relu,
    "Reshape": lambda x, shape: x.reshape(shape),
    "Resize": resize,
    "Sigmoid": torch.sigmoid,
    "Softmax": lambda x, axis: torch.softmax(x, axis),
    "Split": lambda x, sizes, axis: torch.split(x, sizes, axis),
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": lambda x, perm: x.permute(perm),
}


def tensor_of(message, device):
    # Sizes are numbers to torch.
    if "sizes" in message:
        return message["sizes"]
    data = bytearray(base64.b64decode(message["values"]))
    return torch.frombuffer(data, dtype=torch.float32).reshape(message["shape"]).to(device)


def forward(steps, known, output):
    values = dict(known)
    for operator, inputs, outputs, attributes in steps:
        result = operator(*[values[name] for name in inputs if name], **attributes)
        values.update(zip(outputs, result if len(outputs) > 1 else [result]))
    return values[output]


def main(device):
    torch.set_num_threads(1)
    # Products as exact as ours.
    torch.backends.cudnn.allow_tf32 = False
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None

    def answer(**message):
        print(json.dumps(message), flush=True)

    graph = json.loads(sys.stdin.readline())
    steps = [(OPERATORS[step["op"]], step["inputs"], step["outputs"], step["attributes"]) for step in graph["steps"]]
    known = {tensor["name"]: tensor_of(tensor, device) for tensor in graph["tensors"]}
    answer(version=f"torch {torch.__version__}, " + (torch.cuda.get_device_name() if device == "cuda" else "CPU, 1 thread"))
    for line in sys.stdin:
        request = json.loads(line)
        if request == "output":
            result = forward(steps, known, graph["output"]).cpu().contiguous()
            data = ctypes.string_at(result.data_ptr(), 4 * result.numel())
            answer(shape=list(result.shape), values=base64.b64encode(data).decode())
        else:
            synchronise()
            start = time.perf_counter()
            for _ in range(request):
                forward(steps, known, graph["output"])
            synchronise()
            answer(ms=1000 * (time.perf_counter() - start))


with torch.inference_mode():
    main(sys.argv[1])
