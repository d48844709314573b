/**
 * Makes `data/fashion-mnist-subset` from the full Fashion-MNIST: of each class, images evenly spaced over the official order.
 *
 *     node scripts/make-subset.ts [DIR of the full files; default: Debian's]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { writeIdx } from '../src/data/idx.ts';
import type { ImageSet } from '../src/data/images.ts';
import { dataDirOf, loadData } from '../src/node/load-data.ts';

const OUT = join(import.meta.dirname, '../data/fashion-mnist-subset');
const { train, test, classes } = loadData(process.argv[2] ?? dataDirOf('debian', OUT));

mkdirSync(OUT, { recursive: true });
write('train', pick(train, 2000 / classes));
write('t10k', pick(test, 1000 / classes));

/** The indices of so many images of each class, in the official order. */
function pick(images: ImageSet, perClass: number): { images: ImageSet; indices: number[] } {
  const indices = Array.from({ length: classes }, (_, label) => {
    const members = [...images.labels.keys()].filter((index) => images.labels[index] === label);
    return Array.from({ length: perClass }, (_, i) => members[Math.floor((i * members.length) / perClass)]);
  }).flat();
  return { images, indices: indices.toSorted((a, b) => a - b) };
}

function write(split: string, { images, indices }: ReturnType<typeof pick>): void {
  const size = images.height * images.width;
  const pixels = Uint8Array.from(indices.flatMap((index) => [...images.pixels.subarray(index * size, (index + 1) * size)]));
  const labels = Uint8Array.from(indices, (index) => images.labels[index]);
  const files = {
    [`${split}-images-idx3-ubyte`]: writeIdx([indices.length, images.height, images.width], pixels),
    [`${split}-labels-idx1-ubyte`]: writeIdx([indices.length], labels),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(OUT, `${name}.gz`), gzipSync(bytes, { level: 9 }));
}
