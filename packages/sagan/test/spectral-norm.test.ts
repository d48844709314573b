import { spectralNorm, SpectralNorm, type SpectralNormArgs } from '@saccade/sagan';
import { closeTo, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test, vi } from 'vitest';

type Options = Omit<SpectralNormArgs, 'layer'>;

/** σ, by more iterations than the layer does, from another start. */
function largestSingularValue(matrix: tf.Tensor2D): number {
  let u = tf.ones<tf.Rank.R2>([matrix.shape[1], 1]);
  for (let i = 0; i < 500; i++) u = tf.div(tf.matMul(matrix, tf.matMul(matrix, u), true), tf.norm(u));
  return tf.norm(tf.matMul(matrix, tf.div(u, tf.norm(u)))).dataSync()[0];
}

/** A power iteration as the official codes write it. */
function iterated(matrix: tf.Tensor2D, u: tf.Tensor2D): { u: tf.Tensor2D; v: tf.Tensor2D } {
  const unit = (x: tf.Tensor2D): tf.Tensor2D => tf.div(x, tf.norm(x));
  const v = unit(tf.matMul(u, matrix, true, true)); // [1, rows]
  return { u: unit(tf.transpose(tf.matMul(v, matrix))), v };
}

function sigma(matrix: tf.Tensor2D, { u, v }: { u: tf.Tensor2D; v: tf.Tensor2D }): tf.Tensor {
  return tf.matMul(tf.matMul(v, matrix), u);
}

function read(layer: tfl.layers.Layer, name: string): tf.Tensor2D {
  return layer.weights.find(({ originalName }) => originalName === `${layer.name}/${name}`)!.read() as tf.Tensor2D;
}

/** A layer, built directly, whose kernel is no longer the one that the vectors were made for. */
function disturbed(options: Options = {}, layer: tfl.layers.Layer = tfl.layers.dense({ units: 4 })): SpectralNorm {
  const wrapper = spectralNorm({ layer, ...options });
  wrapper.build([null, 3]);
  const [kernel, ...others] = wrapper.getWeights();
  wrapper.setWeights([random(kernel.shape, 3), ...others]);
  return wrapper;
}

function cloned(wrapper: SpectralNorm): SpectralNorm {
  return SpectralNorm.fromConfig<SpectralNorm>(SpectralNorm, wrapper.getConfig());
}

async function reloaded(model: tfl.LayersModel): Promise<tfl.LayersModel> {
  const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
    const handler = tf.io.withSaveHandler((artifacts) => {
      resolve(artifacts);
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } });
    });
    model.save(handler).catch(reject);
  });
  return tfl.loadLayersModel(tf.io.fromMemory(artifacts));
}

/** A discriminator, all of it normalised, in every convention. */
function discriminator(): tfl.Sequential {
  const { conv2d, depthwiseConv2d, dense, flatten } = tfl.layers;
  return tfl.sequential({
    layers: [
      spectralNorm({ layer: conv2d({ inputShape: [4, 5, 2], filters: 3, kernelSize: 3, padding: 'same', activation: 'elu' }) }),
      spectralNorm({ layer: depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, useBias: false }), convention: 'tensorflow', iterations: 2 }),
      flatten(),
      spectralNorm({ layer: dense({ units: 4, kernelRegularizer: 'l1l2' }), inference: 'hold' }),
      spectralNorm({ layer: dense({ units: 1, trainable: false }), inference: 'update' }),
    ],
  });
}

