// By this, copies of this package recognise what another one registered.
const OURS = Symbol.for('@saccade/wasm-train');

/** Marks a function as registered by this package. */
export function ours<F extends object>(func: F): F {
  return Object.assign(func, { [OURS]: true });
}

/** Whether this package, this copy or another, registered a function. */
export function isOurs(func: object | undefined): boolean {
  return func !== undefined && OURS in func;
}
