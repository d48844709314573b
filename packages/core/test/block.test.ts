import { useBackend } from '@saccade/backends';
import {
  ACTIVATIONS,
  attentionRows,
  Block,
  BlockError,
  describe as describeWeights,
  GATES,
  globalAvgPool,
  option,
  scale,
  sizeOf,
  type Activation,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { closeTo, random, randomiseWeights } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';

interface GateOptions {
  width?: number;
  activation?: Activation;
  share?: number;
  kernelSize?: number;
  useBias?: boolean;
  pools?: readonly ('avg' | 'max')[];
  sides?: readonly number[];
  rate?: number;
  limit?: number | null;
}

/** A small squeeze-and-excitation with a batch norm, for these tests. */
class TestGate extends Block<GateOptions> {
  static override readonly className = 'SaccadeTestGate';
  static override readonly options: Schema<GateOptions> = {
    width: option.integer(2),
    activation: option.activation('relu'),
    share: option.number(0.5),
    kernelSize: option.oddInteger(3),
    useBias: option.flag(true),
    pools: option.someOf(['avg', 'max'], ['avg']),
    sides: option.listOf(option.oddInteger(1), [3, 5]),
    rate: option.dropoutRate(0),
    limit: option.optional(option.integer(0, { min: 0 })),
  };

  protected override readonly minSize = 2;
  private reduce!: parts.Dense;
  private norm!: parts.BatchNorm;
  private expand!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const { width, useBias } = this.options;
    this.reduce = parts.dense(weights.at('reduce'), inputShape.at(-1)!, width, { useBias });
    this.norm = parts.batchNorm(weights.at('norm'), width);
    this.expand = parts.dense(weights.at('expand'), width, inputShape.at(-1)!, { useBias });
  }

  override forward(x: tf.Tensor, training: boolean): tf.Tensor {
    return scale(x, this.gate(x, training));
  }

  override maps(x: tf.Tensor, queries: readonly number[]): Record<string, tf.Tensor> {
    const rows: tf.Tensor3D = tf.reshape(x, [x.shape[0], -1, x.shape.at(-1)!]);
    return { channel: this.gate(x, false), query: attentionRows(rows, rows, queries) };
  }

  override macs(): number {
    return this.reduce.macs() + this.expand.macs();
  }

  private gate(x: tf.Tensor, training: boolean): tf.Tensor {
    return GATES.sigmoid(this.expand(ACTIVATIONS[this.options.activation](this.norm(this.reduce(globalAvgPool(x)), training))));
  }
}
tf.serialization.registerClass(TestGate);

interface PairOptions {
  width?: number;
}

/** Two gates, one after the other, and a convolution. */
class TestPair extends Block<PairOptions> {
  static override readonly className = 'SaccadeTestPair';
  static override readonly options: Schema<PairOptions> = { width: option.integer(2) };

  private first!: TestGate;
  private second!: TestGate;
  private conv!: parts.Conv2D;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    this.first = new TestGate(this.options);
    this.second = new TestGate(this.options);
    this.first.define(weights.at('first'), inputShape);
    this.second.define(weights.at('second'), inputShape);
    this.conv = parts.conv2d(weights.at('conv'), channels, channels, { kernelSize: 3 });
  }

  override forward(x: tf.Tensor, training: boolean): tf.Tensor {
    return this.conv(this.second.forward(this.first.forward(x, training), training) as tf.Tensor4D);
  }

  override maps(x: tf.Tensor, queries: readonly number[]): Record<string, tf.Tensor> {
    return this.first.maps(x, queries);
  }

  override macs(inputShape: readonly number[]): number {
    return this.first.macs() + this.second.macs() + this.conv.macs(sizeOf(inputShape.slice(0, -1)));
  }
}
tf.serialization.registerClass(TestPair);

const gate = (args?: BlockArgs<GateOptions>) => new TestGate(args);

async function savedAndLoaded(model: tfl.LayersModel): Promise<tfl.LayersModel> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (saved) => {
      artifacts = saved;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  // As a file holds it: null for undefined, and no class.
  const { weightData, ...rest } = artifacts!;
  return tfl.loadLayersModel(tf.io.fromMemory({ ...(JSON.parse(JSON.stringify(rest)) as tf.io.ModelArtifacts), weightData: weightData! }));
}

beforeAll(async () => {
  await useBackend('cpu');
});

