import { BACKENDS, type BackendName } from '@saccade/backends/names';
import type { Choice, Device, PageRequest } from '../browser/runner.ts';
import { shapeName } from '../report/format.ts';
import { TASKS, type TaskName } from '../tasks/names.ts';

/** All that can be chosen for a run. A null leaves it to the benchmark. */
export interface Settings {
  readonly command: PageRequest['command'];
  readonly blocks: readonly string[];
  readonly backend: BackendName | null;
  readonly threads: number;
  readonly shapes: readonly (readonly number[])[] | null;
  readonly tasks: readonly TaskName[];
  readonly epochs: number | null;
  readonly seeds: number | null;
  readonly budgetSeconds: number;
}

/** What an address asks for. */
export interface Link {
  readonly settings: Settings;
  /** Whether the run starts at once. */
  readonly run: boolean;
  /** The server's runs that are shown, at most two. */
  readonly runs: readonly string[];
  /** What in the address cannot be followed, and was left out. */
  readonly problems: readonly string[];
}

/** What each number may be. A link may come from anybody and start at once, so that none is without bounds. */
export const LIMITS = {
  threads: [1, 64],
  epochs: [1, 50],
  seeds: [1, 20],
  budget: [5, 7200],
} as const;
const MOST_SHAPES = 24;
/** A map of 256 MiB. */
const MOST_VALUES = 2 ** 26;

/** By package, without its scope. */
const DEFAULT_PACKAGES = new Set(['se', 'cbam', 'coord', 'gc', 'eca']);
const COMMANDS = ['compare', 'latency', 'accuracy'] as const;

/** What is chosen before anybody has chosen. */
export function defaultSettings(choices: readonly Choice[]): Settings {
  const blocks = choices.filter((choice) => DEFAULT_PACKAGES.has(shortName(choice))).map(({ block }) => block);
  return { command: 'compare', blocks, backend: null, threads: 1, shapes: null, tasks: ['clothes'], epochs: null, seeds: null, budgetSeconds: 120 };
}

/** Reads the parameters of an address; what is not there is as by default. */
export function parseLink(search: string, choices: readonly Choice[]): Link {
  const params = new URLSearchParams(search);
  const defaults = defaultSettings(choices);
  const problems: string[] = [];
  const read = <T>(name: string, parse: (text: string) => T, absent: T): T => {
    const text = params.get(name);
    if (text === null) return absent;
    try {
      return parse(text);
    } catch (error) {
      problems.push((error as Error).message);
      return absent;
    }
  };
  const blocks = read('blocks', (text) => blocksNamed(text, choices), { blocks: defaults.blocks, unknown: [] });
  if (blocks.unknown.length > 0) problems.push(`The link names blocks that there are not: ${blocks.unknown.join(', ')}.`);
  const settings = {
    command: read('measure', (text) => oneOf('measure', text, COMMANDS), defaults.command),
    blocks: blocks.blocks,
    backend: read('backend', (text) => oneOf('backend', text, BACKENDS), defaults.backend),
    threads: read('threads', (text) => numberIn('threads', text), defaults.threads),
    shapes: read('shapes', parseShapes, defaults.shapes),
    tasks: read('tasks', (text) => listOf(text).map((task) => oneOf('tasks', task, TASKS)), defaults.tasks),
    epochs: read('epochs', (text) => numberIn('epochs', text), defaults.epochs),
    seeds: read('seeds', (text) => numberIn('seeds', text), defaults.seeds),
    budgetSeconds: read('budget', (text) => numberIn('budget', text), defaults.budgetSeconds),
  };
  return {
    settings,
    run: params.has('run'),
    runs: params
      .getAll('result')
      .filter((id) => id !== '')
      .slice(0, 2),
    problems,
  };
}

/** The parameters that {@link parseLink} reads back: what differs from the default. Begins with `?`, or is empty. */
export function searchOf(settings: Settings, choices: readonly Choice[], { run = false, runs = [] as readonly string[] } = {}): string {
  const defaults = defaultSettings(choices);
  const given = (name: string, value: string, absent: string) => (value === absent ? [] : [`${name}=${value}`]);
  const numberOr = (value: number | null) => (value === null ? '' : String(value));
  const shapes = settings.shapes?.map((shape) => shape.join('x')).join(',') ?? null;
  const parameters = [
    ...given('measure', settings.command, defaults.command),
    ...given('blocks', namesOf(settings.blocks, choices), namesOf(defaults.blocks, choices)),
    ...(settings.backend ? [`backend=${settings.backend}`] : []),
    ...given('threads', String(settings.threads), String(defaults.threads)),
    ...(shapes === null ? [] : [`shapes=${shapes}`]),
    ...given('tasks', settings.tasks.join(','), defaults.tasks.join(',')),
    ...given('epochs', numberOr(settings.epochs), ''),
    ...given('seeds', numberOr(settings.seeds), ''),
    ...given('budget', String(settings.budgetSeconds), String(defaults.budgetSeconds)),
    ...runs.map((id) => `result=${encodeURIComponent(id)}`),
    ...(run ? ['run'] : []),
  ];
  return parameters.length > 0 ? `?${parameters.join('&')}` : '';
}

