import { describe, expect, it } from 'vitest';
import { defaultSettings, parseLink, parseShapes, requestOf, searchOf, type Settings } from '../src/page/link.ts';

const choices = [
  { block: 'SqueezeExcite', package: '@saccade/se', shapes: [] },
  { block: 'GatherExcite', package: '@saccade/ge', shapes: [] },
  { block: 'GatherExciteTheta', package: '@saccade/ge', shapes: [] },
  { block: 'NonLocal', package: '@saccade/nonlocal', shapes: [] },
];
const wasm = { backend: 'wasm', maxThreads: 4 } as const;

describe('the address of a run', () => {
  it('restores every choice', () => {
    const settings: Settings = {
      command: 'accuracy',
      blocks: ['GatherExcite', 'GatherExciteTheta', 'NonLocal'],
      backend: 'webgl',
      threads: 3,
      shapes: [
        [1, 8, 8, 64],
        [2, 16, 16],
      ],
      tasks: ['scenes', 'where'],
      epochs: 7,
      seeds: 4,
      budgetSeconds: 61,
    };
    const search = searchOf(settings, choices, { run: true, runs: ['a b', 'c,d'] });
    expect(parseLink(search, choices)).toEqual({ settings, run: true, runs: ['a b', 'c,d'], problems: [] });
    expect(search).toContain('blocks=ge,nonlocal&');
  });

  it('is empty for what nobody has chosen', () => {
    expect(searchOf(defaultSettings(choices), choices)).toBe('');
    expect(parseLink('', choices)).toEqual({ settings: defaultSettings(choices), run: false, runs: [], problems: [] });
  });

  it('tells all and none from the default', () => {
    for (const blocks of [[], choices.map(({ block }) => block)]) {
      const settings = { ...defaultSettings(choices), blocks };
      expect(parseLink(searchOf(settings, choices), choices).settings).toEqual(settings);
    }
  });

  it('that cannot be followed says why, part by part, and leaves those parts as they are by default', () => {
    const { settings, problems } = parseLink('?blocks=se,nix&backend=cuda&budget=1e9&seeds=0&shapes=1x99999x99999x9&tasks=clothes', choices);
    expect(settings).toEqual(defaultSettings(choices));
    expect(new Set(problems.map((problem) => /nix|cuda|1e9|seeds=0|too large/.exec(problem)?.[0]))).toEqual(
      new Set(['nix', 'cuda', '1e9', 'seeds=0', 'too large']),
    );
  });
});

describe('a request', () => {
  it('asks for what was chosen, within what the device has, and leaves the rest to the benchmark', () => {
    const settings = { ...defaultSettings(choices), threads: 64 };
    expect(requestOf(settings, wasm)).toEqual({
      command: 'compare',
      blocks: ['SqueezeExcite'],
      backend: 'wasm',
      threads: 4,
      budgetSeconds: 120,
      tasks: ['clothes'],
    });
    expect(requestOf({ ...settings, command: 'latency', shapes: [[1, 8, 8, 4]], seeds: 2 }, wasm)).not.toHaveProperty('seeds');
  });

  it('without blocks, tasks or shapes is refused', () => {
    const settings = defaultSettings(choices);
    expect(() => requestOf({ ...settings, blocks: [] }, wasm)).toThrow('No block is chosen');
    expect(() => requestOf({ ...settings, tasks: [] }, wasm)).toThrow('no task is chosen');
    expect(() => requestOf({ ...settings, shapes: [] }, wasm)).toThrow('No shape is given');
    expect(() => parseShapes('1x8x8x4, 8')).toThrow('“8” is no shape');
  });
});
