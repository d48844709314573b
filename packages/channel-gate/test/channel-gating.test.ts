import { channelGate } from '@saccade/cbam';
import { channelGating, type ChannelGatingOptions, type Excitation, type Squeeze } from '@saccade/channel-gate';
import { fromTorch, type ChannelGateSource } from '@saccade/channel-gate/torch';
import type { Block } from '@saccade/core';
import { efficientChannelAttention } from '@saccade/eca';
import { globalContext } from '@saccade/gc';
import { squeezeExcite } from '@saccade/se';
import { closeTo, onEachBackend, random, randomiseWeights, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/channel-gate',
  create: channelGating,
  input: [2, 5, 7, 12],
  options: {
    squeeze: ['attention', 'cluster', 'std', 'lp', 'logSumExp'],
    p: 3,
    clusters: 2,
    reduction: 3,
    divisor: 2,
    activation: 'silu',
    norm: 'layer',
    gate: 'sigmoid',
  },
  inert: ['squeeze/attention/bias'],
  costs: [
    [{}, [1, 56, 56, 256], 8464, 8192], // SE
    [{ squeeze: ['avg', 'max'] }, [1, 56, 56, 256], 8464, 2 * 8192], // CBAM's channel gate
    [{ squeeze: 'attention', norm: 'layer' }, [1, 28, 28, 512], 33_889, 835_584], // GC
    [{ excitation: 'conv' }, [1, 14, 14, 1024], 5, 5120], // ECA
    [{ excitation: 'conv' }, [1, 14, 14, 4], 1, 4], // ECA's rule has no least size
  ],
  refused: [
    [
      { squeeze: 'mean' },
      'ChannelGating: option "squeeze" is "mean", but must be "avg", "max", "std", "lp", "logSumExp", "depthwise", "linear", "cluster" or "attention", or a list of one or more different names out of "avg", "max", "std", "lp", "logSumExp", "depthwise", "linear", "cluster", "attention". Leave it out for the default, "avg".',
    ],
    [{ squeeze: ['avg', 'avg'] }, /option "squeeze" is \["avg","avg"\]/],
    [{ p: 0.5 }, 'ChannelGating: option "p" is 0.5, but must be a number ≥ 1. Leave it out for the default, 2.'],
    [
      { kernelSizes: [3, 4] },
      'ChannelGating: option "kernelSizes" is [3,4], but must be a list of one or more different odd whole numbers ≥ 1. Leave it out for the default, [3,5,7].',
    ],
    [{ kernelSizes: [3, 3] }, /option "kernelSizes" is \[3,3\]/],
    [{ reduction: 24 }, 'ChannelGating: reduction 24 leaves no channel of 12. Give a reduction of at most 12, or set the width another way.'],
  ],
  refusedInputs: [
    [
      [null, 7, 12],
      'ChannelGating: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
    ],
  ],
});

// On a map of 3×5 pixels with 8 channels, written out.
const SQUEEZE_COSTS: Record<Squeeze, [params: number, macs: number]> = {
  avg: [0, 0],
  max: [0, 0],
  std: [0, 0],
  lp: [0, 0],
  logSumExp: [0, 0],
  depthwise: [3 * 5 * 8, 3 * 5 * 8],
  linear: [3 * 5, 3 * 5 * 8],
  cluster: [8 * 6 + 6 + 8 * 6, 2 * 3 * 5 * 8 * 6],
  attention: [8 + 1, 2 * 3 * 5 * 8],
};
const EXCITATION_COSTS: Record<Excitation, [params: number, macs: number]> = {
  bottleneck: [8 * 3 + 3 + 2 * 3 + 3 * 8 + 8, 2 * 8 * 3],
  conv: [5, 5 * 8],
  multiScale: [1 + 3 + 7, (1 + 3 + 7) * 8],
  selfAttention: [3 * 5, 3 * 5 * 8 + 2 * 8 * 8],
};
const SQUEEZES = Object.keys(SQUEEZE_COSTS) as Squeeze[];
const EXCITATIONS = Object.keys(EXCITATION_COSTS) as Excitation[];
const SETTINGS = { p: 3, clusters: 6, width: 3, norm: 'layer', kernelSize: 5, kernelSizes: [1, 3, 7] } as const satisfies ChannelGatingOptions;
const pairs = SQUEEZES.flatMap((squeeze) => EXCITATIONS.map((excitation) => [squeeze, excitation] as const));

test.each(pairs)('costs what its parts do: %s with %s', (squeeze, excitation) => {
  const [[params, macs], [excitationParams, excitationMacs]] = [SQUEEZE_COSTS[squeeze], EXCITATION_COSTS[excitation]];
  expect(channelGating({ ...SETTINGS, squeeze, excitation }).cost([2, 3, 5, 8])).toEqual({
    params: params + excitationParams,
    macs: 2 * (macs + excitationMacs),
  });
});

