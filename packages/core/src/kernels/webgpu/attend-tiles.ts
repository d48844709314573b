import type { TensorInfo } from '@tensorflow/tfjs-core';

/*
 * Attention a tile of scores at a time, in WGSL (Dao et al. 2022, FlashAttention). A workgroup has a block of rows and walks over tiles of columns: rows
 * are queries and columns keys or, for the gradients of keys and values, the other way round. It computes a tile's scores, 4×4 an invocation, from rows
 * and columns that it brings into workgroup memory some channels at a time; makes weights of the scores; and adds the columns' values with these
 * weights to its sums, of which an invocation has some vec4s for each of 4 rows.
 */

export const INVOCATIONS = 128;
/** Where things are in workgroup memory, in vec4s: channels of rows and columns, then weights, from 0. All is 16 kB, which every device has. */
const MEMORY = { values: 512, partial: 896, all: 1024 };
/** vec4s of channels that are brought at a time. */
const STEP = 8;
/** vec4s of sums that an invocation has for a row. More would take more registers than some GPUs have. */
const MOST_SUMS = 4;
/** Below each score. */
const LEAST = '-3e38';
/** Multiply-adds of a dispatch: with more, a slow GPU would take so long that systems take it for hung, Windows after two seconds. */
const MOST_WORK = 2 ** 37;
/** What e to the power of is nearly 0, for all that a GPU may take it for. */
export const UNDERFLOW = '-87.0';
const FOUR = [0, 1, 2, 3];

/** Channels of rows in a storage buffer, `[B, count, size]`. */
export interface Rows {
  /** The buffer's name. */
  readonly name: string;
  /** The uniforms that give their number and their channels. */
  readonly count: string;
  readonly size: string;
  /** Whether an element of the buffer is a vec4. Otherwise it is a number. */
  readonly vectors: boolean;
}

/** Products of the channels of rows and of columns. */
export interface Product {
  readonly rows: Rows;
  readonly columns: Rows;
}

/** What is summed over the columns. */
export interface Sum {
  /** The softmax of the scores, or the gradient of the scores. */
  readonly weights: 'softmax' | 'dScores';
  /** The WGSL function of (image, column, c) that gives vec4 `c` of a column's values. It may be asked for more than there are. */
  readonly values: string;
  /** The uniform that gives how many values a column has. */
  readonly size: string;
  /** WGSL: an expression that stores vec4 `c` of a row's sum. */
  readonly store: (row: string, c: string, sum: string) => string;
}

/** What an invocation does. */
export interface Attention {
  readonly layout: Layout;
  readonly scores: Product;
  /** WGSL: what is added to the score of a row and a column, where there is a bias. */
  readonly bias?: ((row: string, column: string) => string) | undefined;
  /** The gradient of the softmax. */
  readonly slopes?: Product;
  /**
   * Where a query's logarithm of the sum of exponentials comes from, and the softmax's mean of its slopes: they are found on the way, the mean as the sum
   * of WGSL's `partOfMean(image, row, across)` of the invocations across; or from `statisticsAt(image, query)`, a vec2, where queries are rows, or columns.
   */
  readonly statistics: 'found' | 'ofRows' | 'ofColumns';
  readonly sums: readonly Sum[];
}

/** How a workgroup parts its work among its invocations. */
export interface Layout {
  /** Invocations side by side, with 4 columns of the scores each. Those below each other have 4 rows each. */
  readonly across: number;
  /** The vec4s of a row that an invocation has in each of the sums. */
  readonly widths: readonly number[];
  /** Workgroups that part the sums of the same rows. Each computes all scores of theirs. */
  readonly parts: number;
}

/** The layout for sums of `channels` values a row, or undefined for several that are too large for one workgroup. */
export function layoutOf(...channels: number[]): Layout | undefined {
  const vectors = channels.map(vectorsIn);
  const across = vectors.every((count) => count <= 8) ? 8 : 16;
  for (let parts = 1; parts === 1 || channels.length === 1; parts++) {
    const widths = vectors.map((count) => Math.ceil(count / parts / across));
    if (widths.reduce((a, b) => a + b) <= MOST_SUMS) return { across, widths, parts };
  }
  return undefined;
}

/** The rows of a workgroup, and the columns of a tile. */
export function tileOf({ across }: Layout): { rows: number; columns: number } {
  return { rows: (4 * INVOCATIONS) / across, columns: 4 * across };
}

