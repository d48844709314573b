/**
 * Spectral normalisation of another layer's kernel.
 *
 * Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018. https://arxiv.org/abs/1802.05957
 *
 * Equals the paper and heykeetae's `SpectralNorm` with the convention `pytorch`, SAGAN's own `spectral_normed_weight` with `tensorflow`: the two
 * give the same outputs, but other gradients. With `inference: 'hold'` it is `torch.nn.utils.spectral_norm`.
 */
import { BlockError, option, show, sizeOf, splitArgs, type LayerArgs, type Schema, type Weight } from '@saccade/core';
import { div, reshape, serialization, tidy, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import { divideBySigma, iteratePower, singular, type Singular } from './singular-value.js';

type Layer = layers.Layer;

export interface SpectralNormOptions {
  /**
   * What the singular vectors are to the gradient: constants, as in the paper (`pytorch`), or functions of the kernel, through the power
   * iteration (`tensorflow`). Default: `pytorch`.
   */
  convention?: 'pytorch' | 'tensorflow';
  /** Power iterations a forward. Default: 1. */
  iterations?: number;
  /**
   * What a forward at inference, or of a frozen layer, does with the stored vectors: `iterate` from them, but forget the result; `update` them, as
   * training does (heykeetae; SAGAN's `update_collection=None`); `hold`, to use them as they are (`torch.nn.utils`). Default: `iterate`.
   */
  inference?: 'iterate' | 'update' | 'hold';
}

/** Options, those of every TensorFlow.js layer, and the layer that is wrapped. */
export type SpectralNormArgs = SpectralNormOptions & LayerArgs & { layer: Layer };

const OPTIONS: Schema<SpectralNormOptions> = {
  convention: option.oneOf(['pytorch', 'tensorflow'], 'pytorch'),
  iterations: option.integer(1),
  inference: option.oneOf(['iterate', 'update', 'hold'], 'iterate'),
};

/** Where TensorFlow.js's layers keep their kernels. */
const KERNELS = ['kernel', 'depthwiseKernel'] as const;
/** Iterations on the kernel that a layer starts with, as of PyTorch's newer `parametrizations`: `hold` then has something to hold. */
const FIRST_ITERATIONS = 15;

/**
 * Divides the kernel of a layer by its largest singular value, in every forward. The layer may be a dense, conv1d to conv3d, conv2dTranspose,
 * conv3dTranspose or depthwiseConv2d.
 *
 * The kernel counts as a matrix with a column for each output, PyTorch's rows: the last axis (of a transposed convolution as well, as both SAGAN
 * codes have it), or of a depthwise convolution the last two. Input and output: as the layer's.
 *
 * The wrapper's weights are the layer's own, and the vectors `u` `[columns, 1]` and `v` `[1, rows]`. Whether it is trainable is one with whether
 * the layer is.
 */
export class SpectralNorm extends layers.Layer {
  static readonly className = 'SaccadeSpectralNorm';

  /** The checked options, defaults filled in. */
  readonly options: Required<SpectralNormOptions>;
  /** The wrapped layer. */
  readonly layer: Layer;

  private readonly kernelName: (typeof KERNELS)[number];
  private u!: Weight;
  private v!: Weight;

  /** @throws BlockError for an unknown option, a value that an option does not accept, or no layer with one kernel */
  constructor({ layer, ...args }: SpectralNormArgs) {
    const kernelName = nameOfKernel(layer);
    const { common, own } = splitArgs(args);
    super({ batchInputShape: layer.batchInputShape, ...common });
    this.options = option.resolveOptions('SpectralNorm', OPTIONS, own);
    this.layer = layer;
    this.kernelName = kernelName;
    if (common.trainable !== undefined) layer.trainable = common.trainable;
    this.inputSpec = layer.inputSpec;
  }

  /** As TensorFlow.js calls it on loading: with the config, and a key of its own in it. */
  static override fromConfig<T extends serialization.Serializable>(
    type: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    const { customObjects: _, layer, ...own } = config;
    return new type({ ...own, layer: restore(layer as unknown as LayerConfig) });
  }

  override getConfig(): ReturnType<Layer['getConfig']> {
    const layer = { className: this.layer.getClassName(), config: this.layer.getConfig() };
    return { ...super.getConfig(), ...this.options, layer };
  }

  override build(inputShape: Parameters<Layer['build']>[0]): void {
    const { layer } = this;
    if (layer.built) {
      throw new BlockError(
        `SpectralNorm: the layer "${layer.name}" is built already, with weights under its own name. Give a new layer, and its weights with setWeights.`,
      );
    }
    layer.build(inputShape);
    layer.built = true;
    if (layer.initialWeights) layer.setWeights(layer.initialWeights);
    this.inputSpec = layer.inputSpec;
    super.trainableWeights = [...layer.weights]; // what a model freezes and thaws as a whole
    tidy(() => {
      const matrix = this.matrixOf(this.kernel.read());
      const [rows, columns] = matrix.shape;
      const start = initializers.randomNormal({ mean: 0, stddev: 1 }).apply([columns, 1]) as Tensor2D;
      this.u = this.addWeight('u', [columns, 1], 'float32', initializers.zeros(), undefined, false);
      this.v = this.addWeight('v', [1, rows], 'float32', initializers.zeros(), undefined, false);
      this.store(iteratePower(matrix, start, FIRST_ITERATIONS));
    });
    // apply() builds in a name scope of this layer, a direct build() in none: two such layers in one model would share names, and not load.
    for (const weight of this.weights) {
      if (!weight.originalName.includes('/')) Object.assign(weight, { originalName: `${this.name}/${weight.originalName}` });
    }
    this.built = true;
  }

  override call(inputs: Tensor | Tensor[], kwargs: Parameters<Layer['call']>[1]): Tensor | Tensor[] {
    return tidy(() => {
      const { kernel, layer } = this;
      const frozen = this.trainableWeights.length === 0;
      const normal = this.normalise(kernel.read(), !frozen && ((kwargs?.['training'] as boolean | undefined) ?? false));
      // The layer reads its kernel from where it keeps it: it finds the normalised one there for this call.
      this.kernel = { read: () => normal, write: () => undefined };
      try {
        return layer.call(inputs, kwargs);
      } finally {
        this.kernel = kernel;
      }
    });
  }

  override computeOutputShape(inputShape: Parameters<Layer['computeOutputShape']>[0]): ReturnType<Layer['computeOutputShape']> {
    return this.layer.computeOutputShape(inputShape);
  }

  override get trainable(): boolean {
    return this.layer.trainable;
  }

  override set trainable(trainable: boolean) {
    this.layer.trainable = trainable;
  }

  override get trainableWeights(): Layer['trainableWeights'] {
    return this.layer.trainableWeights;
  }

  /** The regularisation of the layer's weights, the kernel's before it is normalised. */
  override get losses(): Layer['losses'] {
    return this.layer.losses;
  }

  /** The kernel over its largest singular value, from the stored vectors or those that follow them. */
  private normalise(kernel: Tensor, training: boolean): Tensor {
    const { convention, inference, iterations } = this.options;
    const matrix = this.matrixOf(kernel);
    const [u, v] = [this.u.read() as Tensor2D, this.v.read() as Tensor2D];
    const largest = training || inference !== 'hold' ? iteratePower(matrix, u, iterations) : singular(matrix, u, v);
    if (training || inference === 'update') this.store(largest);
    return reshape(convention === 'pytorch' ? divideBySigma(matrix, largest) : div(matrix, largest.sigma), kernel.shape);
  }

  private store({ u, v }: Singular): void {
    this.u.write(u);
    this.v.write(v);
  }

  private matrixOf(kernel: Tensor): Tensor2D {
    const outputs = kernel.shape.slice(this.kernelName === 'kernel' ? -1 : -2);
    return reshape(kernel, [-1, sizeOf(outputs)]);
  }

  private get kernel(): Weight {
    return (this.layer as unknown as KernelHolder)[this.kernelName]!;
  }

  private set kernel(kernel: Weight) {
    (this.layer as unknown as KernelHolder)[this.kernelName] = kernel;
  }
}

/** What a layer with a kernel is, behind its type. */
type KernelHolder = Partial<Record<(typeof KERNELS)[number], Weight>>;

interface LayerConfig {
  readonly className: string;
  readonly config: serialization.ConfigDict;
}

function nameOfKernel(layer: unknown): (typeof KERNELS)[number] {
  const names = layer instanceof Object && 'getClassName' in layer ? KERNELS.filter((name) => name in layer) : [];
  if (names.length === 1) return names[0];
  const received = layer instanceof Object && 'getClassName' in layer ? `a ${(layer as Layer).getClassName()}` : show(layer);
  throw new BlockError(
    `SpectralNorm: option "layer" is ${received}, but must be a layer with one kernel. Give a dense, conv1d, conv2d, conv3d, conv2dTranspose, conv3dTranspose or depthwiseConv2d layer.`,
  );
}

function restore({ className, config }: LayerConfig): Layer {
  const found = serialization.SerializationMap.getMap().classNameMap[className];
  if (!found) {
    throw new BlockError(`SpectralNorm: the layer that it wraps is a "${className}", which is not registered. Import the package that registers it.`);
  }
  const [type, fromConfig] = found;
  return fromConfig(type, config) as unknown as Layer;
}

/** A {@link SpectralNorm} layer: `spectralNorm({ layer: tf.layers.conv2d({ filters: 64, kernelSize: 3 }) })`. */
export function spectralNorm(args: SpectralNormArgs): SpectralNorm {
  return new SpectralNorm(args);
}