onEachBackend((backend) => {
  describe('falls out as a special case', () => {
    test.each<[name: string, theirs: () => Block<object>, ours: ChannelGatingOptions]>([
      ['SE', () => squeezeExcite({ reduction: 3 }), { reduction: 3 }],
      [
        'SE of MobileNetV3',
        () => squeezeExcite({ divisor: 8, useBias: false, activation: 'silu', gate: 'hardSigmoid' }),
        { divisor: 8, useBias: false, activation: 'silu', gate: 'hardSigmoid' },
      ],
      ['ECA', () => efficientChannelAttention(), { excitation: 'conv' }],
      ['ECA with a kernel of its own', () => efficientChannelAttention({ kernelSize: 7 }), { excitation: 'conv', kernelSize: 7 }],
      ['multiplicative GC', () => globalContext({ fusions: ['multiply'], reduction: 4 }), { squeeze: 'attention', norm: 'layer', reduction: 4 }],
      ['multiplicative GC of means', () => globalContext({ pooling: 'avg', fusions: ['multiply'], width: 5 }), { norm: 'layer', width: 5 }],
      ["CBAM's channel gate", () => channelGate({ reduction: 2 }), { squeeze: ['avg', 'max'], reduction: 2 }],
      [
        "CBAM's channel gate with all poolings",
        () => channelGate({ reduction: 2, pools: ['lp', 'max', 'logSumExp'] }),
        { squeeze: ['lp', 'max', 'logSumExp'], reduction: 2 },
      ],
    ])('%s', async (_, theirs, options) => {
      const [reference, layer] = [theirs(), channelGating(options)];
      const x = random([3, 5, 4, 12], 2);
      for (const each of [reference, layer]) {
        each.build(x.shape);
        randomiseWeights(each); // both alike: their weights have the same shapes in the same order
      }
      await sameStep(stepOf(layer, x), stepOf(reference, x), 1e-6);
    });
  });

  describe('computes what its equations say', () => {
    const cases: [squeeze: Squeeze | Squeeze[], excitation: Excitation][] = [
      ...SQUEEZES.map((squeeze) => [squeeze, 'conv'] as [Squeeze, Excitation]),
      ...EXCITATIONS.map((excitation) => ['std', excitation] as [Squeeze, Excitation]),
      [['cluster', 'std', 'depthwise'], 'multiScale'],
    ];
    test.each(cases)('%j with %s', async (squeeze, excitation) => {
      const layer = channelGating({ ...SETTINGS, squeeze, excitation });
      const x = random([3, 3, 5, 8], 4);
      layer.build(x.shape);
      randomiseWeights(layer);
      const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(path))!.read();
      const plain = (x: tf.Tensor) => {
        const logits = [squeeze].flat().map((name) => plainExcitations[excitation](plainSqueezes[name](x as tf.Tensor4D, weight), weight));
        const gates = logits[0].map((_, i) => tf.sigmoid(tf.addN(logits.map((each) => each[i]))));
        return tf.mul(x, tf.reshape(tf.div(tf.addN(gates), gates.length), [3, 1, 1, 8]));
      };
      await sameStep(stepOf(layer, x), stepOf({ apply: plain, trainableWeights: layer.trainableWeights }, x), backend === 'webgpu' ? 1e-4 : 2e-5);
    });
  });

  test('a learned sum over positions starts as the mean', async () => {
    const x = random([2, 4, 3, 8]);
    const gateOf = (squeeze: Squeeze) => {
      const layer = channelGating({ squeeze, excitation: 'conv' });
      layer.build(x.shape);
      layer.weights.at(-1)!.write(tf.tensor([0.5, -1, 2], [3, 1, 1]));
      return layer.attentionMaps(x)['channel'];
    };
    for (const squeeze of ['depthwise', 'linear'] as const) await closeTo(gateOf(squeeze), gateOf('avg'), 1e-6);
  });

  test('the attention maps say where it looked', async () => {
    const x = random([2, 4, 3, 8]);
    const { channel, spatial, clusters, ...others } = channelGating({ squeeze: ['cluster', 'attention'], clusters: 5, width: 2 }).attentionMaps(x);
    expect(others).toEqual({});
    expect(channel.shape).toEqual([2, 8]);
    await closeTo(tf.sum(spatial, [1, 2]), tf.ones([2]));
    await closeTo(tf.sum(clusters, 3), tf.ones([2, 4, 3]));
  });

  test.each(['depthwise', 'linear'] as const)('the squeeze %s takes maps of one size, which a saved model remembers', async (squeeze) => {
    const layer = channelGating({ name: 'gate', squeeze, width: 2 });
    const unknown = () => channelGating({ squeeze }).apply(tfl.input({ shape: [null, 3, 8] }));
    expect(unknown).toThrow(
      `ChannelGating: the input has shape [null, null, 3, 8], but its squeeze "${squeeze}" has a weight for each position: each size but N must be known. Give an inputShape without null.`,
    );
    const input = tfl.input({ shape: [4, 3, 8] });
    const model = tfl.model({ inputs: input, outputs: layer.apply(input) as tfl.SymbolicTensor });
    randomiseWeights(layer);
    expect(() => layer.apply(random([1, 3, 4, 8]))).toThrow(
      `ChannelGating: the input has shape [1, 3, 4, 8], but its squeeze "${squeeze}" has a weight for each position, and the layer "gate" was built for 4×3. Resize the map, or use a layer of its own for each size.`,
    );
    const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve) => {
      const handler = tf.io.withSaveHandler(async (artifacts) => {
        resolve(artifacts);
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      });
      void model.save(handler);
    });
    const loaded = await tfl.loadLayersModel(tf.io.fromMemory(artifacts));
    const x = random([2, 4, 3, 8]);
    await closeTo(loaded.predict(x) as tf.Tensor, layer.apply(x) as tf.Tensor, 1e-6);
  });
});

