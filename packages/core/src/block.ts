import { tidy, type serialization, type Tensor } from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { BlockError, either, show, showShape } from './errors.js';
import { splitArgs, type LayerArgs } from './layer-args.js';
import { resolveOptions, type Schema } from './options.js';
import { sizeOf, type Shape } from './shapes.js';
import { WeightScope, type Weight, type WeightSpec } from './weights.js';

type Inputs = Parameters<layers.Layer['call']>[0];
type LayerShape = Parameters<layers.Layer['build']>[0];

/** A block's options, and those of every TensorFlow.js layer: `name`, `trainable`, `inputShape` and so on. */
export type BlockArgs<O> = O & LayerArgs;

/** What a block costs on one input: its learned parameters, and the multiply-adds of its convolutions and matrix products. */
export interface Cost {
  readonly params: number;
  readonly macs: number;
}

/** Which attention maps are wanted. */
export interface AttentionMapsOptions {
  /** For attention among positions: the query positions, as row-major indices, that maps are wanted of. Default: the middle one. */
  readonly queries?: readonly number[];
}

/**
 * The base of every Saccade layer: checks options and inputs, creates and counts the weights, tidies up, and writes and reads configurations.
 *
 * A block says what its options are (static `options`), which weights it has (`define`), what it computes (`forward`), what it attends to
 * (`maps`) and how much work that is (`macs`). These four are public so that a block can hold others: it defines them in a scope of its own
 * weights, and calls their `forward`. A block with several outputs is a `Block<O, Tensor[]>`.
 */
export abstract class Block<O extends object, Output extends Tensor | Tensor[] = Tensor> extends layers.Layer {
  /** The name that saved models know the class by: `Saccade` and the class's name. Never changed once published. */
  static readonly className: string;
  /** What each option accepts. */
  static readonly options: object;

  /** The checked options, defaults filled in. */
  readonly options: Required<O>;
  /** The ranks that an input may have, batch and channels included. */
  protected readonly ranks: readonly number[] = [4];
  /** The least size that each position axis of an input must have. */
  protected readonly minSize: number = 1;
  /** Whether a layer, once built, takes one number of channels only. */
  protected readonly fixesChannels: boolean = true;

  /** @throws {@link BlockError} for an unknown option or a value that an option does not accept */
  constructor(args: BlockArgs<O> = {} as BlockArgs<O>) {
    const { common, own } = splitArgs(args);
    super(common);
    const type = this.constructor as typeof Block<O, Output>;
    this.options = resolveOptions(this.title, type.options as Schema<O>, own);
  }

  /** As TensorFlow.js calls it on loading: with the config, and a key of its own in it. */
  static override fromConfig<T extends serialization.Serializable>(
    type: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    const { customObjects: _, ...own } = config;
    return new type(own);
  }

  /** Declares the weights for inputs of a shape whose channels are known. */
  abstract define(weights: WeightScope, inputShape: Shape): void;

  /** Computes the output, or the outputs. Runs inside `tidy`, on an input that was checked. */
  abstract forward(x: Tensor, training: boolean): Output;

  /** The attention maps at inference. Runs inside `tidy`, on an input that was checked. */
  abstract maps(x: Tensor, queries: readonly number[]): Record<string, Tensor>;

  /** Multiply-adds for one input of a known shape, after `define`. */
  abstract macs(inputShape: readonly number[]): number;

  /**
   * The block's attention maps for an input, by name. The caller disposes them.
   *
   * @param x an input of the block, `[N, …positions, C]`
   */
  attentionMaps(x: Tensor, { queries }: AttentionMapsOptions = {}): Record<string, Tensor> {
    this.#accept(x);
    if (!this.built) tidy(() => void this.apply(x));
    const positions = sizeOf(x.shape.slice(1, -1));
    const wanted = queries ?? [Math.floor(positions / 2)];
    const isPosition = (query: number) => Number.isInteger(query) && query >= 0 && query < positions;
    if (wanted.length === 0 || !wanted.every(isPosition)) {
      const fault =
        wanted.length === 0
          ? 'queries is empty'
          : `query ${show(wanted.find((query) => !isPosition(query)))} is no position of an input with ${positions} positions`;
      throw new BlockError(`${this.title}: ${fault}. Give whole numbers from 0 to ${positions - 1}.`);
    }
    return tidy(() => this.maps(x, wanted));
  }

  /**
   * What the block costs on an input.
   *
   * @param inputShape `[N, …positions, C]`; for N = null, the cost of one image
   */
  cost(inputShape: Shape): Cost {
    const shape = inputShape.map((size, axis) => (axis === 0 ? (size ?? 1) : size)) as number[];
    if (shape.includes(null as unknown as number)) {
      throw new BlockError(
        `${this.title}: cost needs every size but the batch, and received ${showShape(inputShape)}. Give [1, height, width, channels].`,
      );
    }
    this.check(shape);
    // Of the same name, so that no other layer's name depends on whether costs were asked for.
    const twin = new (this.constructor as new (args: BlockArgs<O>) => this)({ ...this.options, name: this.name });
    const { params } = describe(twin, shape);
    return { params, macs: twin.macs(shape) };
  }