/** How many workgroups a dispatch may have that walk over so many tiles each, and multiply so many channels for each row and column of these. */
export function mostWorkgroups(layout: Layout, tiles: number, channels: number): number {
  const { rows, columns } = tileOf(layout);
  return Math.max(1, Math.floor(MOST_WORK / (rows * columns * tiles * channels)));
}

export function rowsOf(name: string, count: string, size: string, { shape }: TensorInfo): Rows {
  return { name, count, size, vectors: shape[2] % 4 === 0 };
}

/** What a shader declares to read them. */
export function readsOf(...rows: Rows[]): Record<string, 1 | 4> {
  return Object.fromEntries(rows.map(({ name, vectors }) => [name, vectors ? 4 : 1]));
}

/** How many vec4s hold so many channels. */
export function vectorsIn(channels: number): number {
  return Math.ceil(channels / 4);
}

/** WGSL: `NAMEAt(image, row, c)`, vec4 `c` of a row's channels. Behind the last one there is 0, or what is in it; behind the last row, the last. */
export function reader({ name, count, size, vectors }: Rows): string {
  const row = `(image * u32(uniforms.${count}) + min(row, u32(uniforms.${count}) - 1u))`;
  const body = vectors
    ? `let vectors = u32(uniforms.${size}) / 4u;
      return ${name}[${row} * vectors + min(c, vectors - 1u)];`
    : `let size = u32(uniforms.${size});
      let at = ${row} * size + 4u * c;
      let value = vec4<f32>(${FOUR.map((i) => `${name}[at + ${i}u]`).join(', ')});
      return select(vec4<f32>(), value, 4u * c + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(size));`;
  return `
    fn ${name}At(image : u32, row : u32, c : u32) -> vec4<f32> {
      ${body}
    }`;
}

/** WGSL: `NAME(image, row, c, value)`, which stores vec4 `c` of a row's channels, the first of all at `offset`. */
export function writer({ name, count, size, vectors }: Rows, offset = '0u'): string {
  const row = `(image * u32(uniforms.${count}) + row) * u32(uniforms.${size})`;
  const body = vectors
    ? `result[(${offset} + ${row}) / 4u + c] = value;`
    : `for (var i = 0u; i < 4u && 4u * c + i < u32(uniforms.${size}); i++) {
        result[${offset} + ${row} + 4u * c + i] = value[i];
      }`;
  return `
    fn ${name}(image : u32, row : u32, c : u32, value : vec4<f32>) {
      ${body}
    }`;
}

/** WGSL of the parts of a shader that {@link Attention} describes, and a key of what they depend on. */
export function attentionCode(attention: Attention): {
  key: string;
  declarations: string;
  body: string;
} {
  const { layout, scores, slopes, bias, statistics, sums } = attention;
  const { rows, columns } = tileOf(layout);
  const products = [scores, ...(slopes ? [slopes] : [])].flatMap(({ rows, columns }) => [rows, columns]);
  const key = [
    layout.across,
    ...layout.widths,
    ...products.map(({ vectors }) => Number(vectors)),
    bias ? 1 : 0,
    statistics,
    ...sums.map(({ weights }) => weights),
  ];
  const declarations = `
    const ACROSS = ${layout.across}u;
    const DOWN = ${rows / 4}u;
    const ROWS = ${rows}u;
    const COLUMNS = ${columns}u;
    var<workgroup> memory : array<vec4<f32>, ${MEMORY.all}>;
    ${productFunction('scoresOf', scores)}
    ${slopes ? productFunction('slopesOf', slopes) : ''}
    // The sum of what the invocations across have.
    fn sumAcross(value : vec4<f32>, lane : u32) -> vec4<f32> {
      workgroupBarrier();
      memory[${MEMORY.partial}u + lane % ACROSS * DOWN + lane / ACROSS] = value;
      workgroupBarrier();
      var sum = vec4<f32>();
      for (var i = 0u; i < ACROSS; i++) {
        sum += memory[${MEMORY.partial}u + i * DOWN + lane / ACROSS];
      }
      return sum;
    }`;
  return { key: key.join('_'), declarations, body: walk(attention) };
}

