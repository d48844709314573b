import { DataError, type ImageSet } from './images.ts';

// http://yann.lecun.com/exdb/mnist: two zero bytes, the type (8: unsigned bytes), the number of axes, and each axis's size, big-endian.
const IMAGES = { magic: 0x00000803, axes: 3, what: 'images' } as const;
const LABELS = { magic: 0x00000801, axes: 1, what: 'labels' } as const;

/** An IDX file's content, uncompressed, and its name for messages. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads grey images and their labels from a pair of IDX files.
 *
 * @throws {@link DataError} where a file is cut, too long, of another type, or the two do not belong together
 */
export function readIdx(images: NamedBytes, labels: NamedBytes): ImageSet {
  const {
    sizes: [count, height, width],
    values: pixels,
  } = readArray(images, IMAGES);
  const {
    sizes: [labelCount],
    values,
  } = readArray(labels, LABELS);
  if (count !== labelCount) {
    throw new DataError(`${images.name} has ${count} images, but ${labels.name} has ${labelCount} labels. Use the two files of one data set.`);
  }
  return { count: count, height: height, width: width, channels: 1, pixels, labels: values };
}

/** Writes bytes as an IDX file, uncompressed. */
export function writeIdx(sizes: readonly number[], values: Uint8Array): Uint8Array {
  const file = new Uint8Array(4 + 4 * sizes.length + values.length);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x00000800 + sizes.length);
  sizes.forEach((size, axis) => view.setUint32(4 + 4 * axis, size));
  file.set(values, 4 + 4 * sizes.length);
  return file;
}

function readArray({ name, bytes }: NamedBytes, { magic, axes, what }: typeof IMAGES | typeof LABELS): { sizes: number[]; values: Uint8Array } {
  const header = 4 + 4 * axes;
  const fix = 'Fetch the file again, and give it uncompressed or as .gz.';
  if (bytes.length < header)
    throw new DataError(`${name} has ${bytes.length} bytes, but the header of an IDX file of ${what} alone has ${header}. ${fix}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== magic) {
    const [received, expected] = [view.getUint32(0), magic].map((value) => `0x${value.toString(16).padStart(8, '0')}`);
    throw new DataError(`${name} starts with ${received}, but an IDX file of ${what} starts with ${expected}. ${fix}`);
  }
  const sizes = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  const length = sizes.reduce((product, size) => product * size, 1);
  if (bytes.length !== header + length) {
    const state = bytes.length < header + length ? 'is cut' : 'is too long';
    throw new DataError(
      `${name} ${state}: it has ${bytes.length} bytes, but its header announces ${sizes.join(' × ')} values, ${header + length} bytes in all. ${fix}`,
    );
  }
  return { sizes, values: bytes.subarray(header) };
}
