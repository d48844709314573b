import { describe, expect, it } from 'vitest';
import type { Dataset, ImageSet } from '../src/data/images.ts';
import { loadData } from '../src/node/load-data.ts';
import { TASKS, type TaskName } from '../src/tasks/names.ts';
import { tasks } from '../src/tasks/tasks.ts';

const clothes = loadData(new URL('../data/fashion-mnist-subset', import.meta.url).pathname);
const made = Object.fromEntries(TASKS.map((name) => [name, tasks[name].dataset(clothes)])) as Record<TaskName, Dataset>;
const drawn = TASKS.filter((name) => name !== 'clothes');

describe.each(TASKS)('%s', (name) => {
  const { train, test, classes } = made[name];

  it('has the form that it announces', () => {
    const { height, width, channels } = clothes.train;
    expect({ height: train.height, width: train.width, channels: train.channels, classes }).toEqual(
      tasks[name].format({ height, width, channels, classes: 10 }),
    );
    expect(tasks[name].labels).toHaveLength(classes);
    for (const { count, labels, pixels } of [train, test]) {
      expect(pixels).toHaveLength(count * train.height * train.width * train.channels);
      expect(labels).toHaveLength(count * (tasks[name].dense ? train.height * train.width : 1));
    }
  });

  it('has every class equally often', () => {
    const wanted = tasks[name].dense ? classes - 1 : classes;
    for (const { labels } of [train, test]) {
      const shares = sharesOf(labels, classes).slice(0, wanted);
      const total = shares.reduce((sum, share) => sum + share, 0);
      // Pixels are as many as items are large: a sandal has few of them.
      const tolerance = tasks[name].dense ? 3 : 1.001;
      for (const share of shares) expect(Math.max(share * wanted, total) / Math.min(share * wanted, total)).toBeLessThan(tolerance);
    }
  });
});

describe.each(drawn)('%s', (name) => {
  it('depends on its seed alone', () => {
    const [again, other] = [tasks[name].dataset(clothes), tasks[name].dataset(clothes, 1)];
    for (const set of ['train', 'test'] as const) {
      expect(Buffer.compare(again[set].pixels, made[name][set].pixels)).toBe(0);
      expect(Buffer.compare(again[set].labels, made[name][set].labels)).toBe(0);
      expect(Buffer.compare(other[set].pixels, made[name][set].pixels)).not.toBe(0);
    }
  });

  it('has no test image that is a training image', () => {
    const images = ({ count, pixels }: ImageSet) =>
      Array.from({ length: count }, (_, i) => Buffer.from(imageOf(pixels, count, i)).toString('latin1'));
    const seen = new Set(images(made[name].train));
    expect(images(made[name].test).filter((image) => seen.has(image))).toEqual([]);
  });
});

describe.each(['scenes', 'where'] as const)('%s', (name) => {
  it('makes tests of test images alone', () => {
    const black = { ...clothes.train, pixels: new Uint8Array(clothes.train.pixels.length) };
    const test = tasks[name].dataset({ ...clothes, train: black }).test;
    expect(Buffer.compare(test.pixels, made[name].test.pixels)).toBe(0);
    const train = tasks[name].dataset({ ...clothes, test: black }).train;
    expect(Buffer.compare(train.pixels, made[name].train.pixels)).toBe(0);
  });
});