/** WGSL: a function that gives the products of an invocation's 4 rows and 4 columns, those of a column in a column of the matrix. */
function productFunction(name: string, { rows, columns }: Product): string {
  const bring = ({ name }: Rows, count: string, first: string, to: string) => `
        for (var i = lane; i < ${count} * ${STEP}u; i += ${INVOCATIONS}u) {
          if (i % ${STEP}u < step) {
            memory[${to} + i % ${STEP}u * (${count} + 1u) + i / ${STEP}u] = ${name}At(image, ${first} + i / ${STEP}u, base + i % ${STEP}u);
          }
        }`;
  return `
    fn ${name}(image : u32, firstRow : u32, firstColumn : u32, lane : u32) -> mat4x4<f32> {
      let vectors = (u32(uniforms.${rows.size}) + 3u) / 4u;
      ${FOUR.map((j) => `var s${j} = vec4<f32>();`).join(' ')}
      for (var base = 0u; base < vectors; base += ${STEP}u) {
        let step = min(${STEP}u, vectors - base);
        workgroupBarrier();
        // The same vec4 of all rows lies together, so that the invocations that read are not in each other's way; and one further, for those that write.
        ${bring(rows, 'ROWS', 'firstRow', '0u')}
        ${bring(columns, 'COLUMNS', 'firstColumn', `${STEP}u * (ROWS + 1u)`)}
        workgroupBarrier();
        for (var c = 0u; c < step; c++) {
          let row = c * (ROWS + 1u) + lane / ACROSS;
          let column = ${STEP}u * (ROWS + 1u) + c * (COLUMNS + 1u) + lane % ACROSS;
          let rows = mat4x4<f32>(${FOUR.map((i) => `memory[row + ${i}u * DOWN]`).join(', ')});
          ${FOUR.map((j) => `s${j} += memory[column + ${j}u * ACROSS] * rows;`).join('\n          ')}
        }
      }
      return mat4x4<f32>(s0, s1, s2, s3);
    }`;
}

/**
 * WGSL: the work for the rows from `firstRow`, the columns of `tiles` tiles from `start`, and `part` of the sums, all of `image`. Where statistics are
 * found, there are then `logarithms` and `means` of the four `rows`.
 */
function walk({ layout, scores, slopes, bias, statistics, sums }: Attention): string {
  const [rowCount, columnCount] = [`u32(uniforms.${scores.rows.count})`, `u32(uniforms.${scores.columns.count})`];
  const [row, column] = [(i: number) => `min(rows[${i}], ${rowCount} - 1u)`, (j: number) => `min(columns[${j}], ${columnCount} - 1u)`];
  const vector = (f: (i: number) => string) => `vec4<f32>(${FOUR.map(f).join(', ')})`;
  const lines = (f: (i: number) => string) => FOUR.map(f).join('\n        ');
  const sumsOf = (f: (sum: string, i: number) => string) =>
    sums
      .map((_, s) =>
        FOUR.map((i) =>
          range(layout.widths[s])
            .map((w) => f(`sum${s}_${i}_${w}`, i))
            .join(' '),
        ).join('\n        '),
      )
      .join('\n        ');
  const score = (j: number) => (bias ? `scores[${j}] + ${vector((i) => bias(row(i), column(j)))}` : `scores[${j}]`);
  const [normaliser, mean] =
    statistics === 'ofColumns' ? [(j: number) => `ofColumn${j}.x`, (j: number) => `ofColumn${j}.y`] : [() => 'most', () => 'means'];
  const weight = {
    softmax: (j: number) => `p${j}`,
    dScores: (j: number) => `p${j} * (slopes[${j}] - ${mean(j)})`,
  };
  return `
      let across = lane % ACROSS;
      let down = lane / ACROSS;
      let rows = firstRow + down + DOWN * vec4<u32>(0u, 1u, 2u, 3u);
      ${statistics === 'found' && slopes ? `let means = sumAcross(${vector((i) => `partOfMean(image, ${row(i)}, across)`)}, lane);` : ''}
      ${statistics === 'ofRows' ? FOUR.map((i) => `let ofRow${i} = statisticsAt(image, ${row(i)});`).join(' ') : ''}
      ${statistics === 'ofRows' ? `let most = ${vector((i) => `ofRow${i}.x`)}; let means = ${vector((i) => `ofRow${i}.y`)};` : ''}
      ${statistics === 'found' ? `var most = vec4<f32>(${LEAST}); var total = vec4<f32>();` : ''}
      ${sumsOf((sum) => `var ${sum} = vec4<f32>();`)}
      for (var tile = 0u; tile < tiles; tile++) {
        let firstColumn = start + tile * COLUMNS;
        let columns = firstColumn + across + ACROSS * vec4<u32>(0u, 1u, 2u, 3u);
        let isIn = columns < vec4<u32>(${columnCount});
        let scores = scoresOf(image, firstRow, firstColumn, lane);
        ${slopes ? 'let slopes = slopesOf(image, firstRow, firstColumn, lane);' : ''}
        ${lines((j) => `let s${j} = select(vec4<f32>(${LEAST}), ${score(j)}, isIn[${j}]);`)}
        ${statistics === 'found' ? `memory[${MEMORY.partial}u + across * DOWN + down] = max(max(s0, s1), max(s2, s3));` : ''}
        ${statistics === 'ofColumns' ? lines((j) => `let ofColumn${j} = statisticsAt(image, ${column(j)});`) : ''}
        workgroupBarrier();
        ${
          statistics === 'found'
            ? `let before = most;
        for (var i = 0u; i < ACROSS; i++) {
          most = max(most, memory[${MEMORY.partial}u + i * DOWN + down]);
        }
        let shrink = exp(max(before - most, vec4<f32>(${UNDERFLOW})));
        ${sumsOf((sum, i) => `${sum} *= shrink[${i}];`)}`
            : ''
        }
        ${lines((j) => `let p${j} = select(vec4<f32>(), exp(max(s${j} - ${normaliser(j)}, vec4<f32>(${UNDERFLOW}))), isIn[${j}]);`)}
        ${statistics === 'found' ? 'total = total * shrink + p0 + p1 + p2 + p3;' : ''}
        ${sums.map((sum, s) => addValues(layout, s, sum, weight[sum.weights], columnCount)).join('workgroupBarrier();')}
      }
      ${
        statistics === 'found'
          ? `total = sumAcross(total, lane);
      let logarithms = most + log(total);`
          : ''
      }
      ${sums.map((sum, s) => storeSums(layout, s, sum, rowCount, statistics === 'found')).join('')}`;
}

