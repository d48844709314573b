import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { AttendGradientInputs } from '../attend-gradient.js';
import type { Form, Inputs } from '../kernel.js';
import { biasReader } from './attend-bias.js';
import {
  attentionCode,
  forRows,
  INVOCATIONS,
  layoutOf,
  mostWorkgroups,
  reader,
  readsOf,
  rowsOf,
  tileOf,
  writer,
  type Attention,
  type Rows,
} from './attend-tiles.js';
import { dispatch, type WebGPUBackend } from './backend.js';

/**
 * The kernel on WebGPU: a dispatch for the gradient of queries, which also finds the statistics of the softmax; one for those of keys and values, or one
 * each where their channels are too many; and one for a bias.
 */
export const webgpuAttendGradient: Form<WebGPUBackend, AttendGradientInputs> = { fits, run };

/** Of a bias for each query and key there is no less to hold than its gradient; and one that images share is summed over them. */
function fits({ q, bias, rowBias }: AttendGradientInputs): boolean {
  const [images, n] = q.shape;
  if (!bias) return true;
  return bias.shape[0] === images && bias.shape[1] === (rowBias ? n : 1) && (!rowBias || (rowBias.shape[0] === images && rowBias.shape[1] === n));
}

/** Where each gradient begins in the result; behind them are, for each query, a vec4 that begins with the two statistics of its softmax. */
type Begins = Readonly<Record<'q' | 'k' | 'v' | 'bias' | 'rowBias' | 'statistics', number>>;

/** What all dispatches share. */
interface Work {
  readonly backend: WebGPUBackend;
  readonly inputs: Inputs<AttendGradientInputs>;
  readonly operands: Readonly<Record<'q' | 'k' | 'v' | 'dy' | 'y', Rows>>;
  readonly begins: Begins;
  readonly integers: Readonly<Record<string, number>>;
}

function run(backend: WebGPUBackend, inputs: Inputs<AttendGradientInputs>): TensorInfo {
  const { q, k, v, y, dy, bias } = inputs;
  const [[images, n, d], [, m, e]] = [q.shape, v.shape] as [number[], number[]];
  const operands = {
    q: rowsOf('q', 'n', 'd', q),
    k: rowsOf('k', 'm', 'd', k),
    v: rowsOf('v', 'm', 'e', v),
    dy: rowsOf('dy', 'n', 'e', dy),
    y: rowsOf('y', 'n', 'e', y),
  };
  const work = { backend, inputs, operands, begins: beginsOf(inputs), integers: { images, n, m, d, e } };
  const all = queryGradient(work);
  if (layoutOf(e, d)) keyGradients(work, ['v', 'k'], all);
  else {
    keyGradients(work, ['v'], all);
    keyGradients(work, ['k'], all);
  }
  if (bias) biasGradient(work, all);
  return all;
}

function beginsOf({ q, k, v, bias, rowBias }: Inputs<AttendGradientInputs>): Begins {
  const sizes = [q, k, v, bias, rowBias].map((x) => (x ? sizeOf(x.shape) : 0));
  const [k0, v0, bias0, rowBias0, end] = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b));
  return { q: 0, k: k0, v: v0, bias: bias0, rowBias: rowBias0, statistics: 4 * Math.ceil(end / 4) };
}

