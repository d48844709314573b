import { reshape, scalar, tidy, transpose, type Tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../entry.ts';

/** A tensor of a graph, by its name. */
export type Value = string;

/** What an operator takes besides tensors. */
export type Attributes = Readonly<Record<string, number | string | readonly number[]>>;

/** A step of a graph: an ONNX operator of opset 17. */
export interface Step {
  readonly op: string;
  /** One that the operator is to do without is ''. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

/** A tensor that is known beforehand: a weight, or whole numbers that an operator takes as a tensor. */
export interface Constant {
  readonly name: Value;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

/** A block as an ONNX graph of one input and one output, maps as `[N, C, H, W]`. */
export interface Graph {
  readonly input: { readonly name: Value; readonly shape: readonly number[] };
  readonly output: Value;
  readonly steps: readonly Step[];
  readonly constants: readonly Constant[];
}

/** Two of a graph in a row, with the same weights. Its output has to have its input's shape. */
export function twice(graph: Graph): Graph {
  const shared = new Set(['', ...graph.constants.map(({ name }) => name)]);
  const renamed = (name: Value) => (name === graph.input.name ? graph.output : shared.has(name) ? name : `second_${name}`);
  const second = graph.steps.map((step) => ({ ...step, inputs: step.inputs.map(renamed), outputs: step.outputs.map(renamed) }));
  return { ...graph, output: renamed(graph.output), steps: [...graph.steps, ...second] };
}

/** What differs from one convolution to another, beside its kernel. */
export interface ConvOptions {
  /** Whether it has a bias. Default: where it stands alone, and not where a batch norm follows. */
  readonly bias?: boolean;
  /** Default: what keeps height and width at stride 1. */
  readonly padding?: number;
  /** Default: 1. */
  readonly stride?: number;
  /** Default: 1. */
  readonly dilation?: number;
  /** Default: 1. */
  readonly groups?: number;
}

/**
 * Writes a block down as an ONNX graph, the way a good export of its PyTorch code has it: maps as `[N, C, H, W]`, convolutions with their bias,
 * batch norms as such, since runtimes fold them. Weights are the layer's own, by their path in it.
 */
export class GraphBuilder {
  /** The block's input. */
  readonly input: Value = 'x';
  /** Sizes of the input. */
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  private readonly read: WeightReader;
  private readonly steps: Step[] = [];
  private readonly constants: { readonly name: Value; readonly values: Tensor | BigInt64Array }[] = [];

  /** @param shape of the block's input, `[N, H, W, C]` */
  constructor(read: WeightReader, shape: readonly number[]) {
    this.read = read;
    [this.batch, this.height, this.width, this.channels] = shape;
  }

  /** The graph whose output is the given value. It can be asked for once. */
  async graph(output: Value): Promise<Graph> {
    const shape = [this.batch, this.channels, this.height, this.width];
    const constants: Constant[] = [];
    for (const { name, values } of this.constants) {
      if (values instanceof BigInt64Array) constants.push({ name, shape: [values.length], values });
      else {
        constants.push({ name, shape: values.shape, values: await values.data<'float32'>() });
        values.dispose();
      }
    }
    return { input: { name: this.input, shape }, output, steps: this.steps, constants };
  }

  /** An operator of one output. */
  op(op: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.step(op, inputs, attributes, 1)[0];
  }

  /** A number. */
  scalar(value: number): Value {
    return this.tensor(() => scalar(value));
  }

  /** A tensor that is known beforehand, which may depend on weights. */
  tensor(make: (read: WeightReader) => Tensor): Value {
    return this.keep(tidy(() => make(this.read)));
  }

  /** A weight, of another shape if one is given. */
  weight(path: string, shape?: readonly number[]): Value {
    return this.tensor(() => reshape(this.read(path), [...(shape ?? this.shapeOf(path))]));
  }

  /** The shape of a weight. */
  shapeOf(path: string): number[] {
    return this.read(path).shape;
  }

  /** A convolution by `path/kernel`, `[kH, kW, C / groups, D]` or for a 1×1 convolution `[C, D]`, and `path/bias`. */
  conv(x: Value, path: string, options: ConvOptions = {}): Value {
    const kernel = this.tensor((read) => {
      const weight = read(`${path}/kernel`);
      return transpose(reshape(weight, [1, 1, ...weight.shape].slice(-4)), [3, 2, 0, 1]);
    });
    return this.convolution(x, path, kernel, options);
  }

  /** A depthwise convolution of M filters a channel, without a bias unless asked for, by `path/kernel`, `[kH, kW, C, M]`, and `path/bias`. */
  depthwise(x: Value, path: string, options: Omit<ConvOptions, 'groups'> = {}): Value {
    const [rows, columns, channels] = this.shapeOf(`${path}/kernel`);
    const kernel = this.tensor((read) => reshape(transpose(read(`${path}/kernel`), [2, 3, 0, 1]), [-1, 1, rows, columns]));
    return this.convolution(x, path, kernel, { bias: false, ...options, groups: channels });
  }

  /** A convolution of one filter along the last axis of `[N, 1, L]`, without a bias, by `path/kernel`, `[k, 1, 1]`. */
  conv1d(x: Value, path: string): Value {
    const [size] = this.shapeOf(`${path}/kernel`);
    const padding = (size - 1) / 2;
    return this.op('Conv', [x, this.weight(`${path}/kernel`, [1, 1, size])], { kernel_shape: [size], pads: [padding, padding] });
  }

  /** Batch norm in inference over the second axis, by `path/gamma`, `path/beta`, `path/movingMean` and `path/movingVariance`. */
  batchNorm(x: Value, path: string): Value {
    const weights = ['gamma', 'beta', 'movingMean', 'movingVariance'].map((name) => this.weight(`${path}/${name}`));
    return this.op('BatchNormalization', [x, ...weights], { epsilon: 1e-5 });
  }

  /** Layer norm over the last axis, by `path/gamma` and `path/beta`. */
  layerNorm(x: Value, path: string): Value {
    return this.op('LayerNormalization', [x, this.weight(`${path}/gamma`), this.weight(`${path}/beta`)], { axis: -1, epsilon: 1e-5 });
  }

  /** A convolution `path/conv`, without a bias unless asked for, and its batch norm `path/norm`. */
  convNorm(x: Value, path: string, options: ConvOptions = {}): Value {
    return this.batchNorm(this.conv(x, `${path}/conv`, { bias: false, ...options }), `${path}/norm`);
  }

  /** A fully connected layer, `[N, C]` to `[N, D]`, by `path/kernel` and `path/bias`. */
  dense(x: Value, path: string, { bias = true } = {}): Value {
    const weights = bias ? ['kernel', 'bias'] : ['kernel'];
    return this.op('Gemm', [x, ...weights.map((name) => this.weight(`${path}/${name}`))]);
  }

  /** Mean over height and width: `[N, C]`. */
  globalAverage(x: Value): Value {
    return this.reshape(this.op('GlobalAveragePool', [x]), [this.batch, -1]);
  }

  /** Maximum over height and width: `[N, C]`. */
  globalMax(x: Value): Value {
    return this.reshape(this.op('GlobalMaxPool', [x]), [this.batch, -1]);
  }

  /** Mean over axes, which stay with size 1. */
  mean(x: Value, axes: readonly number[]): Value {
    return this.op('ReduceMean', [x], { axes, keepdims: 1 });
  }

  /** Maximum over axes, which stay with size 1. */
  max(x: Value, axes: readonly number[]): Value {
    return this.op('ReduceMax', [x], { axes, keepdims: 1 });
  }

  /** A gate of each channel, `[N, C]`, after its sigmoid, laid over a map. */
  gateChannels(x: Value, logits: Value): Value {
    return this.mul(x, this.reshape(this.sigmoid(logits), [this.batch, -1, 1, 1]));
  }

  add(a: Value, b: Value): Value {
    return this.op('Add', [a, b]);
  }

  mul(a: Value, b: Value): Value {
    return this.op('Mul', [a, b]);
  }

  matMul(a: Value, b: Value): Value {
    return this.op('MatMul', [a, b]);
  }

  relu(x: Value): Value {
    return this.op('Relu', [x]);
  }

  sigmoid(x: Value): Value {
    return this.op('Sigmoid', [x]);
  }

  softmax(x: Value, axis = -1): Value {
    return this.op('Softmax', [x], { axis });
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return this.op('Transpose', [x], { perm });
  }

  concat(values: readonly Value[], axis: number): Value {
    return this.op('Concat', values, { axis });
  }

  /** A map of so many channels with the height and width of the block's input, each position as its nearest one, PyTorch's `nearest`. */
  resizeNearest(x: Value, channels: number): Value {
    const sizes = this.whole([this.batch, channels, this.height, this.width]);
    return this.op('Resize', [x, '', '', sizes], { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' });
  }

  /** A map of so many channels resized, corners onto corners: PyTorch's `bilinear` with `align_corners`. */
  resizeBilinear(x: Value, channels: number, [height, width]: readonly number[]): Value {
    const sizes = this.whole([this.batch, channels, height, width]);
    return this.op('Resize', [x, '', '', sizes], { mode: 'linear', coordinate_transformation_mode: 'align_corners' });
  }

  /** One size may be -1: what is left. */
  reshape(x: Value, sizes: readonly number[]): Value {
    return this.op('Reshape', [x, this.whole(sizes)]);
  }

  /** A map as `[N, C, H·W]`. */
  flat(map: Value): Value {
    return this.reshape(map, [this.batch, -1, this.height * this.width]);
  }

  /** `[N, C, H·W]` as a map. */
  unflat(x: Value): Value {
    return this.reshape(x, [this.batch, -1, this.height, this.width]);
  }

  split(x: Value, sizes: readonly number[], axis: number): Value[] {
    return this.step('Split', [x, this.whole(sizes)], { axis }, sizes.length);
  }

  /** @param kernel `[D, C / groups, kH, kW]`, the weight of the path */
  private convolution(x: Value, path: string, kernel: Value, options: ConvOptions): Value {
    const { bias = true, stride = 1, dilation = 1, groups = 1, padding } = options;
    const size = [1, 1, ...this.shapeOf(`${path}/kernel`)].slice(-4, -2);
    const [top, left] = size.map((length) => padding ?? (dilation * (length - 1)) / 2);
    return this.op('Conv', [x, kernel, ...(bias ? [this.weight(`${path}/bias`)] : [])], {
      kernel_shape: size,
      pads: [top, left, top, left],
      strides: [stride, stride],
      dilations: [dilation, dilation],
      group: groups,
    });
  }

  private step(op: string, inputs: readonly Value[], attributes: Attributes, count: number): Value[] {
    const outputs = Array.from({ length: count }, (_, i) => `${op}${this.steps.length}_${i}`);
    this.steps.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  private whole(values: readonly number[]): Value {
    return this.keep(BigInt64Array.from(values, BigInt));
  }

  private keep(values: Tensor | BigInt64Array): Value {
    const name = `constant${this.constants.length}`;
    this.constants.push({ name, values });
    return name;
  }
}