describe('options', () => {
  test('defaults are filled in, and undefined asks for them', () => {
    const all = { width: 2, activation: 'relu', share: 0.5, kernelSize: 3, useBias: true, pools: ['avg'], sides: [3, 5], rate: 0, limit: null };
    expect(gate().options).toEqual(all);
    expect(gate({ width: undefined, rate: undefined } as never).options).toEqual(all);
    expect(gate({ width: 5, pools: ['max', 'avg'], limit: 0, name: 'mine', trainable: false })).toMatchObject({
      options: { ...all, width: 5, pools: ['max', 'avg'], limit: 0 },
      name: 'mine',
      trainable: false,
    });
  });

  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const names = 'The options are width, activation, share, kernelSize, useBias, pools, sides, rate, limit.';
  test.each([
    [{ widht: 4 }, `TestGate: unknown option "widht" (received 4). Did you mean "width"? ${names}`],
    [{ Activation: 'relu' }, `TestGate: unknown option "Activation" (received "relu"). Did you mean "activation"? ${names}`],
    [{ nothingLikeIt: null }, `TestGate: unknown option "nothingLikeIt" (received null). ${names}`],
    [{ toString: 1 }, `TestGate: unknown option "toString" (received 1). ${names}`],
    [JSON.parse('{"__proto__": 1}'), `TestGate: unknown option "__proto__" (received 1). ${names}`],
    [{ width: 0 }, 'TestGate: option "width" is 0, but must be a whole number ≥ 1. Leave it out for the default, 2.'],
    [{ width: '4' }, 'TestGate: option "width" is "4", but must be a whole number ≥ 1. Leave it out for the default, 2.'],
    [{ width: null }, 'TestGate: option "width" is null, but must be a whole number ≥ 1. Leave it out for the default, 2.'],
    [{ width: Infinity }, 'TestGate: option "width" is Infinity, but must be a whole number ≥ 1. Leave it out for the default, 2.'],
    [
      { activation: 'Relu' },
      'TestGate: option "activation" is "Relu", but must be "relu", "relu6", "silu", "hardSwish" or "leakyRelu". Leave it out for the default, "relu".',
    ],
    [{ share: NaN }, 'TestGate: option "share" is NaN, but must be a number > 0. Leave it out for the default, 0.5.'],
    [{ share: 0 }, 'TestGate: option "share" is 0, but must be a number > 0. Leave it out for the default, 0.5.'],
    [{ kernelSize: 4 }, 'TestGate: option "kernelSize" is 4, but must be an odd whole number ≥ 1. Leave it out for the default, 3.'],
    [{ useBias: 1 }, 'TestGate: option "useBias" is 1, but must be true or false. Leave it out for the default, true.'],
    [
      { pools: ['avg', 'avg'] },
      'TestGate: option "pools" is ["avg","avg"], but must be a list of one or more different names out of "avg", "max". Leave it out for the default, ["avg"].',
    ],
    [
      { pools: [] },
      'TestGate: option "pools" is [], but must be a list of one or more different names out of "avg", "max". Leave it out for the default, ["avg"].',
    ],
    ...[5, [], [3, 4]].map((sides): [object, string] => [
      { sides },
      `TestGate: option "sides" is ${JSON.stringify(sides)}, but must be a list of one or more, each an odd whole number ≥ 1. Leave it out for the default, [3,5].`,
    ]),
    [{ rate: 1 }, 'TestGate: option "rate" is 1, but must be a number ≥ 0 and < 1. Leave it out for the default, 0.'],
    [{ limit: -1 }, 'TestGate: option "limit" is -1, but must be a whole number ≥ 0, or null. Leave it out for the default, null.'],
    [{ limit: circular }, 'TestGate: option "limit" is an object, but must be a whole number ≥ 0, or null. Leave it out for the default, null.'],
    [{ width: 'x'.repeat(200) }, `TestGate: option "width" is "${'x'.repeat(76)}…, but must be a whole number ≥ 1. Leave it out for the default, 2.`],
  ])('refuses %j', (options, message) => {
    expect(() => gate(options as never)).toThrow(new BlockError(message));
  });

  test('messages name the block in minified code, too', () => {
    const Minified = { t: class extends TestGate {} }.t;
    expect(() => new Minified({ width: 0 })).toThrow('TestGate: option "width" is 0');
  });
});

