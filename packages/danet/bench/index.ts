import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { channelAffinityAttention, dualAttentionHead, positionAttention } from '@saccade/danet';
import {
  add,
  batchNorm,
  conv2d,
  matMul,
  max,
  mul,
  relu,
  reshape,
  softmax,
  sub,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

type Plain = (x: Tensor4D) => Tensor4D;

function rowsOf(x: Tensor4D): Tensor3D {
  return reshape(x, [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]);
}

function plainConv1x1(weight: WeightReader, name: string): Plain {
  const kernel = weight<Tensor2D>(`${name}/kernel`);
  const filter: Tensor4D = reshape(kernel, [1, 1, kernel.shape[0], kernel.shape[1]]);
  const bias = weight(`${name}/bias`);
  return (x) => add(conv2d(x, filter, 1, 'same'), bias);
}

function plainPositionAttention(weight: WeightReader, prefix = ''): Plain {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => plainConv1x1(weight, `${prefix}${name}`));
  const gamma = weight(`${prefix}gamma`);
  return (x) => {
    const energy = matMul(rowsOf(query(x)), rowsOf(key(x)), false, true); // [N, H·W, H·W]
    const out = matMul(softmax(energy), rowsOf(value(x)));
    return add(mul(gamma, reshape(out, x.shape)), x);
  };
}

function plainChannelAttention(weight: WeightReader, prefix = ''): Plain {
  const gamma = weight(`${prefix}gamma`);
  return (x) => {
    const rows = rowsOf(x);
    const energy = matMul<Tensor3D>(rows, rows, true, false); // [N, C, C]
    const attention = softmax<Tensor3D>(sub(max(energy, -1, true), energy));
    const out = matMul(rows, attention, false, true);
    return add(mul(gamma, reshape(out, x.shape)), x);
  };
}

function plainConvNorm(weight: WeightReader, name: string): Plain {
  const kernel = weight<Tensor4D>(`${name}/conv/kernel`);
  const [mean, variance, beta, gamma] = ['movingMean', 'movingVariance', 'beta', 'gamma'].map((part) => weight<Tensor1D>(`${name}/norm/${part}`));
  return (x) => relu(batchNorm<Tensor4D['rankType']>(conv2d(x, kernel, 1, 'same'), mean, variance, beta, gamma, 1e-5));
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
    slot: 'head',
  },
  {
    block: 'ChannelAffinityAttention',
    layer: () => channelAffinityAttention(),
    baseline: (weight) => plainChannelAttention(weight),
    slot: 'head',
  },
  {
    block: 'DualAttentionHead',
    layer: () => dualAttentionHead(),
    baseline: (weight) => {
      const [position, channel] = [plainPositionAttention(weight, 'position/attention/'), plainChannelAttention(weight, 'channel/attention/')];
      const branch = (name: string, attention: Plain): Plain => {
        const [reduce, refine] = ['reduce', 'refine'].map((part) => plainConvNorm(weight, `${name}/${part}`));
        return (x) => refine(attention(reduce(x)));
      };
      const [positionBranch, channelBranch] = [branch('position', position), branch('channel', channel)];
      const [classify, classifyPosition, classifyChannel] = ['classify', 'position/classify', 'channel/classify'].map((name) =>
        plainConv1x1(weight, name),
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
