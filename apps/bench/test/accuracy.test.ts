import { useBackend } from '@saccade/backends';
import { argMax, div, memory, randomNormal, sub, tensor4d, type Tensor } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../src/data/images.ts';
import type { Slot } from '../src/entry.ts';
import { train } from '../src/engine/accuracy.ts';
import { networkOf } from '../src/engine/network.ts';
import { randomFrom } from '../src/engine/random.ts';
import { mean } from '../src/engine/statistics.ts';
import { formatOf, tasks } from '../src/tasks/tasks.ts';
import { Scaled } from './fixture/packages/scaled/scaled.ts';

beforeAll(() => useBackend('wasm'));

/** Two classes of images that anyone can tell apart: bright on the left, bright on the right. */
function stripes(count: number, seed: string): Dataset['train'] {
  const random = randomFrom(seed);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
  const pixels = Uint8Array.from({ length: count * 64 }, (_, p) => 100 * random() + (p % 8 < 4 === (labels[Math.floor(p / 64)] === 0) ? 150 : 0));
  return { count, height: 8, width: 8, channels: 1, pixels, labels };
}

const data: Dataset = { name: 'stripes', train: stripes(320, 'train'), test: stripes(101, 'test'), classes: 2 };

/** Squares that are dim or bright, which is their class. */
function squares(count: number): Dataset['train'] {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
  const pixels = Uint8Array.from({ length: count * 256 }, (_, p) => (labels[Math.floor(p / 256)] === 0 ? 100 : 255));
  return { count, height: 16, width: 16, channels: 1, pixels, labels };
}

const shades: Dataset = { name: 'squares', train: squares(64), test: squares(16), classes: 2 };
const insert = (slot: Slot) => ({ slot, layer: () => new Scaled() });

describe('accuracy', () => {
  it('trains a network that learns, the same for the same seed', async () => {
    const [first, again, other] = [await trained(1), await trained(1), await trained(2)];
    expect(first.accuracy).toBeGreaterThan(0.95);
    expect(again).toEqual({ ...first, stepMs: again.stepMs });
    expect(other.losses).not.toEqual(first.losses);
    async function trained(seed: number) {
      return (await train('clothes', data, insert('branch'), { seed, epochs: 2 })).training;
    }
  });

  it.each(['clothes', 'scenes'] as const)(
    'gives the network of %s around a block the same weights, whichever block and wherever it stands',
    (task) => {
      const hostWeights = (slot: Slot | null) => {
        const network = networkOf(task, { height: 8, width: 8, channels: 1, classes: 2 }, 7, slot && insert(slot));
        const host = network.layers.filter((layer) => !(layer instanceof Scaled));
        const blocks = network.layers.length - host.length;
        const weighted = host.filter((layer) => layer.weights.length > 0);
        return {
          blocks,
          values: Object.fromEntries(weighted.map((layer) => [layer.name, layer.getWeights().map((weight) => Array.from(weight.dataSync()))])),
        };
      };
      const plain = hostWeights(null);
      const expected = { branch: 3, inner: 3, convolution: 3, stage: 2, head: 1 };
      for (const [slot, blocks] of Object.entries(expected)) {
        const replaced = slot === 'convolution' ? /^stage\d_conv1/ : /^$/;
        const values = Object.fromEntries(Object.entries(plain.values).filter(([name]) => !replaced.test(name)));
        expect(hostWeights(slot as Slot)).toEqual({ blocks, values });
      }
      expect(plain.blocks).toBe(0);
      expect(Object.keys(plain.values)).toHaveLength(19);
    },
  );

  it('gives a trained network that networkOf builds anew but for its weights', async () => {
    const { network } = await train('clothes', data, insert('stage'), { seed: 1, epochs: 1 });
    const again = networkOf('clothes', formatOf(data), 1, insert('stage'));
    const images = randomNormal([3, 8, 8, 1]);
    const outputs = () => [network, again].map((model) => Array.from((model.predict(images) as Tensor).dataSync()));
    expect(outputs()[1]).not.toEqual(outputs()[0]);
    again.setWeights(network.getWeights());
    expect(outputs()[1]).toEqual(outputs()[0]);
  });

  it('learns what each pixel belongs to', async () => {
    const { training, network } = await train('scenes', shades, null, { seed: 1, epochs: 6 });
    // Background everywhere has an IoU of 0 for the two others, hence less than a third.
    expect(training.accuracy).toBeGreaterThan(0.6);
    expect(training.losses.at(-1)).toBeLessThan(training.losses[0] / 3);

    const scenes = tasks.scenes.dataset(shades);
    const values = Array.from(scenes.train.pixels);
    const average = mean(values);
    const deviation = Math.sqrt(mean(values.map((value) => (value - average) ** 2)));
    const input = div(sub(tensor4d(Array.from(scenes.test.pixels), [scenes.test.count, 64, 64, 1]), average), deviation);
    const predicted = argMax(network.predict(input) as Tensor, -1).dataSync();
    const overlaps = [0, 1, 2].map((label) => {
      const [is, seen] = [scenes.test.labels, predicted].map((labels) => Array.from(labels, (value) => value === label));
      return is.filter((it, i) => it && seen[i]).length / is.filter((it, i) => it || seen[i]).length;
    });
    expect(training.accuracy).toBeCloseTo(mean(overlaps), 3);
  });

  it('has the same losses on wasm and on cpu', async () => {
    // A step an epoch, of four images.
    const few = { ...data, train: stripes(4, 'few'), test: stripes(2, 'few') };
    const losses: number[][] = [];
    for (const backend of ['cpu', 'wasm'] as const) {
      await useBackend(backend);
      const { training, network } = await train('clothes', few, null, { seed: 1, epochs: 2 });
      losses.push(training.losses);
      network.dispose();
    }
    const [onCpu, onWasm] = losses;
    onCpu.forEach((loss, epoch) => expect(onWasm[epoch]).toBeCloseTo(loss, 3));
  });

  it('leaves no tensors but those of the network', async () => {
    const few = { ...shades, train: squares(2), test: squares(2) };
    const growth = async () => {
      const before = memory().numTensors;
      const { network } = await train('scenes', few, null, { seed: 1, epochs: 1 });
      network.dispose();
      return memory().numTensors - before;
    };
    // The first may leave what is kept for all that follow.
    await growth();
    // TensorFlow.js's momentum optimizer never disposes of its learning rate, a scalar.
    expect(await growth()).toBe(1);
  });
});
