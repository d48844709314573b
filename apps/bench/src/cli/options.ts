import { parseArgs } from 'node:util';
import { BACKEND_CHOICES, type BackendChoice } from '../compare/jobs.ts';
import type { Request } from '../compare/plan.ts';
import { unknownName, UsageError } from '../errors.ts';
import { PEERS } from '../peers/names.ts';
import { TASKS } from '../tasks/names.ts';

export const COMMANDS = ['compare', 'latency', 'scaling', 'accuracy', 'primitives', 'serve', 'report', 'pack'] as const;
export type Command = (typeof COMMANDS)[number];

/** The options of the commands that measure. */
const MEASURING = ['backend', 'in', 'chrome', 'budget', 'blocks', 'json'];
const TRAINING = ['tasks', 'seeds', 'epochs', 'data'];
const OPTIONS_OF: Record<Command, readonly string[]> = {
  compare: [...MEASURING, 'shapes', ...TRAINING],
  latency: [...MEASURING, 'shapes', 'peer'],
  scaling: [...MEASURING, 'shapes'],
  accuracy: [...MEASURING, ...TRAINING, 'save'],
  primitives: MEASURING,
  serve: ['port', 'host', 'open', 'data'],
  report: [],
  pack: ['out'],
};

const NAMES = [...new Set(Object.values(OPTIONS_OF).flat())];
/** Those that take no value. */
const SWITCHES = new Set(['open', 'help']);
const PLACES = ['node', 'chrome'] as const;

/** A command line, checked. What was not given is undefined. */
export interface Options extends Omit<Request, 'command'> {
  readonly command: Command;
  readonly help: boolean;
  /** The files of `report`. */
  readonly files: readonly string[];
  readonly backend: BackendChoice;
  /** What runs the measurements: this Node, or a headless Chrome. */
  readonly place: (typeof PLACES)[number];
  /** The browser's binary. */
  readonly chrome?: string;
  readonly data: string;
  readonly json?: string;
  readonly out?: string;
  readonly port: number;
  readonly host: string;
  readonly open: boolean;
}

/**
 * Reads the command line.
 *
 * @throws {@link UsageError} for an unknown command, option or backend, or a value that an option does not take
 */
export function parseOptions(args: readonly string[]): Options {
  const options = Object.fromEntries(NAMES.map((name) => [name, { type: SWITCHES.has(name) ? ('boolean' as const) : ('string' as const) }]));
  // Not strict, so that the messages can say what there is.
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== 'option' || SWITCHES.has(token.name)) continue;
    if (!NAMES.includes(token.name))
      throw unknownName(
        'option',
        token.rawName,
        [...NAMES, 'help'].map((name) => `--${name}`),
      );
    if (token.value === undefined || token.value.startsWith('--'))
      throw new UsageError(`The option ${token.rawName} needs a value: ${token.rawName} VALUE. See saccade-bench --help.`);
  }
  const { help = false, open = false, ...given } = values;
  const [first = 'compare', ...files] = positionals;
  if (!isCommand(first)) throw unknownName('command', first, COMMANDS);
  if (!help) checkCombination(first, [...Object.keys(given), ...(open === true ? ['open'] : [])], files);
  return { command: first, help: help === true, open: open === true, files, ...valuesOf(given as Record<string, string>) };
}

function isCommand(name: string): name is Command {
  return (COMMANDS as readonly string[]).includes(name);
}

function checkCombination(command: Command, given: readonly string[], files: readonly string[]): void {
  const foreign = given.find((name) => !OPTIONS_OF[command].includes(name));
  if (foreign) {
    const own = OPTIONS_OF[command].map((name) => `--${name}`).join(', ');
    throw new UsageError(`The command ${command} has no option --${foreign}. ${own ? `It has ${own}.` : 'It has none.'}`);
  }
  if (command !== 'report' && files.length > 0)
    throw new UsageError(`The command ${command} takes no argument, but received "${files[0]}". See saccade-bench --help.`);
  if (command === 'report' && files.length === 0)
    throw new UsageError('The command report needs one or more result files: saccade-bench report FILE…');
  if (command === 'pack' && !given.includes('out')) throw new UsageError('The command pack needs a folder to write to: saccade-bench pack --out DIR');
}

function valuesOf({
  backend: backendName = 'auto',
  in: place,
  chrome,
  data = 'subset',
  blocks,
  shapes,
  peer,
  tasks,
  seeds,
  epochs,
  budget,
  json,
  save,
  out,
  port = '8080',
  host = '127.0.0.1',
}: Record<string, string>): Omit<Options, 'command' | 'help' | 'open' | 'files'> {
  const backend = oneOf('backend', backendName, BACKEND_CHOICES);
  // WebGL exists in browsers alone, and whoever names a browser wants one.
  if (save !== undefined && (place === 'chrome' || backend === 'webgl')) {
    throw new UsageError('--save keeps what Node trains. Leave --in chrome and --backend webgl away, or --save.');
  }
  const inBrowser = backend === 'webgl' || chrome !== undefined;
  const chosen = oneOf('place for --in', place ?? (inBrowser ? 'chrome' : 'node'), PLACES);
  if (inBrowser && chosen === 'node') {
    throw new UsageError(
      `--in node goes with neither --backend webgl nor --chrome, which need a browser. Leave it away, or choose --backend webgpu, wasm or cpu.`,
    );
  }
  if (peer !== undefined && chosen !== 'node') throw new UsageError('--peer compares in Node. Leave --in chrome, --chrome and --backend webgl away.');
  return {
    backend,
    place: chosen,
    data,
    host,
    port: portOf(port),
    ...(chrome !== undefined && { chrome }),
    ...(blocks !== undefined && { blocks: listOf(blocks) }),
    ...(shapes !== undefined && { shapes: listOf(shapes).map(shapeOf) }),
    ...(peer !== undefined && { peers: listOf(peer).map((name) => oneOf('peer', name, PEERS)) }),
    ...(tasks !== undefined && { tasks: listOf(tasks).map((task) => oneOf('task', task, TASKS)) }),
    ...(seeds !== undefined && { seeds: positive('seeds', seeds, true) }),
    ...(epochs !== undefined && { epochs: positive('epochs', epochs, true) }),
    ...(budget !== undefined && { budgetSeconds: positive('budget', budget, false) }),
    ...(json !== undefined && { json }),
    ...(save !== undefined && { saveTo: save }),
    ...(out !== undefined && { out }),
  };
}

function oneOf<T extends string>(what: string, name: string, known: readonly T[]): T {
  const found = known.find((candidate) => candidate === name);
  if (!found) throw unknownName(what, name, known);
  return found;
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new UsageError(`--port is "${text}", but must be a whole number from 0, any free one, to 65535.`);
  return port;
}

function listOf(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function shapeOf(text: string): number[] {
  const sizes = text.split(/[x×]/i).map(Number);
  if (sizes.length < 3 || sizes.length > 5 || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    throw new UsageError(
      `--shapes has "${text}", but a shape is batch, positions and channels, each at least 1: 1x56x56x256. Separate shapes by commas.`,
    );
  }
  return sizes;
}

function positive(name: string, text: string, isWhole: boolean): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value) || (isWhole && !Number.isInteger(value))) {
    throw new UsageError(`--${name} is "${text}", but must be a ${isWhole ? 'whole number of at least 1' : 'number of seconds above 0'}.`);
  }
  return value;
}
