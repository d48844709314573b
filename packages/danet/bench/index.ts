import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainConv, plainConvNorm, type PlainLayer } from '@saccade/bench/plain';
import { channelAffinityAttention, dualAttentionHead, positionAttention } from '@saccade/danet';
import { add, matMul, max, mul, relu, reshape, softmax, sub, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { channelAffinityAttentionGraph, positionAttentionGraph } from './onnx.ts';

function rowsOf(x: Tensor4D): Tensor3D {
  return reshape(x, [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]);
}

function plainPositionAttention(weight: WeightReader, prefix = ''): PlainLayer {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => plainConv(weight, prefix + name));
  const gamma = weight(`${prefix}gamma`);
  return (x) => {
    const energy = matMul(rowsOf(query(x)), rowsOf(key(x)), false, true); // [N, H·W, H·W]
    const out = matMul(softmax(energy), rowsOf(value(x)));
    return add(mul(gamma, reshape(out, x.shape)), x);
  };
}

function plainChannelAttention(weight: WeightReader, prefix = ''): PlainLayer {
  const gamma = weight(`${prefix}gamma`);
  return (x) => {
    const rows = rowsOf(x);
    const energy = matMul<Tensor3D>(rows, rows, true, false); // [N, C, C]
    const attention = softmax<Tensor3D>(sub(max(energy, -1, true), energy));
    const out = matMul(rows, attention, false, true);
    return add(mul(gamma, reshape(out, x.shape)), x);
  };
}

const attentionBytes = ([batch, height, width]: readonly number[]) => 2 * 4 * batch * (height * width) ** 2;

const entries: BenchEntry[] = [
  {
    block: 'PositionAttention',
    layer: () => positionAttention(),
    baseline: (weight) => plainPositionAttention(weight),
    shapes: [
      [1, 64, 64, 128],
      [1, 56, 56, 256],
      [1, 28, 28, 512],
      [1, 14, 14, 1024],
    ],
    baselineBytes: attentionBytes,
    onnx: positionAttentionGraph,
    slot: 'head',
  },
  {
    block: 'ChannelAffinityAttention',
    layer: () => channelAffinityAttention(),
    baseline: (weight) => plainChannelAttention(weight),
    onnx: channelAffinityAttentionGraph,
    slot: 'head',
  },
  {
    block: 'DualAttentionHead',
    layer: () => dualAttentionHead(),
    baseline: (weight) => {
      const [position, channel] = [plainPositionAttention(weight, 'position/attention/'), plainChannelAttention(weight, 'channel/attention/')];
      const branch = (name: string, attention: PlainLayer): PlainLayer => {
        const [reduce, refine] = ['reduce', 'refine'].map((part) => plainConvNorm(weight, `${name}/${part}`));
        return (x) => relu(refine(attention(relu(reduce(x)))));
      };
      const [positionBranch, channelBranch] = [branch('position', position), branch('channel', channel)];
      const [classify, classifyPosition, classifyChannel] = ['classify', 'position/classify', 'channel/classify'].map((name) =>
        plainConv(weight, name),
      );
      return (x) => {
        const [ofPosition, ofChannel] = [positionBranch(x), channelBranch(x)];
        return [classify(add(ofPosition, ofChannel)), classifyPosition(ofPosition), classifyChannel(ofChannel)];
      };
    },
    shapes: [
      [1, 64, 64, 128],
      [1, 28, 28, 512],
    ],
    baselineBytes: attentionBytes,
    slot: 'head',
    hostLayer: (channels) => dualAttentionHead({ width: 16, classes: channels }),
  },
];

export default entries;
