/** A tensor as PyTorch stores it: row-major values and their shape. */
export interface StateTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A PyTorch `state_dict()`, by its own names. */
export type StateDict = Readonly<Record<string, StateTensor>>;

/** A PyTorch module: what its constructor was called with, and its state dict. */
export interface TorchSource<Arguments> {
  readonly config: Arguments;
  readonly state: StateDict;
}
