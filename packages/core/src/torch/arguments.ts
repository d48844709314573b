import { BlockError, nearest, show } from '../errors.js';

/**
 * Checks the arguments of an official constructor.
 *
 * @param module the official class, for messages
 * @param config the arguments received
 * @param known all argument names that are understood
 * @param required those that cannot be left out
 * @returns `config`
 * @throws {@link BlockError} that names an unknown or missing argument
 */
export function readArguments<A extends object>(
  module: string,
  config: A,
  known: readonly (keyof A & string)[],
  required: readonly (keyof A & string)[] = [],
): A {
  const names: readonly string[] = known;
  for (const [name, value] of Object.entries(config)) {
    if (names.includes(name)) continue;
    const guess = nearest(name, names);
    throw new BlockError(
      `${module}: unknown argument "${name}" (received ${show(value)}). ${guess ? `Did you mean "${guess}"? ` : ''}The arguments are ${names.join(', ')}.`,
    );
  }
  const missing = required.filter((name) => config[name] === undefined);
  if (missing.length > 0)
    throw new BlockError(`${module}: missing argument ${missing.map((name) => `"${name}"`).join(', ')}. Give it as the PyTorch constructor got it.`);
  return config;
}

/**
 * Refuses a derived argument, stated for convenience, that contradicts the arguments it follows from.
 *
 * @param module the official class, for messages
 * @param name the derived argument
 * @param received its value; undefined where it was left out
 * @param made what the others make of it
 * @param from the others, by name; undefined where one was left out
 * @throws {@link BlockError} that names both values and the others
 */
export function checkDerived(module: string, name: string, received: unknown, made: unknown, from: Readonly<Record<string, unknown>>): void {
  if (received === undefined || JSON.stringify(received) === JSON.stringify(made)) return;
  const others = Object.entries(from).filter(([, value]) => value !== undefined);
  const values = others.map(([name, value]) => `${name} ${show(value)}`);
  const sources = [values.slice(0, -1).join(', '), values.at(-1)].filter(Boolean).join(' and ');
  const make = others.length === 1 ? 'makes' : 'make';
  throw new BlockError(
    `${module}: ${name} is ${show(received)}, but ${sources} ${make} ${show(made)}. Leave it out, or correct ${others.at(-1)?.[0]}.`,
  );
}