  override build(inputShape: LayerShape): void {
    const shape = onlyShape(inputShape, this.title);
    this.check(shape);
    this.define(new WeightScope((spec) => this.#create(spec)), shape);
    this.#built = shape;
    this.built = true;
  }

  override call(inputs: Inputs, kwargs: { training?: boolean }): Output {
    const x = onlyInput(inputs, this.title);
    this.#accept(x);
    return tidy(() => this.forward(x, kwargs?.training ?? false));
  }

  override computeOutputShape(inputShape: LayerShape): LayerShape {
    const shape = onlyShape(inputShape, this.title);
    this.check(shape);
    return this.outputShapeFor(shape) as LayerShape;
  }

  /** The output's shape, or those of several outputs: the input's, unless a block says otherwise. */
  protected outputShapeFor(inputShape: Shape): Shape | readonly Shape[] {
    return inputShape;
  }

  override getConfig(): ReturnType<layers.Layer['getConfig']> {
    return { ...super.getConfig(), ...this.options };
  }

  /** The class's name in messages. Minifiers rename classes, but not their `className`. */
  protected get title(): string {
    return this.getClassName().replace(/^Saccade/, '');
  }

  /** What ties a layer to the sizes of the maps that it was built for, as in "its kernel is as large as the map"; null where any sizes do. */
  protected get sizeTie(): string | null {
    return null;
  }

  /** @throws {@link BlockError} for a shape that the block cannot take */
  protected check(shape: Shape): void {
    const layout = either(this.ranks.map((rank) => LAYOUTS[rank]));
    const received = `${this.title}: the input has shape ${showShape(shape)}`;
    if (!this.ranks.includes(shape.length)) {
      throw new BlockError(`${received}, of rank ${shape.length}, but must be ${layout}. Add or remove axes with tf.reshape.`);
    }
    const channels = shape.at(-1);
    if (!channels) {
      throw new BlockError(
        `${received}, but the number of channels, its last axis, must be known and at least 1. Give inputShape as ${layout} without N, channels last.`,
      );
    }
    if (shape.slice(1, -1).some((size) => size !== null && size < this.minSize)) {
      throw new BlockError(
        `${received}, but each position axis must have at least ${this.minSize}. Give a larger map, or leave the block out at this depth.`,
      );
    }
    const tie = this.sizeTie;
    const sizes = shape.slice(1, -1);
    if (tie !== null && sizes.includes(null)) {
      throw new BlockError(`${received}, but ${tie}: each size but N must be known. Give an inputShape without null.`);
    }
    if (!this.#built) return;
    const [builtSizes, builtChannels] = [this.#built.slice(1, -1), this.#built.at(-1)];
    if (this.fixesChannels && builtChannels !== channels) {
      throw new BlockError(
        `${received}, but the layer "${this.name}" was built for ${builtChannels} channels. Use a layer of its own for each number of channels.`,
      );
    }
    if (tie !== null && builtSizes.join() !== sizes.join()) {
      throw new BlockError(
        `${received}, but ${tie}, and the layer "${this.name}" was built for ${builtSizes.join('×')}. Resize the map, or use a layer of its own for each size.`,
      );
    }
  }

  #built: Shape | undefined;

  #accept(x: Tensor): void {
    this.check(x.shape);
    if (x.dtype !== 'float32') {
      throw new BlockError(`${this.title}: the input is of type ${x.dtype}, but must be of type float32. Convert it with tf.cast(x, 'float32').`);
    }
  }

  #create(spec: WeightSpec): Weight {
    const weight = this.addWeight(spec.path, spec.shape, 'float32', spec.initializer, undefined, spec.trainable);
    // apply() builds in a name scope of the layer, a direct build() in none: two such blocks in one model would share names, and not load.
    if (weight.originalName === spec.path) Object.assign(weight, { originalName: `${this.name}/${spec.path}` });
    return weight;
  }
}

/** A block of whatever options and outputs. */
export type AnyBlock = Block<object, Tensor | Tensor[]>;

const LAYOUTS: Record<number, string> = { 3: '[N, length, channels]', 4: '[N, height, width, channels]', 5: '[N, time, height, width, channels]' };

/** The weights that a block would have for an input shape, without creating any, and the number of its learned parameters. */
export function describe(block: AnyBlock, inputShape: Shape): { specs: WeightSpec[]; params: number } {
  const specs: WeightSpec[] = [];
  const absent: Weight = {
    read: () => {
      throw new BlockError(`${block.getClassName()}: a weight was read while the block was only described. Read weights in forward, not in define.`);
    },
    write: () => undefined,
  };
  const record = (spec: WeightSpec): Weight => {
    specs.push(spec);
    return absent;
  };
  block.define(new WeightScope(record), inputShape);
  const learned = specs.filter((spec) => spec.trainable);
  return { specs, params: learned.reduce((sum, spec) => sum + sizeOf(spec.shape), 0) };
}

function onlyInput(inputs: Inputs, title: string): Tensor {
  const list = Array.isArray(inputs) ? inputs : [inputs];
  if (list.length !== 1)
    throw new BlockError(`${title}: received ${list.length} inputs, but takes one feature map. Apply the layer to each, or concatenate them.`);
  return list[0];
}

function onlyShape(shapes: LayerShape, title: string): Shape {
  const list = Array.isArray(shapes[0]) ? (shapes as Shape[]) : [shapes as Shape];
  if (list.length !== 1)
    throw new BlockError(`${title}: received ${list.length} input shapes, but takes one feature map. Apply the layer to each, or concatenate them.`);
  return list[0];
}