describe('pooled statistics of pixels', () => {
  it.each(['pathfinder', 'where'] as const)('do not tell the classes of %s apart', (name) => {
    const { train, test, classes } = made[name];
    const features = (set: ImageSet) => Array.from({ length: set.count }, (_, i) => statisticsOf(imageOf(set.pixels, set.count, i)));
    const [known, asked] = [features(train), features(test)];
    const means = Array.from({ length: classes }, (_, label) => meanOf(known.filter((_, i) => train.labels[i] === label)));
    const right = asked.filter((feature, i) => nearestOf(feature, means) === test.labels[i]).length / test.count;
    expect(Math.abs(right - 1 / classes)).toBeLessThan(0.06);
  });

  it('do not tell the classes of pathfinder apart by how far the dots are from each other', () => {
    const { count, pixels, labels, width } = made.pathfinder.test;
    const distances = Array.from({ length: count }, (_, i) => {
      const bright = [...imageOf(pixels, count, i).entries()].filter(([, value]) => value === 255).map(([position]) => position);
      const [from, to] = [bright[0], bright.at(-1)!];
      return Math.hypot(Math.floor(from / width) - Math.floor(to / width), (from % width) - (to % width));
    });
    for (const limit of distances) {
      const right = distances.filter((distance, i) => Number(distance < limit) === labels[i]).length / count;
      expect(Math.abs(right - 0.5)).toBeLessThan(0.1);
    }
  });

  it('do not tell what a pixel of scenes belongs to', () => {
    const { train, test, classes } = made.scenes;
    // The most frequent class of each brightness, which beats background everywhere.
    const counts = Array.from({ length: 256 }, () => Array.from({ length: classes }, () => 0));
    train.pixels.forEach((value, i) => counts[value][train.labels[i]]++);
    const guess = counts.map((count) => count.indexOf(Math.max(...count)));
    expect(meanIoU(test.labels, () => classes - 1, classes)).toBeLessThan(0.1);
    expect(meanIoU(test.labels, (i) => guess[test.pixels[i]], classes)).toBeLessThan(0.2);
  });
});

describe('labels', () => {
  it('of pathfinder say whether one gets from dot to dot by steps over the gaps', () => {
    const { count, pixels, labels, height, width } = made.pathfinder.test;
    const wrong = Array.from({ length: count }, (_, i) => i).filter((i) => isJoined(imageOf(pixels, count, i), height, width) !== (labels[i] === 1));
    expect(wrong).toEqual([]);
  });

  it('of pathfinder are of curves of three lengths', () => {
    const { count, pixels } = made.pathfinder.test;
    const inked = Array.from({ length: count }, (_, i) => imageOf(pixels, count, i).filter((value) => value > 0).length);
    const lengths = [0, 1, 2].map((length) => meanOf(inked.filter((_, i) => Math.floor(i / 2) % 3 === length).map((ink) => [ink]))[0]);
    // Two curves, each with one dash more, and then with two more: of three pixels, of which few are covered.
    expect(Math.abs(lengths[1] - lengths[0] - 6)).toBeLessThan(1);
    expect(Math.abs(lengths[2] - lengths[1] - 12)).toBeLessThan(1);
  });

  it('of where are the quarter of the middle of the canvas that the item is in', () => {
    const { count, pixels, labels, height, width } = made.where.test;
    for (let first = 0; first < count; first += 4) {
      const images = Array.from({ length: 4 }, (_, i) => imageOf(pixels, count, first + i));
      const [top, left] = cornerOf(images[0], height, width);
      expect(images.map((image) => cornerOf(image, height, width))).toEqual(
        [0, 1, 2, 3].map((i) => [top + 16 * Math.floor(i / 2), left + 16 * (i % 2)]),
      );
      expect(Array.from(labels.subarray(first, first + 4))).toEqual([0, 1, 2, 3]);
      // The same item, far from the canvas's border.
      const values = images.map((image) => Buffer.from(image.toSorted()));
      expect(values.every((sorted) => sorted.equals(values[0]))).toBe(true);
      expect(Math.min(top, left)).toBeGreaterThan(20);
    }
  });

  it('of scenes cover what is pasted, and nothing else', () => {
    const { count, pixels, labels } = made.scenes.test;
    const background = labels.map((label) => Number(label === 10));
    const lit = labels.map((_, i) => Number(pixels[i] >= 16));
    // What is lit belongs to an item; items have dark pixels inside, but few.
    expect(lit.filter((isLit, i) => isLit === 1 && background[i] === 1)).toHaveLength(0);
    const items = background.filter((isBackground) => isBackground === 0).length;
    expect(lit.filter((isLit) => isLit === 1).length / items).toBeGreaterThan(0.9);
    // At most three items to a scene, of which the last is never hidden.
    const perScene = Array.from({ length: count }, (_, i) => new Set(imageOf(labels, count, i)).size - 1);
    expect(Math.max(...perScene)).toBe(3);
    expect(Math.min(...perScene)).toBeGreaterThan(0);
  });

  it('of scenes are those of the items', () => {
    // Images that show their label: its brightness is 20 and 10 for each class.
    const painted = (set: ImageSet): ImageSet => ({ ...set, pixels: set.pixels.map((_, p) => 20 + 10 * set.labels[Math.floor(p / 784)]) });
    const { test } = tasks.scenes.dataset({ ...clothes, train: painted(clothes.train), test: painted(clothes.test) });
    expect(test.labels.every((label, i) => test.pixels[i] === (label === 10 ? 0 : 20 + 10 * label))).toBe(true);
  });
});