/** WGSL: brings weights, and values of some columns at a time, and adds the values with the weights to the sums. */
function addValues(layout: Layout, s: number, { values }: Sum, weight: (j: number) => string, columnCount: string): string {
  const width = layout.across * layout.widths[s];
  const step = Math.min(tileOf(layout).columns, Math.floor((MEMORY.all - MEMORY.values) / width));
  const vectors = range(layout.widths[s]);
  return `
        ${FOUR.map((j) => `memory[(across + ${j}u * ACROSS) * DOWN + down] = ${weight(j)};`).join('\n        ')}
        for (var base = 0u; base < COLUMNS; base += ${step}u) {
          let first = firstColumn + base;
          let count = min(min(${step}u, COLUMNS - base), max(${columnCount}, first) - first);
          workgroupBarrier();
          for (var i = lane; i < count * ${width}u; i += ${INVOCATIONS}u) {
            memory[${MEMORY.values}u + i] = ${values}(image, first + i / ${width}u, part * ${width}u + i % ${width}u);
          }
          workgroupBarrier();
          for (var i = 0u; i < count; i++) {
            let weights = memory[(base + i) * DOWN + down];
            ${vectors.map((w) => `let value${w} = memory[${MEMORY.values + layout.across * w}u + i * ${width}u + across];`).join('\n            ')}
            ${vectors.map((w) => FOUR.map((i) => `sum${s}_${i}_${w} += weights[${i}] * value${w};`).join(' ')).join('\n            ')}
          }
        }
        `;
}

function storeSums({ across, widths }: Layout, s: number, { size, store }: Sum, rowCount: string, shares: boolean): string {
  return range(widths[s])
    .map(
      (w) => `
      {
        let c = part * ${across * widths[s]}u + ${across * w}u + across;
        if (c < (u32(uniforms.${size}) + 3u) / 4u) {
          ${forRows(rowCount, (row, i) => store(row, 'c', shares ? `sum${s}_${i}_${w} / total[${i}]` : `sum${s}_${i}_${w}`))}
        }
      }`,
    )
    .join('');
}

/** WGSL: a statement for each of the `rows` that there are. */
export function forRows(rowCount: string, statement: (row: string, i: number) => string): string {
  return FOUR.map((i) => `if (rows[${i}] < ${rowCount}) { ${statement(`rows[${i}]`, i)} }`).join('\n          ');
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