describe.each([
  ['dense', () => tfl.layers.dense({ units: 4 }), [2, 3], 1],
  ['conv1d', () => tfl.layers.conv1d({ filters: 4, kernelSize: 3 }), [2, 5, 3], 1],
  ['conv2d', () => tfl.layers.conv2d({ filters: 4, kernelSize: [2, 3], strides: 2, padding: 'same', activation: 'relu' }), [1, 5, 4, 3], 1],
  ['conv3d', () => tfl.layers.conv3d({ filters: 4, kernelSize: 2 }), [1, 3, 4, 3, 2], 1],
  ['conv2dTranspose', () => tfl.layers.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2 }), [2, 3, 2, 5], 1],
  ['conv3dTranspose', () => tfl.layers.conv3dTranspose({ filters: 2, kernelSize: 2 }), [1, 3, 2, 2, 3], 1],
  ['depthwiseConv2d', () => tfl.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 }), [2, 4, 3, 3], 2],
] as const)('%s', (_, create, shape, outputAxes) => {
  test('gives what the layer gives with its kernel over σ', async () => {
    const [wrapper, alone] = [spectralNorm({ layer: create(), iterations: 200, inference: 'update' }), create()];
    wrapper.build([...shape]);
    wrapper.setWeights(wrapper.getWeights().map((weight, i) => random(weight.shape, 20 + i)));
    const x = random(shape);
    const y = wrapper.apply(x) as tf.Tensor;
    expect(wrapper.computeOutputShape([...shape])).toEqual(y.shape);
    const [kernel, ...rest] = wrapper.getWeights();
    const columns = kernel.shape.slice(-outputAxes).reduce((product, size) => product * size, 1);
    expect(rest.slice(-2).map((vector) => vector.shape)).toEqual([
      [columns, 1],
      [1, kernel.size / columns],
    ]);
    alone.build([...shape]);
    alone.setWeights([tf.div(kernel, largestSingularValue(tf.reshape(kernel, [-1, columns]))), ...rest.slice(0, -2)]);
    await closeTo(y, alone.apply(x) as tf.Tensor, 1e-5);
  });
});

test.each(['pytorch', 'tensorflow'] as const)('has the gradient of convention %s', async (convention) => {
  const wrapper = disturbed({ convention });
  const [kernel, bias, u] = ['kernel', 'bias', 'u'].map((name) => read(wrapper, name));
  const [x, probe] = [random([2, 3], 5) as tf.Tensor2D, random([2, 4], 6)];
  const constants = iterated(kernel, u);
  const gradients = (f: (x: tf.Tensor2D, kernel: tf.Tensor2D) => tf.Tensor) =>
    tf.grads((x, kernel) => tf.sum(tf.mul(f(x as tf.Tensor2D, kernel as tf.Tensor2D), probe)))([x, kernel]);
  const ours = gradients((x) => wrapper.apply(x) as tf.Tensor);
  const plain = gradients((x, kernel) => {
    const vectors = convention === 'pytorch' ? constants : iterated(kernel, u);
    return tf.add(tf.matMul(x, tf.div(kernel, sigma(kernel, vectors)) as tf.Tensor2D), bias);
  });
  for (const [i, gradient] of ours.entries()) await closeTo(gradient, plain[i], 1e-5);
});

test.each([
  ['iterate', true, true, 'new', true],
  ['iterate', true, false, 'new', false],
  ['iterate', false, true, 'new', false],
  ['update', false, true, 'new', true],
  ['update', false, false, 'new', true],
  ['hold', true, true, 'new', true],
  ['hold', true, false, 'stored', false],
  ['hold', false, true, 'stored', false],
] as const)('inference %s, training %s, trainable %s: takes the %s vectors, stores: %s', async (inference, training, trainable, taken, stores) => {
  const wrapper = disturbed({ inference, trainable });
  const [kernel, u, v] = ['kernel', 'u', 'v'].map((name) => tf.clone(read(wrapper, name)));
  const next = iterated(kernel, u);
  const y = wrapper.apply(tf.eye(3), { training }) as tf.Tensor;
  await closeTo(y, tf.div(kernel, sigma(kernel, taken === 'new' ? next : { u, v })));
  await closeTo(read(wrapper, 'u'), stores ? next.u : u);
  await closeTo(read(wrapper, 'v'), stores ? next.v : v);
});

test('starts with vectors of its kernel, so that there is something to hold', async () => {
  const wrapper = spectralNorm({ layer: tfl.layers.dense({ units: 4, useBias: false }), inference: 'hold' });
  const y = wrapper.apply(tf.eye(3)) as tf.Tensor2D;
  expect(largestSingularValue(y)).toBeCloseTo(1, 1);
});

