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
