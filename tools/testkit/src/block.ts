import { useBackend } from '@saccade/backends';
import type { AnyBlock } from '@saccade/core';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_BACKEND } from './backends.ts';
import { closeTo, random, randomiseWeights } from './tensors.ts';

/** What a block's tests must know of it. */
export interface BlockTest<O extends object> {
  /** The package, e.g. `@saccade/se`. */
  readonly package: string;
  readonly create: (options?: O) => AnyBlock;
  /** A small input, odd and not square. */
  readonly input: readonly number[];
  /** Whether a layer takes maps of the size alone that it was built for. Default: false. */
  readonly fixedSize?: boolean;
  /** Options under which all that the block has is in play, small enough for the input. */
  readonly options: O;
  /** Options that must be refused, and the whole message. */
  readonly refused: readonly (readonly [options: object, message: string | RegExp])[];
  /** Shapes of inputs that must be refused, and the whole message. */
  readonly refusedInputs: readonly (readonly [shape: readonly (number | null)[], message: string | RegExp])[];
  /** Weights that the output does not depend on by construction, such as the key bias of a softmax. */
  readonly inert?: readonly string[];
  /** Published or exact costs: [options, input shape, params, multiply-adds]. */
  readonly costs: readonly (readonly [options: O, inputShape: readonly number[], params: number, macs: number])[];
}

/** The contract of every block. */
export function testBlock<O extends object>(spec: BlockTest<O>): void {
  const { create, input, options, fixedSize = false, inert = [] } = spec;
  // Sizes are left open in models where the block allows it.
  const open = input.map((size, axis) => (axis === 0 || (axis < input.length - 1 && !fixedSize) ? null : size));
  const built = (settings: O = options): AnyBlock => {
    const layer = create(settings);
    layer.build([...input]);
    randomiseWeights(layer);
    return layer;
  };

  describe('contract', () => {
    beforeAll(async () => {
      await useBackend('wasm');
    });
    afterAll(async () => {
      await useBackend(DEFAULT_BACKEND);
    });

    test('a saved model loads in a fresh process that imports only the package, and gives the same output', async () => {
      const model = modelOf(create(options), open);
      for (const layer of model.layers) if ('options' in layer) randomiseWeights(layer as AnyBlock);
      const x = random(input);
      const expected = joined(model.predict(x));
      const artifacts = await saved(model);
      const reloaded = loadElsewhere(spec.package, artifacts, x);
      await closeTo(tf.tensor(reloaded.output, expected.shape), expected, 1e-5);
      expect(reloaded.config).toMatchObject(JSON.parse(JSON.stringify(options)) as object);
    });

    test('two of them in one model keep their own weights through saving and loading', async () => {
      const symbol = tfl.input({ batchShape: [...input] });
      const outputs = [built(), built()].flatMap((layer) => layer.apply(symbol) as tfl.SymbolicTensor | tfl.SymbolicTensor[]);
      const model = tfl.model({ inputs: symbol, outputs });
      const x = random(input);
      const loaded = await tfl.loadLayersModel(tf.io.fromMemory(await saved(model)));
      await closeTo(joined(loaded.predict(x)), joined(model.predict(x)), 1e-6);
    });

    test('gives the shape that it promises, for unknown sizes too', () => {
      const layer = built();
      const promised = outputShapes(layer, input);
      expect(([layer.apply(random(input))].flat() as tf.Tensor[]).map((y) => y.shape)).toEqual(promised);
      const symbolic = [create(options).apply(tfl.input({ batchShape: open }))].flat() as tfl.SymbolicTensor[];
      expect(symbolic.map((y) => y.shape.at(-1))).toEqual(promised.map((shape) => shape.at(-1)));
    });

    test('training moves every weight', async () => {
      const layer = create(options);
      const model = modelOf(layer, open);
      // Seeded, since a ReLU may start dead; but what starts as a constant, such as a zero, trains from there.
      randomiseWeights(layer, { seed: 1, keep: (initial) => initial.every((value) => value === initial[0]) });
      model.compile({ optimizer: tf.train.sgd(0.5), loss: 'meanSquaredError' });
      const y = outputShapes(layer, input).map((shape, i) => random(shape, 7 + i));
      const before = layer.trainableWeights.map((weight) => weight.read().dataSync().slice());
      await model.fit(random(input), y, { epochs: 3, batchSize: input[0] });
      const still = layer.trainableWeights.filter((weight, i) =>
        weight
          .read()
          .dataSync()
          .every((value, j) => value === before[i][j]),
      );
      expect(still.map((weight) => pathOf(weight)).filter((name) => !inert.includes(name))).toEqual([]);
    });

    test('gradients agree with finite differences', async () => {
      await useBackend('cpu');
      const layer = built();
      const weights = layer.trainableWeights.map((weight) => weight.read() as tf.Variable);
      const x = tf.variable(random(input, 3));
      const probe = random(outputOf(layer, x).shape, 5);
      const loss = () => tf.sum<tf.Scalar>(tf.mul(outputOf(layer, x), probe));
      const { grads } = tf.variableGrads(loss, [x, ...weights]);
      for (const variable of [x, ...weights]) {
        const name = variable === x ? 'input' : variable.name;
        const direction = tf.mul(random(variable.shape, 11), 1 / Math.sqrt(variable.size));
        const expected = tf.sum(tf.mul(grads[variable.name], direction)).dataSync()[0];
        expect(Math.abs(slope(loss, variable, direction) - expected), `gradient of ${name}`).toBeLessThan(0.02 * Math.max(1, Math.abs(expected)));
      }
      await useBackend('wasm');
    });

    test('leaks no tensor', () => {
      const layer = built();
      const x = random(input);
      const optimizer = tf.train.sgd(0.01);
      const use = () => {
        tf.dispose(layer.apply(x) as tf.Tensor);
        tf.dispose(layer.attentionMaps(x));
        layer.cost(input);
        optimizer.minimize(() => tf.mean<tf.Scalar>(tf.square(outputOf(layer, x, { training: true }))));
      };
      use();
      const { numTensors, numDataBuffers } = tf.memory();
      use();
      expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    });

    test.each(spec.costs)('costs what it should: %j on %j', (settings, shape, params, macs) => {
      expect(create(settings).cost(shape)).toEqual({ params, macs });
    });

    test('its cost counts the weights it has', () => {
      const layer = built();
      expect(layer.countParams()).toBe(layer.cost(input).params + layer.nonTrainableWeights.reduce((sum, weight) => sum + weight.read().size, 0));
    });

    test.each([[{ nonsense: 1 }, /unknown option "nonsense" \(received 1\).*The options are /] as const, ...spec.refused])(
      'refuses the options %j',
      (settings, message) => {
        expect(() => built(settings as O)).toThrow(message);
      },
    );

    test.each([...spec.refusedInputs, [[...input.slice(0, -1), 0], /the number of channels, its last axis, must be known and at least 1/] as const])(
      'refuses an input of shape %j',
      (shape, message) => {
        expect(() => create(options).apply(tfl.input({ batchShape: [...shape] }))).toThrow(message);
      },
    );
  });
}

