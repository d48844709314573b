import { useBackend } from '@saccade/backends';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../src/data/images.ts';
import type { Slot } from '../src/entry.ts';
import { measureAccuracy } from '../src/engine/accuracy.ts';
import { hostNetwork } from '../src/engine/network.ts';
import { randomFrom } from '../src/engine/random.ts';
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
const insert = (slot: Slot) => ({ slot, layer: () => new Scaled() });

describe('accuracy', () => {
  it('trains a network that learns, the same for the same seed', async () => {
    const [first, again, other] = [await train(1), await train(1), await train(2)];
    expect(first.accuracy).toBeGreaterThan(0.95);
    expect(again).toEqual({ ...first, stepMs: again.stepMs });
    expect(other.losses).not.toEqual(first.losses);
    function train(seed: number) {
      return measureAccuracy(data, insert('branch'), { seed, epochs: 2 });
    }
  });

  it('gives the network around a block the same weights, whichever block it is and wherever it stands', () => {
    const hostWeights = (slot: Slot | null) => {
      const network = hostNetwork([8, 8, 1], 2, 7, slot && insert(slot));
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
  });
});