/**
 * What a device is asked to measure.
 *
 * @throws where the settings cannot be followed, saying what to change
 */
export function requestOf(settings: Settings, { backend, maxThreads }: Pick<Device, 'backend' | 'maxThreads'>): PageRequest {
  const { command, blocks, shapes, tasks, epochs, seeds, threads, budgetSeconds } = settings;
  if (blocks.length === 0) throw new Error('No block is chosen. Choose at least one.');
  if (command !== 'latency' && tasks.length === 0) throw new Error('Accuracy is to be measured, and no task is chosen. Choose at least one.');
  if (command !== 'accuracy' && shapes?.length === 0) throw new Error('No shape is given. Give one, e.g. 1x56x56x256, or choose each block’s own.');
  return {
    command,
    blocks,
    backend,
    threads: Math.min(threads, maxThreads),
    budgetSeconds,
    ...(shapes && command !== 'accuracy' && { shapes }),
    ...(command !== 'latency' && { tasks, ...(epochs !== null && { epochs }), ...(seeds !== null && { seeds }) }),
  };
}

/**
 * Reads a list of shapes.
 *
 * @throws where one is none
 */
export function parseShapes(text: string): number[][] {
  const shapes = listOf(text).map((item) => {
    const sizes = item.split(/[x×]/i).map(Number);
    const isShape = sizes.length >= 3 && sizes.length <= 5 && sizes.every((size) => Number.isInteger(size) && size > 0);
    if (!isShape) throw new Error(`“${item.slice(0, 60)}” is no shape. A shape is batch, positions and channels, each at least 1: 1x56x56x256.`);
    if (sizes.reduce((product, size) => product * size, 1) > MOST_VALUES) {
      throw new Error(`A map of ${shapeName(sizes)} is too large for a browser. Give one of at most ${MOST_VALUES / 2 ** 20} million values.`);
    }
    return sizes;
  });
  if (shapes.length > MOST_SHAPES) throw new Error(`${shapes.length} shapes are too many for one run. Give at most ${MOST_SHAPES}.`);
  return shapes;
}

/** A package without its scope. */
export function shortName({ package: name }: Pick<Choice, 'package'>): string {
  return name.replace(/^.*\//, '');
}

function listOf(text: string): string[] {
  return text
    .split(/[,;\s]+/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function blocksNamed(text: string, choices: readonly Choice[]): { blocks: readonly string[]; unknown: readonly string[] } {
  if (text === 'all') return { blocks: choices.map(({ block }) => block), unknown: [] };
  const names = listOf(text).map((name) => name.toLowerCase());
  const isNamed = (choice: Choice, name: string) => [choice.block, choice.package, shortName(choice)].some((own) => own.toLowerCase() === name);
  return {
    blocks: choices.filter((choice) => names.some((name) => isNamed(choice, name))).map(({ block }) => block),
    unknown: names.filter((name) => !choices.some((choice) => isNamed(choice, name))).map((name) => name.slice(0, 60)),
  };
}

/** Names of packages where all of their blocks are chosen, of blocks elsewhere. */
function namesOf(blocks: readonly string[], choices: readonly Choice[]): string {
  if (blocks.length === choices.length) return 'all';
  const chosen = new Set(blocks);
  const names = choices
    .filter(({ block }) => chosen.has(block))
    .map((choice) => {
      const whole = choices.every((other) => other.package !== choice.package || chosen.has(other.block));
      return whole ? shortName(choice) : choice.block;
    });
  return [...new Set(names)].join(',');
}

function oneOf<T extends string>(name: string, text: string, known: readonly T[]): T {
  const value = known.find((candidate) => candidate === text);
  if (value === undefined) throw new Error(`The link has ${name}=${text.slice(0, 60)}, which must be one of ${known.join(', ')}.`);
  return value;
}

function numberIn(name: keyof typeof LIMITS, text: string): number {
  const value = Number(text);
  const [least, most] = LIMITS[name];
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`The link has ${name}=${text.slice(0, 60)}, which must be a whole number from ${least} to ${most}.`);
  }
  return value;
}
