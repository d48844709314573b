import type { Tensor } from '@tensorflow/tfjs-core';
import type { initializers } from '@tensorflow/tfjs-layers';

type Initializer = ReturnType<typeof initializers.zeros>;

/** A variable of a block: `read` gives its current value, `write` replaces it. */
export interface Weight {
  read(): Tensor;
  write(value: Tensor): unknown;
}

/**
 * How a weight's axes stand to PyTorch's:
 * `vector` the same · `dense` [in, out] for [out, in(, 1, 1)] · `conv` [...k, in, out] for [out, in, ...k] ·
 * `depthwise` [kh, kw, channels, multiplier] for [channels·multiplier, 1, kh, kw].
 */
export type WeightLayout = 'vector' | 'dense' | 'conv' | 'depthwise';

/** All there is to know about a weight before it exists. */
export interface WeightSpec {
  /** Unique in its block, e.g. `reduce/kernel`. */
  readonly path: string;
  readonly shape: number[];
  readonly initializer: Initializer;
  readonly layout: WeightLayout;
  /** False for moving statistics and frozen weights. */
  readonly trainable: boolean;
}

/** Where a part of a block declares its weights: a place in the tree of their names. */
export class WeightScope {
  readonly #create: (spec: WeightSpec) => Weight;
  readonly #path: string;

  constructor(create: (spec: WeightSpec) => Weight, path = '') {
    this.#create = create;
    this.#path = path;
  }

  /** The scope of a part named `name`. */
  at(name: string): WeightScope {
    return new WeightScope(this.#create, `${this.#path}${name}/`);
  }

  /** Declares the weight `name` of this part. */
  add(
    name: string,
    shape: number[],
    initializer: Initializer,
    { layout = 'vector', trainable = true }: { layout?: WeightLayout; trainable?: boolean } = {},
  ): Weight {
    return this.#create({ path: this.#path + name, shape, initializer, layout, trainable });
  }
}
