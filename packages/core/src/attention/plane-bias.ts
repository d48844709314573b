import { add, expandDims, mul, reshape, tidy, transpose } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { linear, matMul, transposeLast } from '../matmul.js';
import { channelAvgPool } from '../pooling/channel.js';
import { stripAvgPool } from '../pooling/strip.js';
import { skew, unskew } from './skew.js';

/** The bias of attention among the positions of a plane: query i gives the key at row y, column x the bias rows[i, y] + columns[i, x]. */
export interface PlaneBias {
  /** `[B, N, H]` */
  readonly rows: Tensor3D;
  /** `[B, N, W]`; there are H·W keys, row by row. */
  readonly columns: Tensor3D;
}

/** What each distance along the height, −(H − 1) to H − 1, and along the width is embedded as. */
export interface PlaneTables {
  /** `[2·H − 1, D]` */
  readonly height: Tensor2D;
  /** `[2·W − 1, D]` */
  readonly width: Tensor2D;
}

/**
 * The logits of relative positions (Shaw et al. 2018; Bello et al. 2019, equation 3): q_i·height[y − y_i + H − 1] for a key in row y, and
 * q_i·width[x − x_i + W − 1] for one in column x. By the skewing trick of Huang et al. 2018, section 3.4.1, so that no row of a table is repeated.
 *
 * @param q queries at all positions of a plane, row by row, `[B, H·W, D]`
 * @param size H and W
 */
export function relativeLogits(q: Tensor3D, [height, width]: readonly [height: number, width: number], tables: PlaneTables): PlaneBias {
  const [batch, count, channels] = q.shape;
  const rows: Tensor3D = tidy(() => {
    const plane: Tensor4D = reshape(q, [batch, height, width, channels]);
    const lines: Tensor3D = reshape(transpose(plane, [0, 2, 1, 3]), [batch * width, height, channels]);
    const logits: Tensor4D = reshape(lineLogits(lines, tables.height), [batch, width, height, height]);
    return reshape(transpose(logits, [0, 2, 1, 3]), [batch, count, height]);
  });
  const columns: Tensor3D = tidy(() => reshape(lineLogits(reshape(q, [batch * height, width, channels]), tables.width), [batch, count, width]));
  return { rows, columns };
}

/** The logits along lines, `[lines, L, D]` to `[lines, L, L]`. Their products with all 2·L − 1 distances are not kept for the gradient. */
function lineLogits(q: Tensor3D, table: Tensor2D): Tensor3D {
  return differentiable(
    [q, table],
    (q, table) => tidy(() => skew(linear(q as Tensor3D, transposeLast(table as Tensor2D)))),
    (dy, [q, table]) => {
      const [lines, length, channels] = q.shape;
      const dProducts: Tensor2D = tidy(() => reshape(unskew(dy as Tensor3D), [lines * length, 2 * length - 1]));
      const dTable = matMul(transposeLast(dProducts), reshape(q, [lines * length, channels]));
      return [reshape(matMul(dProducts, table as Tensor2D), q.shape), dTable];
    },
  ) as Tensor3D;
}

/** Adds a {@link PlaneBias}, as its two tensors, to scores `[B, N, H·W]`. */
export function addPlaneBias(scores: Tensor, [rows, columns]: Tensor[]): Tensor {
  return tidy(() => reshape(add(add(planesOf(scores, columns), expandDims(rows, 3)), expandDims(columns, 2)), scores.shape));
}

/** The gradients of a {@link PlaneBias} from that of the scores. */
export function planeBiasGradient(dScores: Tensor, [rows, columns]: Tensor[]): Tensor[] {
  const [height, width] = [rows.shape[2], columns.shape[2]] as [number, number];
  const planes = planesOf(dScores, columns);
  const lines: Tensor4D = reshape(planes, [-1, height, 1, width]);
  return [mul(channelAvgPool(planes), width), reshape(mul(stripAvgPool(lines, 'height'), height), columns.shape)];
}

function planesOf(scores: Tensor, columns: Tensor): Tensor4D {
  return reshape(scores, [...scores.shape.slice(0, 2), -1, ...columns.shape.slice(2)] as Tensor4D['shape']);
}