describe('inputs', () => {
  test.each([
    [[2, 5, 6], 'TestGate: the input has shape [2, 5, 6], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.'],
    [
      [null, 5, 6, null],
      'TestGate: the input has shape [null, 5, 6, null], but the number of channels, its last axis, must be known and at least 1. ' +
        'Give inputShape as [N, height, width, channels] without N, channels last.',
    ],
    [
      [2, 5, 6, 0],
      'TestGate: the input has shape [2, 5, 6, 0], but the number of channels, its last axis, must be known and at least 1. ' +
        'Give inputShape as [N, height, width, channels] without N, channels last.',
    ],
    [
      [2, 1, 6, 4],
      'TestGate: the input has shape [2, 1, 6, 4], but each position axis must have at least 2. Give a larger map, or leave the block out at this depth.',
    ],
  ])('refuses the shape %j', (shape, message) => {
    const { name } = gate();
    expect(() => gate({ name }).apply(tfl.input({ batchShape: shape }))).toThrow(new BlockError(message));
    expect(() => gate().build(shape)).toThrow(new BlockError(message));
    expect(() => gate().computeOutputShape(shape)).toThrow(new BlockError(message));
  });

  test('refuses other sizes than it was built for, and unknown ones, where something ties it to them', () => {
    class Tied extends TestGate {
      protected override get sizeTie(): string {
        return 'its kernel is as large as the map';
      }
    }
    expect(() => new Tied().apply(tfl.input({ shape: [5, null, 4] }))).toThrow(
      'TestGate: the input has shape [null, 5, null, 4], but its kernel is as large as the map: each size but N must be known. Give an inputShape without null.',
    );
    const layer = new Tied({ name: 'tied' });
    expect((layer.apply(tfl.input({ shape: [5, 6, 4] })) as tfl.SymbolicTensor).shape).toEqual([null, 5, 6, 4]);
    expect((layer.apply(random([3, 5, 6, 4])) as tf.Tensor).shape).toEqual([3, 5, 6, 4]);
    expect(() => layer.apply(random([1, 6, 5, 4]))).toThrow(
      'TestGate: the input has shape [1, 6, 5, 4], but its kernel is as large as the map, and the layer "tied" was built for 5×6. ' +
        'Resize the map, or use a layer of its own for each size.',
    );
  });

  test('refuses other channels than it was built for', () => {
    const layer = gate({ name: 'gate' });
    layer.build([null, null, null, 4]);
    const message =
      'TestGate: the input has shape [1, 5, 6, 8], but the layer "gate" was built for 4 channels. Use a layer of its own for each number of channels.';
    expect(() => layer.apply(tf.zeros([1, 5, 6, 8]))).toThrow(new BlockError(message));
    expect(() => layer.attentionMaps(tf.zeros([1, 5, 6, 8]))).toThrow(new BlockError(message));
  });

  test('takes any channels where a block says that its weights fit all', () => {
    class TestAnyChannels extends TestGate {
      protected override readonly fixesChannels = false;
      override forward(x: tf.Tensor): tf.Tensor {
        return x;
      }
    }
    const layer = new TestAnyChannels();
    layer.build([null, null, null, 4]);
    expect((layer.apply(tf.zeros([1, 5, 6, 8])) as tf.Tensor).shape).toEqual([1, 5, 6, 8]);
  });

  test('refuses several inputs, and integers', () => {
    const x = tf.zeros([1, 5, 6, 4]);
    const [one, two] = [1, 2].map(() => tfl.input({ shape: [5, 6, 4] }));
    expect(() => gate().apply([x, x])).toThrow(
      new BlockError('TestGate: received 2 input shapes, but takes one feature map. Apply the layer to each, or concatenate them.'),
    );
    expect(() => gate().apply([one, two])).toThrow('TestGate: received 2 input');
    const layer = gate();
    layer.build(x.shape);
    expect(() => layer.call([x, x], {})).toThrow(
      new BlockError('TestGate: received 2 inputs, but takes one feature map. Apply the layer to each, or concatenate them.'),
    );
    const message = "TestGate: the input is of type int32, but must be of type float32. Convert it with tf.cast(x, 'float32').";
    expect(() => gate().apply(tf.zeros([1, 5, 6, 4], 'int32'))).toThrow(new BlockError(message));
    expect(() => gate().attentionMaps(tf.zeros([1, 5, 6, 4], 'int32'))).toThrow(new BlockError(message));
  });

  test('each rank that a block names is taken', () => {
    class TestSequence extends TestGate {
      protected override readonly ranks = [3, 4];
    }
    expect((new TestSequence().apply(tf.zeros([2, 7, 4])) as tf.Tensor).shape).toEqual([2, 7, 4]);
    expect(() => new TestSequence().apply(tf.zeros([2, 4]))).toThrow(
      new BlockError(
        'TestGate: the input has shape [2, 4], of rank 2, but must be [N, length, channels] or [N, height, width, channels]. Add or remove axes with tf.reshape.',
      ),
    );
  });
});

