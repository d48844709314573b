import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Pictures are 28 by 28 pixels. */
export const TILE = 28;
export const PIXELS = TILE * TILE;

/** The classes, by their labels, that the network is pre-trained on: T-shirt, trouser, pullover, coat, sandal, shirt, sneaker. */
export const OLD_CLASSES = [0, 1, 2, 4, 5, 6, 7];
/** Those that are left to the page: dress, bag, ankle boot. */
export const NEW_CLASSES = [3, 8, 9];

export interface Images {
  /** `[count, 28, 28]`, 0 to 255. */
  readonly pixels: Uint8Array;
  /** `[count]` */
  readonly labels: Uint8Array;
}

/** One of the two parts of Fashion-MNIST in a folder of IDX files, compressed by gzip. Without a folder: of the subset in this repository. */
export function readImages(split: 'train' | 't10k', folder?: string): Images {
  const data = folder ?? join(import.meta.dirname, '../../../apps/bench/data/fashion-mnist-subset');
  const read = (file: string, headerBytes: number) => gunzipSync(readFileSync(join(data, `${split}-${file}.gz`))).subarray(headerBytes);
  return { pixels: read('images-idx3-ubyte', 16), labels: read('labels-idx1-ubyte', 8) };
}

/** The images of some classes. */
export function indicesOf({ labels }: Images, classes: readonly number[]): number[] {
  return [...labels.keys()].filter((i) => classes.includes(labels[i]));
}