describe('from PyTorch', () => {
  type Golden = { channels: number; act?: 'relu' | 'silu'; gate?: 'sigmoid' | 'hard_sigmoid' };
  const adapter =
    (module: ChannelGateSource['module']) =>
    ({ config: { channels, act, gate }, state }: { config: Golden; state: Parameters<typeof fromTorch>[0]['state'] }) =>
      fromTorch({ config: { module, channels, ...(act && { act }), ...(gate && { gate }) }, state });
  testGoldens(path.join(folder, '../se/test/golden'), { se: adapter('SEModule') });
  testGoldens(path.join(folder, '../eca/test/golden'), { eca: adapter('eca_layer') });

  const stateOf = (shapes: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }]));
  const mlp = { 'mlp.1.weight': [2, 8], 'mlp.1.bias': [2], 'mlp.3.weight': [8, 2], 'mlp.3.bias': [8] };
  const context = {
    'channel_mul_conv.0.weight': [2, 8, 1, 1],
    'channel_mul_conv.0.bias': [2],
    'channel_mul_conv.1.weight': [2, 1, 1],
    'channel_mul_conv.1.bias': [2, 1, 1],
    'channel_mul_conv.3.weight': [8, 2, 1, 1],
    'channel_mul_conv.3.bias': [8],
  };

  test.each<[Omit<ChannelGateSource, 'channels'>, Record<string, number[]>, ChannelGatingOptions]>([
    [{ module: 'ContextBlock' }, context, { squeeze: 'avg', norm: 'layer', width: 2 }],
    [
      { module: 'ContextBlock' },
      { ...context, 'conv_mask.weight': [1, 8, 1, 1], 'conv_mask.bias': [1] },
      { squeeze: 'attention', norm: 'layer', width: 2 },
    ],
    [{ module: 'ChannelGate' }, mlp, { squeeze: ['avg', 'max'], width: 2 }],
    [{ module: 'ChannelGate', pool_types: ['lse', 'lp'] }, mlp, { squeeze: ['logSumExp', 'lp'], p: 2 }],
  ])('%j', (source, shapes, options) => {
    const layer = fromTorch({ config: { ...source, channels: 8 }, state: stateOf(shapes) });
    expect(layer.options).toMatchObject(options);
  });

  test('refuses what does not fit', () => {
    const read = (config: object, shapes = {}) => fromTorch({ config: { channels: 8, ...config } as ChannelGateSource, state: stateOf(shapes) });
    expect(() => read({ module: 'SELayer' })).toThrow(
      'ChannelGating: argument "module" is "SELayer", but must be "SEModule", "eca_layer", "ContextBlock" or "ChannelGate". Build others from their options.',
    );
    expect(() => read({ module: 'eca_layer', gate: 'sigmoid' })).toThrow('eca_layer: unknown argument "gate" (received "sigmoid").');
    expect(() => read({ module: 'eca_layer' }, { 'conv.weight': [1, 1] })).toThrow(
      'ChannelGating: the state dict has no "conv.weight" with 3 axes or more, but only ["conv.weight"]. Check that it is of this module alone.',
    );
    expect(() => read({ module: 'ChannelGate', pool_types: ['var'] }, mlp)).toThrow(/option "squeeze" is \["var"\]/);
    expect(() => read({ module: 'ChannelGate', channels: 9 }, mlp)).toThrow('"mlp.1.weight" has shape [2, 8], but must be [2, 9]');
  });
});

