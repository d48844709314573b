import { DataError, type ImageSet } from './images.ts';
import type { NamedBytes } from './idx.ts';

const SIDE = 32;
const PLANE = SIDE * SIDE;
/** A record: its label, then the red, the green and the blue plane. */
const RECORD = 1 + 3 * PLANE;

/**
 * Reads batches of CIFAR-10's binary version (https://www.cs.toronto.edu/~kriz/cifar.html).
 *
 * @throws {@link DataError} where a batch is cut or holds a label above 9
 */
export function readCifar10(batches: readonly NamedBytes[]): ImageSet {
  for (const batch of batches) check(batch);
  const count = batches.reduce((sum, { bytes }) => sum + bytes.length / RECORD, 0);
  const pixels = new Uint8Array(count * 3 * PLANE);
  const labels = new Uint8Array(count);
  let image = 0;
  for (const { bytes } of batches) {
    for (let start = 0; start < bytes.length; start += RECORD, image++) {
      labels[image] = bytes[start]!;
      for (let i = 0; i < 3 * PLANE; i++) pixels[image * 3 * PLANE + (i % PLANE) * 3 + Math.floor(i / PLANE)] = bytes[start + 1 + i]!;
    }
  }
  return { count, height: SIDE, width: SIDE, channels: 3, pixels, labels };
}

function check({ name, bytes }: NamedBytes): void {
  const fix = 'Fetch cifar-10-binary.tar.gz again and unpack it.';
  if (bytes.length === 0 || bytes.length % RECORD !== 0) {
    throw new DataError(
      `${name} has ${bytes.length} bytes, but a batch of CIFAR-10 is one or more records of ${RECORD} bytes, 10000 of them (30730000 bytes) in the official files. ${fix}`,
    );
  }
  for (let start = 0; start < bytes.length; start += RECORD) {
    if (bytes[start] > 9)
      throw new DataError(`${name} has the label ${bytes[start]} in record ${start / RECORD}, but CIFAR-10's labels are 0 to 9. ${fix}`);
  }
}