describe('weights', () => {
  test('those of blocks inside a block have names of their own, are trained, saved and loaded', async () => {
    const x = random([2, 5, 7, 3]);
    const model = tfl.sequential({ layers: [new TestPair({ inputShape: [null, null, 3], width: 4 }), new TestPair()] });
    const names = model.weights.map((weight) => weight.originalName);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith(`${model.layers[0].name}/`))).toEqual(
      ['first', 'second']
        .flatMap((at) => ['reduce/kernel', 'reduce/bias', 'norm/gamma', 'norm/beta', 'expand/kernel', 'expand/bias'].map((name) => `${at}/${name}`))
        .concat(
          ['conv/kernel', 'conv/bias'],
          ['first', 'second'].flatMap((at) => [`${at}/norm/movingMean`, `${at}/norm/movingVariance`]),
        )
        .map((name) => `${model.layers[0].name}/${name}`),
    );
    for (const layer of model.layers) randomiseWeights(layer as Block<object>);
    model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    const before = model.weights.map((weight) => weight.read().dataSync().slice());
    await model.fit(x, random([2, 5, 7, 3], 5), { epochs: 2 });
    const still = model.weights.filter((weight, i) =>
      weight
        .read()
        .dataSync()
        .every((value, j) => value === before[i][j]),
    );
    // A bias before a batch norm has no effect.
    expect(still.map((weight) => weight.originalName).filter((name) => !name.endsWith('reduce/bias'))).toEqual([]);
    const loaded = await savedAndLoaded(model);
    await closeTo(loaded.predict(x) as tf.Tensor, model.predict(x) as tf.Tensor, 1e-6);
    expect(loaded.layers[0].getConfig()).toMatchObject({ width: 4 });
  });

  test('a config comes back whole from a saved model', async () => {
    const options = {
      width: 3,
      activation: 'hardSwish',
      share: 0.25,
      kernelSize: 5,
      useBias: false,
      pools: ['max', 'avg'],
      sides: [5, 1, 5],
      rate: 0.5,
      limit: 7,
    } as const;
    const model = tfl.sequential({ layers: [gate({ inputShape: [4, 4, 3], name: 'mine', ...options })] });
    const loaded = (await savedAndLoaded(model)).layers[0] as TestGate;
    expect(loaded).toBeInstanceOf(TestGate);
    expect(loaded.options).toEqual(options);
    expect(loaded.name).toBe('mine');
  });

  test('layers that were built by hand keep their own weights in a model', async () => {
    const layers = [gate(), gate()];
    for (const layer of layers) {
      layer.build([null, 4, 5, 3]);
      randomiseWeights(layer);
    }
    const x = random([1, 4, 5, 3]);
    const alone = layers[1].apply(layers[0].apply(x)) as tf.Tensor;
    const model = tfl.sequential();
    model.add(tfl.layers.inputLayer({ inputShape: [4, 5, 3] }));
    for (const layer of layers) model.add(layer);
    await closeTo((await savedAndLoaded(model)).predict(x) as tf.Tensor, alone, 1e-6);
  });

  test('a frozen layer does not learn', async () => {
    const x = random([2, 4, 5, 3]);
    const frozen = gate({ inputShape: [4, 5, 3], trainable: false });
    const model = tfl.sequential({ layers: [frozen, tfl.layers.conv2d({ filters: 1, kernelSize: 1 })] });
    expect(frozen.trainableWeights).toEqual([]);
    model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    const learned = frozen.weights.filter((weight) => !weight.originalName.includes('moving'));
    const before = learned.map((weight) => weight.read().dataSync().slice());
    await model.fit(x, tf.ones([2, 4, 5, 1]), { epochs: 1 });
    expect(learned.map((weight) => weight.read().dataSync())).toEqual(before);
  });

  test('describe tells them without making any', () => {
    const before = tf.memory().numTensors;
    const { specs, params } = describeWeights(gate({ useBias: false }), [null, null, null, 5]);
    expect(specs.map(({ path, shape, layout, trainable }) => [path, shape, layout, trainable])).toEqual([
      ['reduce/kernel', [5, 2], 'dense', true],
      ['norm/gamma', [2], 'vector', true],
      ['norm/beta', [2], 'vector', true],
      ['norm/movingMean', [2], 'vector', false],
      ['norm/movingVariance', [2], 'vector', false],
      ['expand/kernel', [2, 5], 'dense', true],
    ]);
    expect(params).toBe(24);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('cost', () => {
  test('counts what is learned, and what is multiplied, without building', () => {
    const layer = new TestPair({ width: 4 });
    const ofGate = 3 * 4 + 4 + 2 * 4 + 4 * 3 + 3;
    expect(layer.cost([2, 5, 7, 3])).toEqual({ params: 2 * ofGate + 9 * 9 + 3, macs: 2 * 24 + 2 * 5 * 7 * 81 });
    expect(layer.cost([null, 5, 7, 3]).macs).toBe(2 * 24 + 5 * 7 * 81);
    expect(layer.built).toBe(false);
  });

  test('does not change the names of later layers', () => {
    const number = (layer: TestGate) => Number(/\d+$/.exec(layer.name)?.[0]);
    const first = gate();
    first.cost([1, 4, 4, 3]);
    expect(number(gate())).toBe(number(first) + 1);
  });

  test('refuses sizes that it needs and does not get', () => {
    expect(() => gate().cost([null, null, 5, 3])).toThrow(
      new BlockError('TestGate: cost needs every size but the batch, and received [null, null, 5, 3]. Give [1, height, width, channels].'),
    );
    expect(() => gate().cost([1, 5, 3])).toThrow('TestGate: the input has shape [1, 5, 3], of rank 3');
  });
});

describe('attentionMaps', () => {
  test('gives the maps of the queries, of the middle one by default', async () => {
    const x = random([1, 3, 5, 4]);
    const layer = gate();
    const { query, channel } = layer.attentionMaps(x);
    expect([query.shape, channel.shape]).toEqual([
      [1, 1, 15],
      [1, 4],
    ]);
    await closeTo(query, layer.attentionMaps(x, { queries: [7] })['query'], 0);
    expect(layer.attentionMaps(x, { queries: [0, 14] })['query'].shape).toEqual([1, 2, 15]);
  });

  test.each([
    [[3, 15], 'query 15 is no position of an input with 15 positions'],
    [[-1], 'query -1 is no position of an input with 15 positions'],
    [[1.5], 'query 1.5 is no position of an input with 15 positions'],
    [[undefined], 'query undefined is no position of an input with 15 positions'],
    [[], 'queries is empty'],
  ])('refuses the queries %j', (queries, message) => {
    expect(() => gate().attentionMaps(random([1, 3, 5, 4]), { queries: queries as number[] })).toThrow(
      new BlockError(`TestGate: ${message}. Give whole numbers from 0 to 14.`),
    );
  });
});

test('nothing leaks: a layer holds its weights, and no other tensor', () => {
  const x = random([2, 3, 5, 4]);
  const before = tf.memory().numTensors;
  const built = new TestPair();
  built.build(x.shape);
  expect(tf.memory().numTensors).toBe(before + built.weights.length);
  tf.dispose(built.weights.map((weight) => weight.read()));

  const layer = new TestPair();
  tf.dispose(layer.attentionMaps(x));
  expect(tf.memory().numTensors).toBe(before + layer.weights.length);
  tf.dispose([layer.apply(x) as tf.Tensor, layer.apply(x, { training: true }) as tf.Tensor]);
  layer.cost([1, 3, 5, 4]);
  tf.tidy(
    () =>
      void tf.variableGrads(
        () => tf.sum(layer.apply(x, { training: true }) as tf.Tensor),
        layer.trainableWeights.map((weight) => weight.read() as tf.Variable),
      ),
  );
  expect(tf.memory().numTensors).toBe(before + layer.weights.length);
  layer.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