function sharesOf(labels: Uint8Array, classes: number): number[] {
  const counts = Array.from({ length: classes }, () => 0);
  for (const label of labels) counts[label]++;
  return counts.map((count) => count / labels.length);
}

/** What of `values` belongs to an image. */
function imageOf(values: Uint8Array, count: number, image: number): Uint8Array {
  const size = values.length / count;
  return values.subarray(image * size, (image + 1) * size);
}

/** What can be pooled of an image: mean, deviation and largest value, and how much of it is lit, dimly or brightly. */
function statisticsOf(pixels: Uint8Array): number[] {
  const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
  const variance = pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0) / pixels.length;
  const share = (above: number) => (255 * pixels.filter((value) => value > above).length) / pixels.length;
  return [mean, Math.sqrt(variance), Math.max(...pixels), share(0), share(100), share(200)];
}

function meanOf(vectors: number[][]): number[] {
  return vectors[0].map((_, axis) => vectors.reduce((sum, vector) => sum + vector[axis], 0) / vectors.length);
}

function nearestOf(vector: number[], means: number[][]): number {
  const distances = means.map((mean) => Math.hypot(...mean.map((value, axis) => value - vector[axis])));
  return distances.indexOf(Math.min(...distances));
}

function meanIoU(labels: Uint8Array, guess: (pixel: number) => number, classes: number): number {
  const [both, either] = [0, 1].map(() => Array.from({ length: classes }, () => 0));
  labels.forEach((label, i) => {
    const guessed = guess(i);
    if (guessed === label) both[label]++;
    for (const seen of new Set([label, guessed])) either[seen]++;
  });
  return both.reduce((sum, count, label) => sum + count / either[label], 0) / classes;
}

/** The first row and the first column with an item in them. */
function cornerOf(pixels: Uint8Array, height: number, width: number): [number, number] {
  const lit = Array.from({ length: height * width }, (_, i) => i).filter((i) => pixels[i] > 0);
  return [Math.min(...lit.map((i) => Math.floor(i / width))), Math.min(...lit.map((i) => i % width))];
}

/** Whether steps of up to 3 pixels lead over inked ones from one of the brightest to all of the brightest. */
function isJoined(pixels: Uint8Array, height: number, width: number): boolean {
  const bright = Array.from({ length: height * width }, (_, i) => i).filter((i) => pixels[i] === 255);
  const reached = new Set([bright[0]]);
  for (const from of reached) {
    for (let row = Math.floor(from / width) - 3; row <= Math.floor(from / width) + 3; row++) {
      for (let column = (from % width) - 3; column <= (from % width) + 3; column++) {
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        if (Math.hypot(row - Math.floor(from / width), column - (from % width)) <= 3.2 && pixels[row * width + column] > 0)
          reached.add(row * width + column);
      }
    }
  }
  return bright.every((position) => reached.has(position));
}