function modelOf(layer: AnyBlock, batchShape: (number | null)[]): tfl.LayersModel {
  const x = tfl.input({ batchShape });
  return tfl.model({ inputs: x, outputs: layer.apply(x) as tfl.SymbolicTensor });
}

function outputShapes(layer: AnyBlock, input: readonly number[]): number[][] {
  const shapes = layer.computeOutputShape([...input]);
  return (Array.isArray(shapes[0]) ? shapes : [shapes]) as number[][];
}

function outputOf(layer: AnyBlock, x: tf.Tensor, kwargs: { training?: boolean } = {}): tf.Tensor {
  return joined(layer.apply(x, kwargs) as tf.Tensor | tf.Tensor[]);
}

/** An output as it is, several as one row of values. */
function joined(outputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  if (!Array.isArray(outputs)) return outputs;
  return tf.concat(outputs.map((output) => tf.reshape(output, [-1])));
}

async function saved(model: tfl.LayersModel): Promise<tf.io.ModelArtifacts> {
  const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
    const handler = tf.io.withSaveHandler(async (artifacts) => {
      resolve(artifacts);
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    });
    model.save(handler).catch(reject);
  });
  return artifacts;
}

/** Loads a saved model in another process, where nothing but TensorFlow.js and the package is imported. */
function loadElsewhere(name: string, artifacts: tf.io.ModelArtifacts, x: tf.Tensor): { output: number[]; config: object } {
  const program = `
    import * as tf from '@tensorflow/tfjs-core';
    import * as tfl from '@tensorflow/tfjs-layers';
    import '@tensorflow/tfjs-backend-cpu';
    import '${name}';
    import { text } from 'node:stream/consumers';
    const { artifacts, weights, x, shape } = JSON.parse(await text(process.stdin));
    artifacts.weightData = Uint8Array.from(Buffer.from(weights, 'base64')).buffer;
    const model = await tfl.loadLayersModel(tf.io.fromMemory(artifacts));
    const output = [model.predict(tf.tensor(x, shape))].flat().flatMap((y) => Array.from(y.dataSync()));
    console.log(JSON.stringify({ output, config: model.layers.at(-1).getConfig() }));`;
  const { weightData, ...rest } = artifacts;
  const stdin = JSON.stringify({
    artifacts: rest,
    weights: Buffer.from(weightData as ArrayBuffer).toString('base64'),
    x: Array.from(x.dataSync()),
    shape: x.shape,
  });
  const stdout = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    input: stdin,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as { output: number[]; config: object };
}

function slope(loss: () => tf.Scalar, variable: tf.Variable, direction: tf.Tensor): number {
  const original = tf.clone(variable);
  const at = (step: number): number =>
    tf.tidy(() => {
      variable.assign(tf.add(original, tf.mul(direction, step)));
      return loss().dataSync()[0];
    });
  const step = 0.01;
  const result = (at(step) - at(-step)) / (2 * step);
  variable.assign(original);
  return result;
}

function pathOf(weight: AnyBlock['weights'][number]): string {
  return weight.originalName.replace(/^[^/]*\//, '');
}
