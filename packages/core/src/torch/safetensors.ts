import { BlockError, show } from '../errors.js';
import type { StateDict, StateTensor } from './state-dict.js';

/** What a safetensors file holds. */
export interface Safetensors {
  readonly tensors: StateDict;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

const LENGTH_BYTES = 8;

// [bytes a value, reader]
const DTYPES: Readonly<Record<string, readonly [bytes: number, read: (view: DataView, at: number) => number]>> = {
  F64: [8, (view, at) => view.getFloat64(at, true)],
  F32: [4, (view, at) => view.getFloat32(at, true)],
  F16: [2, (view, at) => halfToNumber(view.getUint16(at, true))],
  BF16: [2, (view, at) => bfloatToNumber(view.getUint16(at, true))],
  I64: [8, (view, at) => Number(view.getBigInt64(at, true))],
  I32: [4, (view, at) => view.getInt32(at, true)],
  I16: [2, (view, at) => view.getInt16(at, true)],
  I8: [1, (view, at) => view.getInt8(at)],
  U8: [1, (view, at) => view.getUint8(at)],
  BOOL: [1, (view, at) => view.getUint8(at)],
};

/**
 * Reads a safetensors file. Nothing in it is trusted: every size is checked against the bytes that are there before anything is allocated for it.
 *
 * @param bytes the whole file
 * @returns its tensors, as 32-bit floats whatever type they are stored in, and its metadata
 * @throws {@link BlockError} that says what is wrong with the file
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < LENGTH_BYTES) fail(`it has ${bytes.length} bytes, but its header's length alone takes ${LENGTH_BYTES}`);
  const headerLength = view.getBigUint64(0, true);
  if (headerLength > BigInt(bytes.length - LENGTH_BYTES))
    fail(`its header is said to take ${headerLength} bytes, but only ${bytes.length - LENGTH_BYTES} follow`);
  const dataStart = LENGTH_BYTES + Number(headerLength);
  const { __metadata__: metadata = {}, ...entries } = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart));
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) fail('its __metadata__ is not a map of strings');
  const checked = Object.entries(entries).map(([name, entry]) => [name, checkEntry(name, entry)] as const);
  checkCoverage(checked, bytes.length - dataStart);
  return {
    metadata: metadata as Record<string, string>,
    tensors: Object.fromEntries(checked.map(([name, entry]) => [name, readTensor(view, dataStart, entry)])),
  };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    fail(`its header is not JSON (${(error as Error).message})`);
  }
  if (!isRecord(header)) fail(`its header is ${show(header)}, but must be an object`);
  return header;
}

function checkEntry(name: string, entry: unknown): Entry {
  if (!isRecord(entry)) fail(`the entry of ${show(name)} is ${show(entry)}, but must be an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPES, dtype))
    fail(`tensor ${show(name)} is of type ${show(dtype)}, but must be of ${Object.keys(DTYPES).join(', ')}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) fail(`tensor ${show(name)} has shape ${show(shape)}, but must have a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    fail(`tensor ${show(name)} lies at ${show(offsets)}, but must lie at [begin, end]`);
  const values = shape.reduce((product: number, size: number) => product * size, 1);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== values * DTYPES[dtype][0])
    fail(`tensor ${show(name)} of ${dtype} [${shape.join(', ')}] lies in ${end - begin} bytes, but takes ${values * DTYPES[dtype][0]}`);
  return { dtype, shape, data_offsets: [begin, end] };
}

function checkCoverage(entries: readonly (readonly [string, Entry])[], dataLength: number): void {
  let expected = 0;
  for (const [
    name,
    {
      data_offsets: [begin, end],
    },
  ] of entries.toSorted(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1])) {
    if (begin !== expected)
      fail(`tensor ${show(name)} begins at byte ${begin} of the data, but must begin at ${expected}, where what is before it ends`);
    if (end > dataLength) fail(`tensor ${show(name)} ends at byte ${end} of the data, but there are ${dataLength}: the file is cut short`);
    expected = end;
  }
  if (expected !== dataLength) fail(`its tensors take ${expected} bytes, but ${dataLength} follow the header`);
}

function readTensor(view: DataView, dataStart: number, { dtype, shape, data_offsets: [begin, end] }: Entry): StateTensor {
  const [size, read] = DTYPES[dtype];
  const data = new Float32Array((end - begin) / size);
  for (let i = 0; i < data.length; i++) data[i] = read(view, dataStart + begin + i * size);
  return { shape, data };
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function bfloatToNumber(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function fail(what: string): never {
  throw new BlockError(`Not a safetensors file: ${what}. Save it again with safetensors, or fetch it again.`);
}
