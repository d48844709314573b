import {
  byTiles,
  gramMatrix,
  linear,
  matMul,
  skew,
  slice,
  sumOverPositions,
  transposeLast,
  unskew,
  type TileFunction,
  type TileGradient,
} from '@saccade/core';
import type * as parts from '@saccade/core/parts';
import {
  add,
  addN,
  concat,
  div,
  expandDims,
  mul,
  ones,
  relu,
  reshape,
  softmax,
  square,
  squeeze,
  stack,
  sub,
  sum,
  tensor2d,
  tidy,
  transpose,
  unstack,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from '@tensorflow/tfjs-core';

/** What the distances −(L − 1) to L − 1 of a position from another are embedded as. */
export interface DistanceTables {
  /** What a query looks for at a key's distance from it, `[2·L − 1, D]`. */
  readonly query: Tensor2D;
  /** What a key looks for at a query's distance from it, `[2·L − 1, D]`. */
  readonly key: Tensor2D;
  /** What a query retrieves at a value's distance from it, `[2·L − 1, E]`. */
  readonly value: Tensor2D;
}

/**
 * Position-sensitive attention along lines, equation 4 of the paper: softmax over j of f₀·(q_i·k_j) + f₁·(q_i·query[j − i]) + f₂·(k_j·key[i − j]), of
 * the values and of what the table has for their distances. Holds no more logits than those of a tile of lines, in the gradient neither.
 *
 * @param q queries `[lines·groups, L, D]`, the groups of a line one after the other
 * @param k keys `[lines·groups, L, D]`
 * @param v values `[lines·groups, L, E]`
 * @param factors the factors f₀, f₁ and f₂ of each group, `[3·groups]`
 * @returns Σ_j a_ij·v_j and Σ_j a_ij·value[j − i], each `[lines·groups, L, E]`
 */
export function positionSensitiveAttend(q: Tensor3D, k: Tensor3D, v: Tensor3D, tables: DistanceTables, factors: Tensor1D): [Tensor, Tensor] {
  const [lines, length] = q.shape;
  return tidy(() => {
    // A line is one row of a tile, since the distances in it need all of it.
    const rows = [...[q, k, v].map(asRow), ...perLine(factors, lines)];
    const shared = [tables.query, tables.key, tables.value].map((table) => expandDims(table, 0));
    return halves(byTiles(rows, shared, length * length, attendTile, { gradient: attendTileGradient, wholeImages: true }), v.shape);
  });
}

/** The attention weights themselves, `[lines·groups, L, L]`. */
export function positionSensitiveWeights(q: Tensor3D, k: Tensor3D, tables: DistanceTables, factors: Tensor1D): Tensor {
  return tidy(() => weigh(q, k, perLine(factors, q.shape[0]), tables));
}

/**
 * The moments of the three kinds of logits of each group, over all lines and all pairs of positions, without the logits: the sum of the squares of
 * x_i·y_j is that of x_iᵀ·(Σ_j y_j·y_jᵀ)·x_i. Gradients flow through them.
 *
 * @param q queries `[lines·groups, L, D]`
 * @param k keys `[lines·groups, L, D]`
 * @returns moments `[3·groups]`, those of q_i·k_j first, then of q_i·query[j − i], then of k_j·key[i − j]
 */
export function logitMoments(q: Tensor3D, k: Tensor3D, { query, key }: DistanceTables, groups: number): parts.BatchMoments {
  const [lines, length, depth] = q.shape;
  const count = (lines / groups) * length * length;
  const sums = (x: Tensor, partners: { gram: Tensor; total: Tensor }, run: number) => {
    const perGroup = (products: Tensor) => sum(reshape(sumOverPositions(reshape(products, [-1, groups * run])), [groups, run]), 1);
    return [perGroup(mul(x, partners.total)), perGroup(mul(x, matMul(x, partners.gram)))];
  };
  const terms = [
    sums(q, { gram: gramMatrix(k), total: sum(k, 1, true) }, length * depth),
    sums(transpose(q, [1, 0, 2]), distancesInLine(query), depth),
    sums(transpose(k, [1, 0, 2]), distancesInLine(key), depth),
  ];
  const [mean, meanSquare] = [0, 1].map((i) => div(concat(terms.map((term) => term[i])), count)) as [Tensor1D, Tensor1D];
  // Rounding may leave what is constant a variance below 0.
  return { mean, variance: relu(sub(meanSquare, square(mean))), count };
}

const attendTile: TileFunction = (shared) => {
  const [query, key, value] = tablesOf(shared);
  return (rows) => {
    const { q, k, v, factors } = linesOf(rows);
    const weights = weigh(q, k, factors, { query, key });
    const [content, position] = [matMul(weights, v), tidy(() => linear(unskew(weights), value))];
    return flat(stack([content, position], 1));
  };
};

const attendTileGradient: TileGradient = (shared) => {
  const [query, key, value] = tablesOf(shared);
  return (dy, rows, y) => {
    const { q, k, v, factors } = linesOf(rows);
    const weights = weigh(q, k, factors, { query, key });
    const [dContent, dPosition] = halves(dy, v.shape);
    const dLogits: Tensor3D = tidy(() => {
      const dWeights = add(matMul(dContent, transposeLast(v)), distanceLogits(dPosition, value));
      // Σ dWeights·weights over the keys is Σ dy·y over both results, which is a shorter sum.
      const common = addN(halves(mul(dy, y), v.shape).map((products) => sum(products, 2, true)));
      return mul<Tensor3D>(weights, sub(dWeights, common));
    });
    const dValue = tidy(() => tableGradient(unskew(weights), dPosition));
    // Each kind of logits by itself: its factor times these are the gradients, and their product with what they are gradients of is the factor's.
    const byPosition = (x: Tensor3D, table: Tensor2D, dLogits: Tensor3D, factor: Tensor) =>
      tidy(() => {
        const dProducts = unskew(dLogits);
        return [linear(dProducts, table), tableGradient(dProducts, mul(x, factor))];
      });
    const [content, fromQuery, fromKey] = factors;
    const dTransposed: Tensor3D = transposeLast(dLogits);
    const [qByContent, kByContent] = [matMul(dLogits, k), matMul(dTransposed, q)];
    const [qByPosition, dQuery] = byPosition(q, query, dLogits, fromQuery);
    const [kByPosition, dKey] = byPosition(k, key, dTransposed, fromKey);
    const perLine = (x: Tensor, dx: Tensor) => sum(mul(x, dx), [1, 2], true);
    return [
      ...[
        add(mul(qByContent, content), mul(qByPosition, fromQuery)),
        add(mul(kByContent, content), mul(kByPosition, fromKey)),
        matMul(transposeLast(weights), dContent),
      ].map(asRow),
      perLine(q, qByContent),
      perLine(q, qByPosition),
      perLine(k, kByPosition),
      ...[dQuery, dKey, dValue].map((table) => expandDims(table, 0)),
    ];
  };
};

/** From the gradient of products with a table's rows, `[lines, L, 2·L − 1]`, and what was multiplied, `[lines, L, D]`, to that of the table. */
function tableGradient(dProducts: Tensor, x: Tensor): Tensor {
  const [rows, distances] = [dProducts.shape[0] * dProducts.shape[1]!, dProducts.shape[2]!];
  return matMul(transposeLast(reshape(dProducts, [rows, distances])), reshape(x, [rows, -1]));
}

function weigh(q: Tensor3D, k: Tensor3D, [content, fromQuery, fromKey]: Tensor[], tables: Pick<DistanceTables, 'query' | 'key'>): Tensor3D {
  const ofContent = matMul(q, transposeLast(mul(k, content)));
  const ofQuery = distanceLogits(mul(q, fromQuery), tables.query);
  const ofKey = transposeLast(distanceLogits(mul(k, fromKey), tables.key));
  return softmax(tidy(() => add(add(ofContent, ofQuery), ofKey)));
}

/** The products of rows with what the distances from them to all positions are embedded as, `[lines, L, D]` to `[lines, L, L]`. */
function distanceLogits(x: Tensor3D, table: Tensor2D): Tensor3D {
  return tidy(() => skew(linear(x, transposeLast(table))));
}

function asRow(x: Tensor): Tensor {
  return expandDims(x, 1);
}

function linesOf([q, k, v, ...factors]: Tensor[]) {
  const [ofQ, ofK, ofV] = [q, k, v].map((x) => squeeze<Tensor3D>(x, [1]));
  return { q: ofQ, k: ofK, v: ofV, factors };
}

function tablesOf(shared: Tensor[]): Tensor2D[] {
  return shared.map((table) => squeeze(table, [0]));
}

/** The two results of lines as one row of each, `[lines, 1, 2·L·E]`. */
function flat(both: Tensor): Tensor {
  return reshape(both, [both.shape[0], 1, -1]);
}

/** The two results, each of the shape `[lines, L, E]`. */
function halves(both: Tensor, shape: Tensor3D['shape']): [Tensor3D, Tensor3D] {
  const [lines, size] = [both.shape[0], both.size / both.shape[0] / 2];
  const half = (from: number): Tensor3D => reshape(slice(both, [0, 0, from], [lines, 1, size]), shape);
  return [half(0), half(size)];
}

/** Factors `[3·groups]` as three tensors `[lines·groups, 1, 1]`. */
function perLine(factors: Tensor1D, lines: number): Tensor[] {
  const groups = factors.shape[0] / 3;
  const repeated = mul(reshape(factors, [3, 1, groups]), ones([3, lines / groups, 1]));
  return unstack(reshape(repeated, [3, lines, 1, 1]));
}

/** Of the distances from each position of a line to all of them: the sum of their embeddings, `[L, 1, D]`, and of these's products, `[L, D, D]`. */
function distancesInLine(table: Tensor2D): { gram: Tensor; total: Tensor } {
  const [distances, depth] = table.shape;
  const length = (distances + 1) / 2;
  const inLine = new Float32Array(length * distances);
  for (let i = 0; i < length; i++) inLine.fill(1, i * distances + length - 1 - i, i * distances + 2 * length - 1 - i);
  const select = tensor2d(inLine, [length, distances]);
  const products: Tensor2D = reshape(mul(expandDims(table, 2), expandDims(table, 1)), [distances, depth * depth]);
  return { gram: reshape(matMul(select, products), [length, depth, depth]), total: expandDims(matMul(select, table), 1) };
}
