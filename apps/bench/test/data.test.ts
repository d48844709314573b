import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readCifar10 } from '../src/data/cifar10.ts';
import { readIdx, writeIdx } from '../src/data/idx.ts';
import { dataDirOf, loadData } from '../src/node/load-data.ts';

const SUBSET = join(import.meta.dirname, '../data/fashion-mnist-subset');
const images = writeIdx(
  [2, 2, 3],
  Uint8Array.from({ length: 12 }, (_, i) => i),
);
const labels = writeIdx([2], Uint8Array.of(0, 9));
const named = (bytes: Uint8Array, name = 'f') => ({ name, bytes });

/** A folder with these files. */
function folder(files: Record<string, Uint8Array>): string {
  const dir = mkdtempSync(join(tmpdir(), 'saccade-data-'));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes);
  return dir;
}

const IDX = {
  'train-images-idx3-ubyte.gz': gzipSync(images),
  'train-labels-idx1-ubyte': labels,
  't10k-images-idx3-ubyte': images,
  't10k-labels-idx1-ubyte': labels,
};

describe('IDX files', () => {
  it('are read', () => {
    expect(readIdx(named(images), named(labels))).toMatchObject({ count: 2, height: 2, width: 3, channels: 1, labels: Uint8Array.of(0, 9) });
    expect(loadData(folder(IDX))).toMatchObject({ name: 'Fashion-MNIST, 2 training and 2 test images', classes: 10 });
  });

  it('that are cut or malformed are refused, with what was received, expected, and the fix', () => {
    expect(() => readIdx(named(images.subarray(0, 20)), named(labels))).toThrow(
      'f is cut: it has 20 bytes, but its header announces 2 × 2 × 3 values, 28 bytes in all. Fetch the file again',
    );
    expect(() => readIdx(named(images.subarray(0, 7)), named(labels))).toThrow('f has 7 bytes, but the header of an IDX file of images alone has 16');
    expect(() => readIdx(named(labels), named(labels))).toThrow('has 10 bytes');
    expect(() => readIdx(named(images), named(images))).toThrow('f starts with 0x00000803, but an IDX file of labels starts with 0x00000801');
    expect(() => readIdx(named(images), named(writeIdx([1], Uint8Array.of(3))))).toThrow('2 images, but f has 1 labels');
    const cut = folder({ ...IDX, 'train-images-idx3-ubyte.gz': gzipSync(images).subarray(0, 30) });
    expect(() => loadData(cut)).toThrow(/train-images-idx3-ubyte.gz, of 30 bytes, cannot be unzipped \(.*\): it is cut or damaged/);
  });

  it('of the official name and size are refused where their content is another', () => {
    const altered = folder({ ...IDX, 'train-labels-idx1-ubyte': writeIdx([60000], new Uint8Array(60000)) });
    expect(() => loadData(altered)).toThrow(
      /has the name and the size of Fashion-MNIST's official file, but its content has the SHA-256 [0-9a-f]{64} instead of bad3541b/,
    );
  });

  it('come along, balanced', () => {
    const { train, test, classes } = loadData(SUBSET);
    const counts = ({ labels }: typeof train) => Array.from({ length: classes }, (_, label) => labels.filter((other) => other === label).length);
    expect(counts(train)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(counts(test)).toEqual(Array.from({ length: 10 }, () => 100));
  });
});

describe('CIFAR-10 batches', () => {
  const record = (label: number) =>
    Uint8Array.from({ length: 3073 }, (_, i) => (i === 0 ? label : Math.floor((i - 1) / 1024) * 100 + ((i - 1) % 1024 === 33 ? 7 : 0)));

  it('are read, their planes interleaved', () => {
    const { count, labels, pixels } = readCifar10([named(record(3)), named(record(8))]);
    expect([count, ...labels]).toEqual([2, 3, 8]);
    expect([...pixels.subarray(33 * 3, 34 * 3)]).toEqual([7, 107, 207]);
    expect([...pixels.subarray(3072, 3075)]).toEqual([0, 100, 200]);
  });

  it('that are cut or mislabelled are refused', () => {
    expect(() => readCifar10([named(record(3).subarray(0, 3000), 'data_batch_1.bin')])).toThrow(
      'data_batch_1.bin has 3000 bytes, but a batch of CIFAR-10 is one or more records of 3073 bytes',
    );
    expect(() => readCifar10([named(record(10))])).toThrow('f has the label 10 in record 0');
    expect(() => loadData(folder({ 'test_batch.bin': record(1) }))).toThrow('data_batch_1.bin is missing. Give a folder with');
  });
});

describe('a data folder', () => {
  it('that is absent or holds something else is refused', () => {
    expect(() => loadData('/nowhere')).toThrow('The data folder /nowhere does not exist. Give a folder with');
    expect(() => loadData(folder({ 'cat.png': labels }))).toThrow('holds cat.png. Give a folder with');
    expect(() => loadData(folder({ 't10k-images-idx3-ubyte': images }))).toThrow('train-images-idx3-ubyte is missing');
    expect(dataDirOf('subset', SUBSET)).toBe(SUBSET);
  });
});
