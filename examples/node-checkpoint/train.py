"""Trains the small squeeze-and-excitation network of this example in PyTorch, and writes all that classify.js and its test need:

    se-net.safetensors   the network's state_dict(); class names and test accuracy are in its metadata
    images/<class>.png   the first test image of each class
    expected.json        the logits that PyTorch computes for these images

Usage: python3 train.py [DIR]

DIR holds Fashion-MNIST as four IDX files, compressed by gzip. Default: the subset in this repository, 2000 images to train on and 1000 to test.
Needs PyTorch and NumPy (made with PyTorch 1.13 and NumPy 1.24, Debian 12's python3-torch, on a CPU). It takes about a minute.
"""

import gzip
import json
import struct
import sys
import zlib
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
DATA = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "../../apps/bench/data/fashion-mnist-subset"
CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"]
EPOCHS = 30


class SEModule(nn.Module):
    """Squeeze-and-excitation with the names and the arithmetic of timm's SEModule."""

    def __init__(self, channels, rd_channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, rd_channels, 1)
        self.fc2 = nn.Conv2d(rd_channels, channels, 1)

    def forward(self, x):
        squeezed = x.mean((2, 3), keepdim=True)
        return x * self.fc2(F.relu(self.fc1(squeezed))).sigmoid()


class Stage(nn.Module):
    def __init__(self, inputs, channels):
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.se = SEModule(channels, channels // 4)

    def forward(self, x):
        return self.se(F.relu(self.bn(self.conv(x))))


class SENet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage1 = Stage(1, 16)
        self.stage2 = Stage(16, 32)
        self.stage3 = Stage(32, 64)
        self.fc = nn.Linear(64, len(CLASSES))

    def forward(self, x):
        x = F.max_pool2d(self.stage1(x), 2)
        x = F.max_pool2d(self.stage2(x), 2)
        return self.fc(self.stage3(x).mean((2, 3)))


def read_idx(name):
    data = gzip.decompress((DATA / f"{name}.gz").read_bytes())
    axes = data[3]
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    return torch.frombuffer(bytearray(data[4 + 4 * axes :]), dtype=torch.uint8).reshape(shape)


def read_split(split):
    pixels, labels = read_idx(f"{split}-images-idx3-ubyte"), read_idx(f"{split}-labels-idx1-ubyte")
    return pixels[:, None] / 255, labels.long()


def augment(x):
    """Half of the images mirrored, each shifted by up to two pixels."""
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x, x.flip(3))
    down, right = torch.randint(0, 5, (2,)).tolist()
    return F.pad(x, (2, 2, 2, 2))[:, :, down : down + 28, right : right + 28]


def train(net, x, y):
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.02)
    batches = -(-len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=EPOCHS * batches)
    for epoch in range(EPOCHS):
        net.train()
        for batch in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(net(augment(x[batch])), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}", flush=True)


def write_safetensors(path, state, metadata):
    """The format is a JSON header behind its length, and the values: https://huggingface.co/docs/safetensors"""
    header, chunks, end = {"__metadata__": metadata}, [], 0
    dtypes = {torch.float32: "F32", torch.int64: "I64"}
    # Wide values first: each then lies at a multiple of its size, as the safetensors library has it.
    for key, value in sorted(state.items(), key=lambda item: (-item[1].element_size(), item[0])):
        chunk = value.contiguous().numpy().tobytes()
        header[key] = {"dtype": dtypes[value.dtype], "shape": list(value.shape), "data_offsets": [end, end + len(chunk)]}
        chunks.append(chunk)
        end += len(chunk)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def write_png(path, pixels):
    """An 8-bit grey PNG."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + bytes(row.tolist()) for row in pixels)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


torch.manual_seed(1)
net = SENet()
train(net, *read_split("train"))

net.eval()
x, y = read_split("t10k")
with torch.no_grad():
    logits = net(x)
accuracy = (logits.argmax(1) == y).float().mean().item()
print(f"{sum(p.numel() for p in net.parameters())} parameters, accuracy on {len(x)} test images: {accuracy:.3f}")

metadata = {"format": "pt", "classes": json.dumps(CLASSES), "testAccuracy": f"{accuracy:.3f}"}
write_safetensors(HERE / "se-net.safetensors", net.state_dict(), metadata)
expected = {}
for label, name in enumerate(CLASSES):
    index = (y == label).nonzero()[0].item()
    write_png(HERE / f"images/{name}.png", (x[index, 0] * 255).round().to(torch.uint8))
    expected[f"{name}.png"] = logits[index].tolist()
(HERE / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")