describe('in a model', () => {
  const images = () => random([2, 4, 5, 2]);

  test('counts and trains the weights of the layers that it wraps, and never its vectors', async () => {
    const model = discriminator();
    const print = vi.fn<(line: string) => void>();
    model.summary(undefined, undefined, print);
    const params = [54 + 3 + (3 + 18), 54 + (6 + 9), 0, 36 * 4 + 4 + (36 + 4), 4 + 1 + (4 + 1)];
    expect(model.layers.map((layer) => layer.countParams())).toEqual(params);
    expect(print.mock.calls.flat().join('\n')).toMatch(/Trainable params: 259\n/);
    model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    const before = model.weights.map((weight) => tf.clone(weight.read()));
    await model.fit(images(), random([2, 1]), { epochs: 2 });
    const moved = model.weights.filter((weight, i) => tf.max(tf.abs(tf.sub(weight.read(), before[i]))).dataSync()[0] > 1e-6);
    const names = moved.map(({ originalName }) => originalName.split('/').at(-1)!);
    // Nothing of the last layer, which is frozen: its vectors are those of the kernel that it has.
    expect(names.toSorted((a, b) => a.localeCompare(b))).toEqual([
      'bias',
      'bias',
      'depthwise_kernel',
      'kernel',
      'kernel',
      'u',
      'u',
      'u',
      'v',
      'v',
      'v',
    ]);
  });

  test('a trained one gives the same after saving and loading, and trains on', async () => {
    const model = discriminator();
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    await model.fit(images(), random([2, 1]), { epochs: 1 });
    const vectors = model.layers
      .at(-1)!
      .getWeights()
      .map((weight) => tf.clone(weight));
    const expected = model.predict(images()) as tf.Tensor;
    // The last layer updates its vectors at inference.
    model.layers.at(-1)!.setWeights(vectors);
    const loaded = await reloaded(model);
    await closeTo(loaded.predict(images()) as tf.Tensor, expected, 1e-6);
    loaded.layers.at(-1)!.setWeights(vectors);
    expect(loaded.trainableWeights.length).toBe(model.trainableWeights.length);
    for (const trained of [model, loaded]) {
      trained.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      await trained.fit(images(), random([2, 1]), { epochs: 1 });
    }
    await closeTo(loaded.predict(images()) as tf.Tensor, model.predict(images()) as tf.Tensor, 1e-6);
  });

  test('two that were built directly keep their own weights through saving and loading', async () => {
    const layers = [disturbed({}, tfl.layers.dense({ units: 3 })), disturbed({}, tfl.layers.dense({ units: 3 }))];
    layers[1].setWeights(layers[1].getWeights().map((weight) => tf.add(weight, 1)));
    const model = tfl.sequential({ layers: [tfl.layers.inputLayer({ inputShape: [3] }), ...layers] });
    const rows = random([4, 3]);
    await closeTo((await reloaded(model)).predict(rows) as tf.Tensor, model.predict(rows) as tf.Tensor, 1e-6);
  });

  test('regularises the kernel as the layer says, before it is normalised', () => {
    const wrapper = disturbed({}, tfl.layers.dense({ units: 4, kernelRegularizer: tfl.regularizers.l2({ l2: 1 }) }));
    const [loss] = wrapper.calculateLosses().map((value) => value.dataSync()[0]);
    expect(loss).toBeCloseTo(tf.sum(tf.square(read(wrapper, 'kernel'))).dataSync()[0], 4);
  });
});

test('is frozen and thawed with its layer, and with its model', () => {
  const wrapper = disturbed();
  const names = (weights: readonly { originalName: string }[]) => weights.map(({ originalName }) => originalName.split('/')[1]);
  const model = tfl.sequential({ layers: [tfl.layers.inputLayer({ inputShape: [3] }), wrapper] });
  for (const whole of [wrapper, wrapper.layer, model]) {
    whole.trainable = false;
    expect(names(wrapper.trainableWeights)).toEqual([]);
    expect(names(wrapper.weights)).toEqual(['kernel', 'bias', 'u', 'v']);
    const before = tf.clone(read(wrapper, 'u'));
    wrapper.apply(tf.eye(3), { training: true });
    expect(tf.max(tf.abs(tf.sub(before, read(wrapper, 'u')))).dataSync()[0]).toBe(0);
    if (whole !== model) expect([cloned(wrapper).trainable, cloned(wrapper).layer.trainable]).toEqual([false, false]);
    whole.trainable = true;
    expect(names(wrapper.trainableWeights)).toEqual(['kernel', 'bias']);
  }
  expect(spectralNorm({ layer: tfl.layers.dense({ units: 1 }), trainable: false }).layer.trainable).toBe(false);
});

