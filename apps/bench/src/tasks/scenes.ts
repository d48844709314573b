import type { Dataset, ImageSet } from '../data/images.ts';
import { randomFrom, shuffled, type Random } from '../engine/random.ts';
import { silhouetteOf } from './items.ts';
import { CLOTHES, type Task } from './task.ts';

const SIDE = 64;
const ITEMS = 3;

/**
 * Which item each pixel belongs to, or that it belongs to none: three items on a dark canvas of 64×64 pixels, at random, the later over the
 * earlier. There are half as many scenes as images, which come in turn; the background is the last of the classes.
 */
export const scenes: Task = {
  name: 'scenes',
  metric: 'mean IoU',
  dense: true,
  stride: 4,
  labels: [...CLOTHES, 'background'],
  batch: 8,
  format: ({ channels, classes }) => ({ height: SIDE, width: SIDE, channels, classes: classes + 1 }),
  dataset: ({ name, train, test, classes }: Dataset, seed = 0) => ({
    name: `scenes of ${name}`,
    train: scenesOf(train, classes, randomFrom(`${seed}/scenes/train`)),
    test: scenesOf(test, classes, randomFrom(`${seed}/scenes/test`)),
    classes: classes + 1,
  }),
};

function scenesOf(items: ImageSet, background: number, random: Random): ImageSet {
  const { channels } = items;
  const count = Math.floor(items.count / 2);
  const pixels = new Uint8Array(count * SIDE * SIDE * channels);
  const labels = new Uint8Array(count * SIDE * SIDE).fill(background);
  let order = shuffled(items.count, random);
  for (let i = 0; i < count * ITEMS; i++) {
    // All items in turn, in a new order each time.
    if (i > 0 && i % items.count === 0) order = shuffled(items.count, random);
    paste(items, order[i % items.count], Math.floor(i / ITEMS), random);
  }
  return { count, height: SIDE, width: SIDE, channels, pixels, labels };

  function paste({ height, width, pixels: source, labels: classes }: ImageSet, item: number, scene: number, random: Random): void {
    const [top, left] = [height, width].map((size) => Math.floor(random() * (SIDE - size + 1)));
    silhouetteOf(items, item).forEach((isItem, position) => {
      if (!isItem) return;
      const target = scene * SIDE * SIDE + (top + Math.floor(position / width)) * SIDE + left + (position % width);
      const start = (item * height * width + position) * channels;
      pixels.set(source.subarray(start, start + channels), target * channels);
      labels[target] = classes[item];
    });
  }
}
