import { BlockError } from '@saccade/core';
import { readSafetensors } from '@saccade/core/torch';
import { describe, expect, test } from 'vitest';

interface Entry {
  dtype: string;
  shape: unknown;
  data_offsets: unknown;
}

/** A file of a header, as an object or as its very text, and data. */
function file(header: unknown, data: Uint8Array = new Uint8Array(), headerLength?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const entry = (dtype: string, shape: unknown, data_offsets: unknown): Entry => ({ dtype, shape, data_offsets });

/** Reads a file that is wrong: the message, without what all messages begin and end with. */
function fault(bytes: Uint8Array): string {
  try {
    readSafetensors(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(BlockError);
    const { message } = error as Error;
    expect(message).toMatch(/^Not a safetensors file: .*\. Save it again with safetensors, or fetch it again\.$/s);
    return message.slice('Not a safetensors file: '.length, -'. Save it again with safetensors, or fetch it again.'.length);
  }
  return expect.fail('was read without an error');
}

describe('reads', () => {
  test.each<[string, ArrayBufferView, number[]]>([
    ['F64', Float64Array.of(1.5, -(2 ** 60), 1 / 3), [1.5, -(2 ** 60), Math.fround(1 / 3)]],
    ['F32', Float32Array.of(1.5, -0, Number.NaN), [1.5, -0, Number.NaN]],
    // 1, −2, the largest, the least normal, the least, 0, −0, ∞, NaN.
    [
      'F16',
      Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x0000, 0x8000, 0x7c00, 0x7e00),
      [1, -2, 65504, 2 ** -14, 2 ** -24, 0, -0, Number.POSITIVE_INFINITY, Number.NaN],
    ],
    ['BF16', Uint16Array.of(0x3f80, 0xc000, 0x3eab, 0x7f80, 0x8000), [1, -2, 0.333_984_375, Number.POSITIVE_INFINITY, -0]],
    ['I64', BigInt64Array.of(3n, -(2n ** 40n)), [3, -(2 ** 40)]],
    ['I32', Int32Array.of(3, -(2 ** 31)), [3, -(2 ** 31)]],
    ['I16', Int16Array.of(3, -(2 ** 15)), [3, -(2 ** 15)]],
    ['I8', Int8Array.of(3, -128), [3, -128]],
    ['U8', Uint8Array.of(3, 255), [3, 255]],
    ['BOOL', Uint8Array.of(0, 1), [0, 1]],
  ])('%s', (dtype, values, expected) => {
    const data = bytesOf(values);
    const { tensors } = readSafetensors(file({ x: entry(dtype, [expected.length, 1], [0, data.length]) }, data));
    expect(tensors['x'].shape).toEqual([expected.length, 1]);
    expect(tensors['x'].data).toEqual(Float32Array.from(expected));
  });

  test('several tensors in any order, with metadata, scalars, empty ones and padding', () => {
    const header = {
      __metadata__: { format: 'pt' },
      b: entry('F32', [2], [1, 9]),
      a: entry('U8', [], [0, 1]),
      none: entry('F32', [0, 2 ** 40], [9, 9]),
      c: entry('F32', [1, 1], [9, 13]),
    };
    const data = new Uint8Array(13);
    data[0] = 7;
    data.set(bytesOf(Float32Array.of(1, 2, 3)), 1);
    const { tensors, metadata } = readSafetensors(file(`${JSON.stringify(header)}   `, data));
    expect(metadata).toEqual({ format: 'pt' });
    expect(tensors).toEqual({
      a: { shape: [], data: Float32Array.of(7) },
      b: { shape: [2], data: Float32Array.of(1, 2) },
      none: { shape: [0, 2 ** 40], data: new Float32Array() },
      c: { shape: [1, 1], data: Float32Array.of(3) },
    });
  });

  test('no tensors', () => {
    expect(readSafetensors(file({}))).toEqual({ tensors: {}, metadata: {} });
  });

  test('a view into a larger buffer', () => {
    const bytes = file({ x: entry('F32', [1], [0, 4]) }, bytesOf(Float32Array.of(5)));
    const larger = new Uint8Array(bytes.length + 6);
    larger.set(bytes, 3);
    expect(readSafetensors(larger.subarray(3, -3)).tensors['x'].data).toEqual(Float32Array.of(5));
  });

  test('a tensor that is named like a property of all objects, without touching it', () => {
    const { tensors } = readSafetensors(file('{"__proto__": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}', Uint8Array.of(9)));
    expect(Object.keys(tensors)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(tensors)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['dtype']).toBeUndefined();
  });
});

describe('refuses', () => {
  const four = new Uint8Array(4);
  const nested = '['.repeat(50_000) + ']'.repeat(50_000);
  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), "it has 0 bytes, but its header's length alone takes 8"],
    ['less than a header', new Uint8Array(7), "it has 7 bytes, but its header's length alone takes 8"],
    ['a header longer than the file', file({}, four, 7n), 'its header is said to take 7 bytes, but only 6 follow'],
    ['the longest of headers', file({}, four, 2n ** 64n - 1n), 'its header is said to take 18446744073709551615 bytes, but only 6 follow'],
    ['a header that is a list', file([]), 'its header is [], but must be an object'],
    ['a header that is null', file('null'), 'its header is null, but must be an object'],
    ['metadata that is a list', file({ __metadata__: ['pt'] }), 'its __metadata__ is not a map of strings'],
    ['metadata that is null', file({ __metadata__: null }), 'its __metadata__ is not a map of strings'],
    ['metadata of numbers', file({ __metadata__: { a: 1 } }), 'its __metadata__ is not a map of strings'],
    ['an entry that is null', file({ x: null }), 'the entry of "x" is null, but must be an object'],
    ['an entry that is a list', file({ x: [0, 4] }), 'the entry of "x" is [0,4], but must be an object'],
    ['an entry under __proto__', file('{"__proto__": 1}'), 'the entry of "__proto__" is 1, but must be an object'],
    [
      'an unknown type',
      file({ x: entry('F8', [4], [0, 4]) }, four),
      'tensor "x" is of type "F8", but must be of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL',
    ],
    [
      'a type that all objects have',
      file({ x: entry('constructor', [4], [0, 4]) }, four),
      'tensor "x" is of type "constructor", but must be of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL',
    ],
    [
      'a type nested too deeply to be shown',
      file(`{"x": {"dtype": ${nested}, "shape": [1], "data_offsets": [0, 4]}}`, four),
      'tensor "x" is of type a list, but must be of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL',
    ],
    ['no shape', file({ x: entry('F32', undefined, [0, 4]) }, four), 'tensor "x" has shape undefined, but must have a list of sizes'],
    ['a negative size', file({ x: entry('F32', [-1, -1], [0, 4]) }, four), 'tensor "x" has shape [-1,-1], but must have a list of sizes'],
    ['half a size', file({ x: entry('F32', [0.5, 2], [0, 4]) }, four), 'tensor "x" has shape [0.5,2], but must have a list of sizes'],
    [
      'a size beyond the whole numbers',
      file(`{"x": {"dtype": "F32", "shape": [1e300], "data_offsets": [0, 4]}}`, four),
      'tensor "x" has shape [1e+300], but must have a list of sizes',
    ],
    ['a size that is a string', file({ x: entry('F32', ['1'], [0, 4]) }, four), 'tensor "x" has shape ["1"], but must have a list of sizes'],
    ['no offsets', file({ x: entry('F32', [1], undefined) }, four), 'tensor "x" lies at undefined, but must lie at [begin, end]'],
    ['one offset', file({ x: entry('F32', [1], [4]) }, four), 'tensor "x" lies at [4], but must lie at [begin, end]'],
    ['a negative offset', file({ x: entry('F32', [1], [-4, 0]) }, four), 'tensor "x" lies at [-4,0], but must lie at [begin, end]'],
    ['half an offset', file({ x: entry('F32', [1], [0.5, 4.5]) }, four), 'tensor "x" lies at [0.5,4.5], but must lie at [begin, end]'],
    ['an end before its begin', file({ x: entry('F32', [1], [4, 0]) }, four), 'tensor "x" of F32 [1] lies in -4 bytes, but takes 4'],
    ['a shape larger than its bytes', file({ x: entry('F32', [2], [0, 4]) }, four), 'tensor "x" of F32 [2] lies in 4 bytes, but takes 8'],
    ['a shape smaller than its bytes', file({ x: entry('I8', [3], [0, 4]) }, four), 'tensor "x" of I8 [3] lies in 4 bytes, but takes 3'],
    [
      'a product of sizes beyond the whole numbers',
      file({ x: entry('F32', [2 ** 27, 2 ** 27], [0, 4]) }, four),
      `tensor "x" of F32 [134217728, 134217728] lies in 4 bytes, but takes ${2 ** 56}`,
    ],
    [
      'a product of sizes beyond all numbers',
      file(
        {
          x: entry(
            'U8',
            Array.from({ length: 40 }, () => 2 ** 52),
            [0, 4],
          ),
        },
        four,
      ),
      `tensor "x" of U8 [${Array.from({ length: 40 }, () => 2 ** 52).join(', ')}] lies in 4 bytes, but takes Infinity`,
    ],
    [
      'bytes that are not there',
      file({ x: entry('U8', [2 ** 52], [0, 2 ** 52]) }, four),
      'tensor "x" ends at byte 4503599627370496 of the data, but there are 4: the file is cut short',
    ],
    [
      'a file cut short',
      file({ x: entry('F32', [2], [0, 8]) }, new Uint8Array(7)),
      'tensor "x" ends at byte 8 of the data, but there are 7: the file is cut short',
    ],
    [
      'tensors that overlap',
      file({ x: entry('U8', [3], [0, 3]), y: entry('U8', [2], [2, 4]) }, four),
      'tensor "y" begins at byte 2 of the data, but must begin at 3, where what is before it ends',
    ],
    [
      'tensors of the same bytes',
      file({ x: entry('U8', [4], [0, 4]), y: entry('U8', [4], [0, 4]) }, four),
      'tensor "y" begins at byte 0 of the data, but must begin at 4, where what is before it ends',
    ],
    [
      'a gap',
      file({ x: entry('U8', [1], [0, 1]), y: entry('U8', [1], [3, 4]) }, four),
      'tensor "y" begins at byte 3 of the data, but must begin at 1, where what is before it ends',
    ],
    [
      'a gap at the begin',
      file({ x: entry('U8', [1], [3, 4]) }, four),
      'tensor "x" begins at byte 3 of the data, but must begin at 0, where what is before it ends',
    ],
    ['bytes left over', file({ x: entry('U8', [3], [0, 3]) }, four), 'its tensors take 3 bytes, but 4 follow the header'],
    ['bytes of no tensor', file({}, four), 'its tensors take 0 bytes, but 4 follow the header'],
  ])('%s', (_, bytes, message) => {
    expect(fault(bytes)).toBe(message);
  });

  test.each(['{"x": ', '', '{} {}', '{"x": 1,}'])('a header that is not JSON: %s', (text) => {
    expect(fault(file(text))).toMatch(/^its header is not JSON \(.+\)$/s);
  });

  test('a header that is not UTF-8', () => {
    const bytes = file('{"x": 1}');
    bytes[10] = 0xff;
    expect(fault(bytes)).toMatch(/^its header is not JSON \(.+\)$/s);
  });

  test('every cut of a good file, and never allocates what the header promises', () => {
    const good = file({ a: entry('F32', [2, 3], [0, 24]), b: entry('I64', [1], [24, 32]) }, new Uint8Array(32));
    expect(Object.keys(readSafetensors(good).tensors)).toEqual(['a', 'b']);
    for (let length = 0; length < good.length; length++) expect(fault(good.slice(0, length))).not.toBe('');

    const promises = [2 ** 31, 2 ** 40, 2 ** 52].map((size) => file({ x: entry('U8', [size], [0, size]) }, new Uint8Array(4)));
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    for (const bytes of promises) fault(bytes);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - arrayBuffers).toBeLessThan(2 ** 20);
    expect(after.heapUsed - heapUsed).toBeLessThan(2 ** 24);
  });
});