test('a clone by its config has weights of its own', async () => {
  const wrapper = disturbed(
    { convention: 'tensorflow', iterations: 3, inference: 'hold', name: 'twin' },
    tfl.layers.dense({ units: 4, useBias: false }),
  );
  const clone = cloned(wrapper);
  expect(clone.getConfig()).toEqual(wrapper.getConfig());
  clone.build([null, 3]);
  clone.setWeights(wrapper.getWeights());
  await closeTo(clone.apply(tf.eye(3)) as tf.Tensor, wrapper.apply(tf.eye(3)) as tf.Tensor, 0);
  clone.setWeights(wrapper.getWeights().map((weight) => tf.zerosLike(weight)));
  expect(tf.max(read(wrapper, 'kernel')).dataSync()[0]).not.toBe(0);
});

test('takes the weights that the layer was given', async () => {
  const kernel = tf.tensor2d([
    [3, 0],
    [0, 2],
  ]);
  const wrapper = spectralNorm({ layer: tfl.layers.dense({ units: 2, useBias: false, weights: [kernel] }) });
  await closeTo(wrapper.apply(tf.eye(2)) as tf.Tensor, tf.div(kernel, 3), 1e-3);
});

test('leaks no tensor, and lets go of all', () => {
  const x = random([2, 3]);
  const optimizer = tf.train.sgd(0.01);
  const before = tf.memory().numTensors;
  const wrapper = spectralNorm({ layer: tfl.layers.dense({ units: 4 }), inference: 'update' });
  const use = () => {
    tf.dispose(wrapper.apply(x) as tf.Tensor);
    optimizer.minimize(() => tf.mean<tf.Scalar>(tf.square(wrapper.apply(x, { training: true }) as tf.Tensor)));
  };
  use();
  const { numTensors, numDataBuffers } = tf.memory();
  expect(numTensors).toBe(before + 4); // kernel, bias, u, v
  use();
  expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
  wrapper.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

describe('refuses', () => {
  const layer = () => tfl.layers.dense({ units: 2 });

  test.each([
    [
      'a misspelt option',
      { iteratons: 2 },
      'SpectralNorm: unknown option "iteratons" (received 2). Did you mean "iterations"? The options are convention, iterations, inference.',
    ],
    ['no iteration', { iterations: 0 }, 'SpectralNorm: option "iterations" is 0, but must be a whole number ≥ 1. Leave it out for the default, 1.'],
    ['another convention', { convention: 'keras' }, /option "convention" is "keras", but must be "pytorch" or "tensorflow"/],
    [
      'a layer without a kernel',
      { layer: tfl.layers.flatten() },
      'SpectralNorm: option "layer" is a Flatten, but must be a layer with one kernel. ' +
        'Give a dense, conv1d, conv2d, conv3d, conv2dTranspose, conv3dTranspose or depthwiseConv2d layer.',
    ],
    ['a layer with two', { layer: tfl.layers.separableConv2d({ filters: 2, kernelSize: 1 }) }, /option "layer" is a SeparableConv2D, but/],
    ['a name', { layer: 'conv2d' }, /option "layer" is "conv2d", but/],
    ['no layer', { layer: undefined }, /option "layer" is undefined, but/],
  ])('%s', (_, options, message) => {
    expect(() => spectralNorm({ layer: layer(), ...options } as SpectralNormArgs)).toThrow(message);
  });

  test('a layer with weights elsewhere', () => {
    const shared = layer();
    shared.apply(tf.ones([1, 3]));
    expect(() => spectralNorm({ layer: shared }).apply(tf.ones([1, 3]))).toThrow(
      `SpectralNorm: the layer "${shared.name}" is built already, with weights under its own name. Give a new layer, and its weights with setWeights.`,
    );
  });

  test('what the layer refuses', () => {
    expect(() => spectralNorm({ layer: tfl.layers.conv2d({ filters: 1, kernelSize: 1 }) }).apply(tf.ones([1, 3]))).toThrow('expected ndim=4');
    expect(() => disturbed().apply(tf.ones([1, 5]))).toThrow('expected axis -1 of input shape to have value 3');
  });

  test('a saved layer of a class that nobody registered', () => {
    const config = { ...spectralNorm({ layer: layer() }).getConfig(), layer: { className: 'Elsewhere', config: {} } };
    expect(() => SpectralNorm.fromConfig(SpectralNorm, config)).toThrow(
      'SpectralNorm: the layer that it wraps is a "Elsewhere", which is not registered. Import the package that registers it.',
    );
  });
});