/** dq, and the statistics. */
function queryGradient(work: Work): TensorInfo {
  const { q, k, v, dy, y } = work.operands;
  const layout = layoutOf(work.integers['d'])!;
  const vectors = q.vectors;
  const store = (row: string, i: number) => {
    const at = `u32(uniforms.statisticsBegin) + 4u * (image * u32(uniforms.n) + ${row})`;
    if (vectors) return `result[(${at}) / 4u] = vec4<f32>(logarithms[${i}], means[${i}], 0.0, 0.0);`;
    return `result[${at}] = logarithms[${i}]; result[${at} + 1u] = means[${i}];`;
  };
  return attentionPass(work, {
    name: 'query',
    vectors,
    operands: [q, k, v, dy, y],
    attention: {
      layout,
      scores: { rows: q, columns: k },
      slopes: { rows: dy, columns: v },
      statistics: 'found',
      sums: [{ weights: 'dScores', values: 'kAt', size: 'd', store: (row, c, sum) => `storeQ(image, ${row}, ${c}, ${sum});` }],
    },
    functions: `
      ${writer({ ...q, name: 'storeQ', vectors }, 'u32(uniforms.qBegin)')}
      fn partOfMean(image : u32, row : u32, across : u32) -> f32 {
        var sum = 0.0;
        for (var c = across; c < (u32(uniforms.e) + 3u) / 4u; c += ACROSS) {
          sum += dot(dyAt(image, row, c), yAt(image, row, c));
        }
        return sum;
      }`,
    after: `if (part == 0u && across == 0u) { ${forRows('u32(uniforms.n)', store)} }`,
  });
}

/** dk, dv or both. */
function keyGradients(work: Work, wanted: readonly ('k' | 'v')[], all: TensorInfo): void {
  const { q, k, v, dy } = work.operands;
  const vectors = q.vectors && v.vectors;
  const sums = {
    k: { weights: 'dScores', values: 'qAt', size: 'd', store: (row: string, c: string, sum: string) => `storeK(image, ${row}, ${c}, ${sum});` },
    v: { weights: 'softmax', values: 'dyAt', size: 'e', store: (row: string, c: string, sum: string) => `storeV(image, ${row}, ${c}, ${sum});` },
  } as const;
  const hasSlopes = wanted.includes('k');
  attentionPass(
    work,
    {
      name: wanted.join(''),
      vectors,
      operands: hasSlopes ? [q, k, v, dy] : [q, k, dy],
      attention: {
        layout: layoutOf(...wanted.map((name) => work.integers[sums[name].size]))!,
        scores: { rows: k, columns: q },
        ...(hasSlopes ? { slopes: { rows: v, columns: dy } } : {}),
        statistics: 'ofColumns',
        sums: wanted.map((name) => sums[name]),
      },
      functions: wanted
        .map((name) => writer({ ...work.operands[name], name: `store${name.toUpperCase()}`, vectors }, `u32(uniforms.${name}Begin)`))
        .join(''),
    },
    all,
  );
}

/** That of a bias of the keys, whatever the query; or of those of the rows and columns of a plane of keys, which are sums over some of the keys. */
function biasGradient(work: Work, all: TensorInfo): void {
  const { q, k, v, dy } = work.operands;
  const { bias, rowBias } = work.inputs;
  const ofPlane = rowBias !== undefined;
  const places = ofPlane ? bias!.shape[2] + rowBias.shape[2] : 1;
  const [rows, columns] = ofPlane ? [q, k] : [k, q];
  attentionPass(
    { ...work, integers: { ...work.integers, places } },
    {
      name: 'bias',
      vectors: false,
      operands: [q, k, v, dy],
      attention: {
        layout: layoutOf(places)!,
        scores: { rows, columns },
        slopes: ofPlane ? { rows: dy, columns: v } : { rows: v, columns: dy },
        statistics: ofPlane ? 'ofRows' : 'ofColumns',
        sums: [{ weights: 'dScores', values: 'isAt', size: 'places', store: (row, c, sum) => `storePlaces(image, ${row}, ${c}, ${sum});` }],
      },
      functions: ofPlane ? PLANE : KEYS,
    },
    all,
  );
}

const KEYS = `
  fn isAt(image : u32, query : u32, c : u32) -> vec4<f32> { return vec4<f32>(1.0, 0.0, 0.0, 0.0); }
  fn storePlaces(image : u32, key : u32, c : u32, sum : vec4<f32>) { result[u32(uniforms.biasBegin) + image * u32(uniforms.m) + key] = sum.x; }`;

