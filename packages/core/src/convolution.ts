import {
  batchToSpaceND,
  concat,
  conv2d,
  engine,
  fused,
  getBackend,
  mul,
  pad,
  reshape,
  slice,
  spaceToBatchND,
  split,
  tensor,
  tidy,
  zerosLike,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { activated, type Activation } from './activations.js';
import { differentiable, kernelGradients } from './gradient.js';
import { directConvolution } from './kernels/convolve.js';
import { affine, batchNormInference, type InferenceNorm } from './normalisation.js';
import { sumOverPositions } from './pooling/global.js';
import { onGpu } from './shapes.js';

/** How a convolution's kernel steps over a map, the same along height and width. */
export interface ConvolutionGeometry {
  /** Default: 1. */
  readonly stride?: number;
  /** The distance between two taps of the kernel. Default: 1. */
  readonly dilation?: number;
  /** Zeros on each side. Default: dilation·(k − 1)/2, so that stride 1 keeps the map's size. */
  readonly padding?: number;
}

export interface ConvolveOptions extends ConvolutionGeometry {
  /** `[filters]`: multiplies what each filter gives, before the bias. On wasm it costs next to nothing. */
  readonly factor?: Tensor1D | undefined;
  /** `[filters]` */
  readonly bias?: Tensor1D | undefined;
  /** Batch normalisation of that, all of its tensors `[filters]`. On wasm it costs next to nothing. */
  readonly norm?: InferenceNorm | undefined;
  /** What follows. On wasm it costs next to nothing. */
  readonly activation?: Activation | undefined;
  /** Input and output channels fall into so many groups, each convolved by itself. Default: 1. */
  readonly groups?: number;
}

/**
 * 2-D convolution (cross-correlation) as PyTorch defines it. Unlike `tf.conv2d` it knows groups, trains with dilation, and takes stride and
 * dilation together.
 *
 * @param x `[N, H, W, inputs]`
 * @param kernel `[k, k, inputs / groups, filters]`
 * @returns `[N, H', W', filters]`, sizes as of {@link convolvedSize}
 */
export function convolve(x: Tensor4D, kernel: Tensor4D, options: ConvolveOptions = {}): Tensor4D {
  const { factor, bias, norm, activation, stride = 1, dilation = 1, groups = 1, padding = keepingSize(kernel.shape[0], dilation) } = options;
  return tidy(() => {
    const seen = seenTaps(x, kernel, { stride, dilation, padding });
    if (seen < kernel.shape[0]) {
      // Of the kernel, only its middle ever meets the map.
      const beyond = (kernel.shape[0] - seen) / 2;
      const middle: Tensor4D = slice(kernel, [beyond, beyond, 0, 0], [seen, seen, -1, -1]);
      return convolve(x, middle, { ...options, padding: padding - beyond * dilation, dilation: seen === 1 ? 1 : dilation });
    }
    if (convolvesDirectly() && !(factor && norm)) {
      const geometry = { stride, dilation, padding };
      const [outHeight, outWidth] = [x.shape[1], x.shape[2]].map((size) => convolvedSize(size, kernel.shape[0], geometry));
      const { epsilon = 0, ...moments } = norm ?? {};
      const folded = factor ? { gamma: factor, beta: bias, bias: undefined } : { ...moments, bias };
      return directConvolution({ x, kernel, ...folded }, { ...geometry, groups, outHeight, outWidth, epsilon, activation }) as Tensor4D;
    }
    if (norm ?? activation) {
      const y = convolve(x, kernel, { factor, bias, stride, dilation, groups, padding });
      return norm ? batchNormInference(y, norm, norm.gamma, norm.beta, norm.epsilon, activation) : activated(y, activation);
    }
    if (factor) return affine(convolve(x, kernel, { stride, dilation, groups, padding }), factor, bias ?? zerosLike(factor));
    if (groups > 1) return grouped(x, kernel, groups, { bias, stride, dilation, padding });
    if (dilation === 1) return bias ? fused.conv2d({ x, filter: kernel, strides: stride, pad: padding, bias }) : conv2d(x, kernel, stride, padding);
    const common = greatestCommonDivisor(stride, dilation);
    if (common > 1) {
      // All that is read lies on a grid: what remains is a denser convolution of that grid.
      const [map, rest] = padding % common === 0 ? [x, padding / common] : [zeroPad(x, [padding, padding], [padding, padding]), 0];
      return convolve(everyNth(map, common), kernel, { bias, stride: stride / common, dilation: dilation / common, padding: rest });
    }
    return everyNth(dilated(x, kernel, bias, dilation, padding), stride);
  });
}

/** Whether {@link convolve} is now one pass of our own, in which what follows, up to the activation, costs next to nothing. */
export function convolvesDirectly(): boolean {
  return directConvolution.isAvailable() && !engine().isTapeOn();
}

/** The height or width of what {@link convolve} makes of a map of that size; null of an unknown one. */
export function convolvedSize(size: number, kernelSize: number, geometry?: ConvolutionGeometry): number;
export function convolvedSize(size: number | null, kernelSize: number, geometry?: ConvolutionGeometry): number | null;
export function convolvedSize(size: number | null, kernelSize: number, geometry: ConvolutionGeometry = {}): number | null {
  const { stride = 1, dilation = 1, padding = keepingSize(kernelSize, dilation) } = geometry;
  return size === null ? null : Math.floor((size + 2 * padding - dilation * (kernelSize - 1) - 1) / stride) + 1;
}

function keepingSize(kernelSize: number, dilation: number): number {
  return (dilation * (kernelSize - 1)) / 2;
}

// Side of the middle of a kernel that a convolution of stride 1 that keeps the map's size needs: taps further out see nothing but zeros.
function seenTaps(x: Tensor4D, kernel: Tensor4D, { stride, dilation, padding }: Required<ConvolutionGeometry>): number {
  const side = kernel.shape[0];
  if (stride > 1 || padding !== keepingSize(side, dilation) || side % 2 === 0) return side;
  return Math.min(side, 2 * Math.floor((Math.max(x.shape[1], x.shape[2]) - 1) / dilation) + 1);
}

function grouped(x: Tensor4D, kernel: Tensor4D, groups: number, { bias, ...geometry }: ConvolveOptions): Tensor4D {
  const joined = groupsAtOnce(groups, kernel.shape[3] / groups);
  const calls = groups / joined;
  const blocks = joined > 1 ? blockDiagonal(kernel, groups, joined) : kernel;
  if (calls === 1) return convolve(x, blocks, { ...geometry, bias });
  const kernels: Tensor4D[] = split(blocks, calls, 3);
  const biases: Tensor1D[] = bias ? split(bias, calls) : [];
  return concat(
    split<Tensor4D>(x, calls, 3).map((part, i) => convolve(part, kernels[i], { ...geometry, bias: biases[i] })),
    3,
  );
}

// Each call has its price, and fewer filters than these take as long. Only the cpu backend's loop takes less time for each multiply-add less.
function groupsAtOnce(groups: number, share: number): number {
  const filters = getBackend() === 'cpu' ? 1 : onGpu() ? 32 : 16;
  for (let joined = groups; joined > 1; joined--) if (groups % joined === 0 && joined * share <= filters) return joined;
  return 1;
}

// The kernel `[k, k, joined·depth, filters]` of fewer groups, with zeros where a filter does not see an input.
function blockDiagonal(kernel: Tensor4D, groups: number, joined: number): Tensor4D {
  const [k, , depth, filters] = kernel.shape;
  const own = new Float32Array(joined * filters);
  for (let filter = 0; filter < filters; filter++) own[(Math.floor((filter * groups) / filters) % joined) * filters + filter] = 1;
  const blocks = mul(reshape(kernel, [k * k, 1, depth, filters]), tensor(own, [1, joined, 1, filters]));
  return reshape(blocks, [k, k, joined * depth, filters]);
}

function dilated(x: Tensor4D, kernel: Tensor4D, bias: Tensor1D | undefined, dilation: number, padding: number): Tensor4D {
  const inputs: Tensor[] = bias ? [x, kernel, bias] : [x, kernel];
  return differentiable(
    inputs,
    (x, filter, bias) =>
      fused.conv2d({ x: x as Tensor4D, filter: filter as Tensor4D, strides: 1, pad: padding, dilations: dilation, ...(bias && { bias }) }),
    (dy, [x, kernel]) => [...dilatedGradients(dy as Tensor4D, x as Tensor4D, kernel, dilation, padding), ...(bias ? [sumOverPositions(dy)] : [])],
  ) as Tensor4D;
}

// TF.js has no gradient of a dilated convolution. But it is an ordinary one of each of the phases that its rate splits rows and columns into.
function dilatedGradients(dy: Tensor4D, x: Tensor4D, kernel: Tensor, dilation: number, padding: number): [dx: Tensor, dKernel: Tensor] {
  const rates = [dilation, dilation];
  // Zeros after the last row and column, so that all phases are of one size.
  const missing = x.shape.slice(1, 3).map((size) => Math.ceil((size + 2 * padding) / dilation) * dilation - (size + 2 * padding));
  const around = missing.map((after) => [padding, padding + after]);
  const after = missing.map((after) => [0, after]);
  const phases = spaceToBatchND(x, rates, around);
  const gradients = kernelGradients('Conv2D', spaceToBatchND(dy, rates, after), [phases, kernel], {
    strides: [1, 1],
    pad: 'valid',
    dataFormat: 'NHWC',
    dilations: [1, 1],
  });
  return [batchToSpaceND(gradients['x'](), rates, around), gradients['filter']()];
}

// The rows and columns 0, n, 2n, …
function everyNth(x: Tensor4D, n: number): Tensor4D {
  if (n === 1) return x;
  const [batch, height, width, channels] = x.shape;
  const [rows, columns] = [Math.ceil(height / n), Math.ceil(width / n)];
  const whole = zeroPad(x, [0, rows * n - height], [0, columns * n - width]);
  const grid = slice(reshape(whole, [batch * rows, n, columns, n * channels]), [0, 0, 0, 0], [-1, 1, -1, channels]);
  return reshape(grid, [batch, rows, columns, channels]);
}

function zeroPad(x: Tensor4D, rows: [number, number], columns: [number, number]): Tensor4D {
  return pad(x, [[0, 0], rows, columns, [0, 0]]);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
