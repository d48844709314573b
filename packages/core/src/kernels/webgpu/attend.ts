import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { AttendInputs } from '../attend.js';
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
  UNDERFLOW,
  vectorsIn,
  writer,
  type Layout,
} from './attend-tiles.js';
import { dispatch, type WebGPUBackend } from './backend.js';

/** The kernel on WebGPU: one dispatch, or two where there are few queries. */
export const webgpuAttend: Form<WebGPUBackend, AttendInputs> = { run };

/** Where there would be fewer workgroups, several share the keys of a query. */
const ENOUGH_WORKGROUPS = 64;

interface Partition {
  readonly layout: Layout;
  /** Blocks of queries. */
  readonly blocks: number;
  /** Workgroups that share the keys of a block, and how many tiles of them each takes. */
  readonly shares: number;
  readonly tiles: number;
}

function run(backend: WebGPUBackend, inputs: Inputs<AttendInputs>): TensorInfo {
  const partition = partitionOf(inputs);
  const results = attendShares(backend, inputs, partition);
  if (partition.shares === 1) return results;
  const joined = join(backend, results, inputs.v.shape[2]);
  backend.disposeData(results.dataId);
  return joined;
}

function partitionOf({ q, k, v }: Inputs<AttendInputs>): Partition {
  const layout = layoutOf(v.shape[2])!;
  const { rows, columns } = tileOf(layout);
  const blocks = Math.ceil(q.shape[1] / rows);
  const allTiles = Math.ceil(k.shape[1] / columns);
  const wanted = Math.max(1, Math.floor(ENOUGH_WORKGROUPS / (q.shape[0] * blocks * layout.parts)));
  const tiles = Math.ceil(allTiles / wanted);
  return { layout, blocks, shares: Math.ceil(allTiles / tiles), tiles };
}

/** `[B, N, E]`. Of several shares `[shares, B, N, E, padding, 4]`: behind each row is the logarithm of its sum of exponentials. */
function attendShares(backend: WebGPUBackend, inputs: Inputs<AttendInputs>, { layout, blocks, shares, tiles }: Partition): TensorInfo {
  const { q, k, v } = inputs;
  const [images, n, d] = q.shape;
  const [, m, e] = v.shape;
  const [queries, keys, values] = [rowsOf('q', 'n', 'd', q), rowsOf('k', 'm', 'd', k), rowsOf('v', 'm', 'e', v)];
  const bias = biasReader(inputs);
  const isWhole = shares === 1;
  const stored = isWhole ? e : 4 * vectorsIn(e) + 4;
  const results = { name: 'store', count: 'n', size: 'stored', vectors: stored % 4 === 0 };
  const image = 'share * u32(uniforms.images) + image';
  const { key, declarations, body } = attentionCode({
    layout,
    scores: { rows: queries, columns: keys },
    bias: bias.code ? (row, column) => `biasAt(image, ${row}, ${column})` : undefined,
    statistics: 'found',
    sums: [
      {
        weights: 'softmax',
        values: 'vAt',
        size: 'e',
        store: (row, c, sum) => `store(${image}, ${row}, ${c}, ${sum});`,
      },
    ],
  });
  const logarithm = (row: string, i: number) => `store(${image}, ${row}, u32(uniforms.stored) / 4u - 1u, vec4<f32>(logarithms[${i}]));`;
  return dispatch(
    backend,
    {
      key: `attend_${key}_${bias.key}_${values.vectors}_${isWhole}`,
      reads: { ...readsOf(queries, keys, values), ...bias.reads },
      writes: results.vectors ? 4 : 1,
      integers: {
        n,
        m,
        d,
        e,
        stored,
        images,
        blocks,
        shares,
        tiles,
        parts: layout.parts,
        ...bias.integers,
      },
      invocations: INVOCATIONS,
      workgroups: images * shares * blocks * layout.parts,
      mostWorkgroups: mostWorkgroups(layout, tiles, d + e),
      shape: isWhole ? [images, n, e] : [shares, images, n, stored],
      declarations: `${[queries, keys, values].map(reader).join('')} ${bias.code} ${writer(results)} ${declarations}`,
      body: `
        let parts = u32(uniforms.parts);
        let blocks = u32(uniforms.blocks);
        let shares = u32(uniforms.shares);
        let part = group % parts;
        let share = group / (parts * blocks) % shares;
        let image = group / (parts * blocks * shares);
        let firstRow = group / parts % blocks * ROWS;
        let tiles = u32(uniforms.tiles);
        let start = share * tiles * COLUMNS;
        ${body}
        ${isWhole ? '' : `if (part == 0u && across == 0u) { ${forRows('u32(uniforms.n)', logarithm)} }`}`,
    },
    [q, k, v, ...bias.inputs],
  );
}

/** Joins what {@link attendShares} found, each row of it as much as its share of the sum of exponentials. */
function join(backend: WebGPUBackend, results: TensorInfo, e: number): TensorInfo {
  const [shares, images, n] = results.shape;
  const vectors = e % 4 === 0;
  return dispatch(
    backend,
    {
      key: `attend_join_${vectors}`,
      reads: { part: 4 },
      writes: vectors ? 4 : 1,
      integers: { rows: images * n, vectors: vectorsIn(e), e, shares },
      invocations: INVOCATIONS,
      workgroups: Math.ceil((images * n * vectorsIn(e)) / INVOCATIONS),
      shape: [images, n, e],
      declarations: writer({ name: 'store', count: 'rows', size: 'e', vectors }),
      body: `
        let vectors = u32(uniforms.vectors);
        let rows = u32(uniforms.rows);
        let row = (group * ${INVOCATIONS}u + lane) / vectors;
        let c = (group * ${INVOCATIONS}u + lane) % vectors;
        if (row >= rows) { return; }
        var most = part[row * (vectors + 1u) + vectors].x;
        for (var share = 1u; share < u32(uniforms.shares); share++) {
          most = max(most, part[(share * rows + row) * (vectors + 1u) + vectors].x);
        }
        var total = 0.0;
        var sum = vec4<f32>();
        for (var share = 0u; share < u32(uniforms.shares); share++) {
          let at = (share * rows + row) * (vectors + 1u);
          let weight = exp(max(part[at + vectors].x - most, ${UNDERFLOW}));
          total += weight;
          sum += weight * part[at + c];
        }
        store(0u, row, c, sum / total);`,
    },
    [results],
  );
}