/** The places are the plane's columns, then its rows. */
const PLANE = `
  fn isAt(image : u32, key : u32, c : u32) -> vec4<f32> {
    let width = u32(uniforms.width);
    let place = 4u * c + vec4<u32>(0u, 1u, 2u, 3u);
    let isIn = select(place == vec4<u32>(width + key / width), place == vec4<u32>(key % width), place < vec4<u32>(width));
    return select(vec4<f32>(), vec4<f32>(1.0), isIn);
  }
  fn storePlaces(image : u32, query : u32, c : u32, sum : vec4<f32>) {
    let width = u32(uniforms.width);
    let height = u32(uniforms.places) - width;
    let row = image * u32(uniforms.n) + query;
    for (var i = 0u; i < 4u && 4u * c + i < width + height; i++) {
      let place = 4u * c + i;
      if (place < width) {
        result[u32(uniforms.biasBegin) + row * width + place] = sum[i];
      } else {
        result[u32(uniforms.rowBiasBegin) + row * height + place - width] = sum[i];
      }
    }
  }`;

/** A dispatch. */
interface Pass {
  /** Tells its code apart, with what else the code depends on. */
  readonly name: string;
  /** What it reads. */
  readonly operands: readonly Rows[];
  /** Whether the result is in vec4s. Otherwise it is in numbers. */
  readonly vectors: boolean;
  readonly attention: Omit<Attention, 'bias'>;
  /** WGSL: functions that the attention uses. */
  readonly functions: string;
  /** WGSL: what is done in the end. */
  readonly after?: string;
}

function attentionPass({ backend, inputs, begins, integers }: Work, pass: Pass, all?: TensorInfo): TensorInfo {
  const { name, operands, vectors, attention, functions, after = '' } = pass;
  const { rows, columns } = attention.scores;
  const { layout } = attention;
  const bias = biasReader(inputs);
  const biasAt = (row: string, column: string) => `biasAt(image, ${rows.name === 'q' ? `${row}, ${column}` : `${column}, ${row}`})`;
  const { key, declarations, body } = attentionCode({ ...attention, bias: bias.code ? biasAt : undefined });
  const tile = tileOf(layout);
  const blocks = Math.ceil(integers[rows.count] / tile.rows);
  const tiles = Math.ceil(integers[columns.count] / tile.columns);
  return dispatch(
    backend,
    {
      key: ['attend_gradient', name, key, bias.key, vectors, ...operands.map((rows) => rows.vectors)].join('_'),
      reads: { ...readsOf(...operands), ...bias.reads },
      writes: vectors ? 4 : 1,
      integers: {
        ...integers,
        ...bias.integers,
        ...Object.fromEntries(Object.entries(begins).map(([name, begin]) => [`${name}Begin`, begin])),
        blocks,
        parts: layout.parts,
        tiles,
      },
      invocations: INVOCATIONS,
      workgroups: integers['images'] * blocks * layout.parts,
      mostWorkgroups: mostWorkgroups(layout, tiles, 2 * (integers['d'] + integers['e'])),
      shape: [begins.statistics + 4 * integers['images'] * integers['n']],
      declarations: [...operands.map(reader), bias.code, vectors ? STATISTICS.vectors : STATISTICS.numbers, functions, declarations].join(''),
      body: `
        let parts = u32(uniforms.parts);
        let blocks = u32(uniforms.blocks);
        let part = group % parts;
        let image = group / (parts * blocks);
        let firstRow = group / parts % blocks * ROWS;
        let tiles = u32(uniforms.tiles);
        let start = 0u;
        ${body}
        ${after}`,
    },
    operands.map(({ name }) => inputs[name as keyof AttendGradientInputs]!).concat(bias.inputs),
    all,
  );
}

const STATISTICS = {
  vectors: `
    fn statisticsAt(image : u32, query : u32) -> vec2<f32> {
      return result[u32(uniforms.statisticsBegin) / 4u + image * u32(uniforms.n) + query].xy;
    }`,
  numbers: `
    fn statisticsAt(image : u32, query : u32) -> vec2<f32> {
      let at = u32(uniforms.statisticsBegin) + 4u * (image * u32(uniforms.n) + query);
      return vec2<f32>(result[at], result[at + 1u]);
    }`,
};
