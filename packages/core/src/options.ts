import { ACTIVATIONS, GATES, type Activation, type Gate } from './activations.js';
import { BlockError, either, nearest, show } from './errors.js';

/** What an option accepts, and its value where it is not given. */
export interface Option<T> {
  readonly default: T;
  /** Completes the sentence "must be …". */
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

/** One {@link Option} for every key of a block's options. */
export type Schema<O> = { readonly [K in keyof O]-?: Option<Exclude<O[K], undefined>> };

/** A whole number, at least `min` (1 unless told). */
export function integer(initial: number, { min = 1 }: { min?: number } = {}): Option<number> {
  return { default: initial, expected: `a whole number ≥ ${min}`, accepts: (v) => Number.isInteger(v) && (v as number) >= min };
}

/** An odd whole number ≥ 1: the size of a centred kernel. */
export function oddInteger(initial: number): Option<number> {
  return {
    default: initial,
    expected: 'an odd whole number ≥ 1',
    accepts: (v) => Number.isInteger(v) && (v as number) > 0 && (v as number) % 2 === 1,
  };
}

/** A finite number greater than `above` (0 unless told). */
export function number(initial: number, { above = 0 }: { above?: number } = {}): Option<number> {
  return { default: initial, expected: `a number > ${above}`, accepts: (v) => Number.isFinite(v) && (v as number) > above };
}

/** The rate of a dropout: a number from 0, which switches it off, to below 1. */
export function dropoutRate(initial: number): Option<number> {
  return { default: initial, expected: 'a number ≥ 0 and < 1', accepts: (v) => (v as number) >= 0 && (v as number) < 1 && typeof v === 'number' };
}

/** True or false. */
export function flag(initial: boolean): Option<boolean> {
  return { default: initial, expected: 'true or false', accepts: (v) => typeof v === 'boolean' };
}

/** One of a closed set of names. */
export function oneOf<T extends string>(names: readonly T[], initial: NoInfer<T>): Option<T> {
  return { default: initial, expected: either(names.map(show)), accepts: (v) => (names as readonly unknown[]).includes(v) };
}

/** A list of one or more different names out of a closed set. */
export function someOf<T extends string>(names: readonly T[], initial: readonly NoInfer<T>[]): Option<readonly T[]> {
  return {
    default: initial,
    expected: `a list of one or more different names out of ${names.map(show).join(', ')}`,
    accepts: (v) =>
      Array.isArray(v) && v.length > 0 && new Set(v).size === v.length && v.every((name) => (names as readonly unknown[]).includes(name)),
  };
}

/** A list of one or more values, each of which `option` accepts. */
export function listOf<T>(option: Option<T>, initial: readonly NoInfer<T>[]): Option<readonly T[]> {
  return {
    default: initial,
    expected: `a list of one or more, each ${option.expected}`,
    accepts: (v) => Array.isArray(v) && v.length > 0 && v.every(option.accepts),
  };
}

/** The name of an activation. */
export function activation(initial: Activation): Option<Activation> {
  return oneOf(Object.keys(ACTIVATIONS) as Activation[], initial);
}

/** The name of a gate. */
export function gate(initial: Gate): Option<Gate> {
  return oneOf(Object.keys(GATES) as Gate[], initial);
}

/** `option`, or null: the block then decides, as the option's documentation says. */
export function optional<T>(option: Option<T>): Option<T | null> {
  return { default: null, expected: `${option.expected}, or null`, accepts: (v) => v === null || option.accepts(v) };
}

/**
 * Checks `received` against `schema` and fills in the defaults.
 *
 * @throws {@link BlockError} that names the block, the option and the value received, and says what is expected.
 */
export function resolveOptions<O extends object>(block: string, schema: Schema<O>, received: Record<string, unknown>): Required<O> {
  const names = Object.keys(schema);
  for (const name of Object.keys(received)) {
    if (Object.hasOwn(schema, name)) continue;
    const guess = nearest(name, names);
    throw new BlockError(
      `${block}: unknown option "${name}" (received ${show(received[name])}). ${guess ? `Did you mean "${guess}"? ` : ''}The options are ${names.join(', ')}.`,
    );
  }
  const resolved: Record<string, unknown> = {};
  for (const name of names) {
    const option = schema[name as keyof O] as Option<unknown>;
    const value = received[name] === undefined ? option.default : received[name];
    if (!option.accepts(value)) {
      throw new BlockError(
        `${block}: option "${name}" is ${show(value)}, but must be ${option.expected}. Leave it out for the default, ${show(option.default)}.`,
      );
    }
    resolved[name] = value;
  }
  return resolved as Required<O>;
}