testReadme(folder);

type Step = { readonly output: tf.Tensor; readonly gradients: tf.Tensor[] };

/** The output, and the gradients of its sum with a probe: of the input, then of each weight. */
function stepOf(layer: Pick<Block<object>, 'trainableWeights'> & { apply(x: tf.Tensor): unknown }, x: tf.Tensor): Step {
  const apply = (x: tf.Tensor) => layer.apply(x) as tf.Tensor;
  const loss = (x: tf.Tensor) => tf.sum<tf.Scalar>(tf.mul(apply(x), random(x.shape, 8)));
  return { output: apply(x), gradients: tf.grads(loss)([x, ...layer.trainableWeights.map((weight) => weight.read())]) };
}

async function sameStep(ours: Step, reference: Step, tolerance: number): Promise<void> {
  await closeTo(ours.output, reference.output, tolerance);
  expect(ours.gradients.length).toBe(reference.gradients.length);
  for (const [i, gradient] of ours.gradients.entries()) await closeTo(gradient, reference.gradients[i], 10 * tolerance);
}

type Weights = (path: string) => tf.Tensor;

const plainSqueezes: Record<Squeeze, (x: tf.Tensor4D, weight: Weights) => tf.Tensor> = {
  avg: (x) => tf.mean(x, [1, 2]),
  max: (x) => tf.max(x, [1, 2]),
  std: (x) => tf.sqrt(tf.moments(x, [1, 2]).variance),
  lp: (x) => tf.pow(tf.sum(tf.pow(tf.abs(x), 3), [1, 2]), 1 / 3),
  logSumExp: (x) => tf.logSumExp(x, [1, 2]),
  depthwise: (x, weight) => tf.sum(tf.mul(x, tf.reshape(weight('depthwise/kernel'), [1, 3, 5, 8])), [1, 2]),
  linear: (x, weight) => tf.sum(tf.mul(x, tf.reshape(weight('linear/kernel'), [1, 3, 5, 1])), [1, 2]),
  cluster: (x, weight) => {
    const rows = tf.reshape(x, [3, 15, 1, 8]);
    const scores = tf.add(tf.sum(tf.mul(rows, tf.transpose(weight('assign/kernel'))), 3), weight('assign/bias')); // [N, P, K]
    const residuals = tf.sub(rows, tf.transpose(weight('cluster/centres'))); // [N, P, K, C]
    return tf.sum(tf.relu(tf.mean(tf.mul(tf.expandDims(tf.softmax(scores), 3), residuals), 1)), 1);
  },
  attention: (x, weight) => {
    const rows = tf.reshape(x, [3, 15, 8]);
    const scores = tf.add(tf.sum(tf.mul(rows, tf.reshape(weight('attention/kernel'), [8])), 2), weight('attention/bias'));
    return tf.sum(tf.mul(rows, tf.expandDims(tf.softmax(scores), 2)), 1);
  },
};

const plainExcitations: Record<Excitation, (s: tf.Tensor, weight: Weights) => tf.Tensor[]> = {
  bottleneck: (s, weight) => {
    const hidden = tf.add(tf.matMul(s, weight('reduce/kernel')), weight('reduce/bias'));
    const { mean, variance } = tf.moments(hidden, 1, true);
    const normal = tf.div(tf.sub(hidden, mean), tf.sqrt(tf.add(variance, 1e-5)));
    const positive = tf.relu(tf.add(tf.mul(normal, weight('norm/gamma')), weight('norm/beta')));
    return [tf.add(tf.matMul(positive, weight('expand/kernel')), weight('expand/bias'))];
  },
  conv: (s, weight) => [alongChannels(s, weight('conv/kernel'))],
  multiScale: (s, weight) => [1, 3, 7].map((size) => alongChannels(s, weight(`conv${size}/kernel`))),
  selfAttention: (s, weight) => {
    const [q, k, v] = ['query', 'key', 'value'].map((name) => alongChannels(s, weight(`${name}/kernel`)));
    const scores = tf.mul(tf.expandDims(q, 2), tf.expandDims(k, 1)); // [N, C, C]
    return [tf.sum(tf.mul(tf.softmax(scores), tf.expandDims(v, 1)), 2)];
  },
};

/** The sum of the channels' neighbours, each times its tap. */
function alongChannels(s: tf.Tensor, kernel: tf.Tensor): tf.Tensor {
  const size = kernel.size;
  const padded = tf.pad(s, [
    [0, 0],
    [(size - 1) / 2, (size - 1) / 2],
  ]);
  const taps = tf.reshape(kernel, [size]);
  return tf.addN(Array.from({ length: size }, (_, i) => tf.mul(tf.slice(padded, [0, i], [-1, 8]), tf.slice(taps, i, 1))));
}
