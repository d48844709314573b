import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findChromium } from '@saccade/backends/chromium';
import { describe, expect, inject, it } from 'vitest';
import { parseOptions } from '../src/cli/options.ts';
import { discover } from '../src/node/discover.ts';
import { entriesOf } from '../src/compare/packages.ts';
import { readRun } from '../src/node/results.ts';

const FIXTURE = join(import.meta.dirname, 'fixture');
const temporary = () => mkdtempSync(join(tmpdir(), 'saccade-bench-'));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the benchmark over the fixture's packages; `interruptAt` is a file at whose appearance it gets Ctrl-C, twice, as npm does it. */
async function bench(
  args: string[],
  { program = [process.execPath, join(FIXTURE, 'main.ts')], env = process.env, interruptAt = '' } = {},
): Promise<Ended> {
  const child = spawn(program[0], [...program.slice(1), ...args], { env: { ...env, SACCADE_TEST_MARKER: interruptAt || '/dev/null' } });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  let interrupts = 0;
  const watch = setInterval(() => {
    if (interruptAt && interrupts < 2 && existsSync(interruptAt)) interrupts += Number(child.kill('SIGINT'));
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(watch);
  return { code, ...output };
}

describe('the command line', () => {
  it.each([
    [['latncy'], 'Unknown command "latncy". Did you mean "latency"? There are compare, latency'],
    [['--blocs', 'se'], 'Unknown option "--blocs". Did you mean "--blocks"? There are --backend'],
    [['--backend', 'wbgpu'], 'Unknown backend "wbgpu". Did you mean "webgpu"? There are auto, webgpu, webgl, wasm, cpu'],
    [['latency', '--seeds', '2'], 'The command latency has no option --seeds. It has --backend'],
    [['latency', '--in', 'firefox'], 'Unknown place for --in "firefox". There are node, chrome'],
    [['latency', '--in', 'node', '--backend', 'webgl'], '--in node goes with neither --backend webgl nor --chrome'],
    [['accuracy', '--tasks', 'scene'], 'Unknown task "scene". Did you mean "scenes"?'],
    [['serve', '--port', '99999'], '--port is "99999", but must be a whole number from 0, any free one, to 65535'],
    [['latency', '--open'], 'The command latency has no option --open'],
    [['latency', 'se'], 'takes no argument, but received "se"'],
    [['--shapes', '1x56'], '--shapes has "1x56", but a shape is batch, positions and channels'],
    [['--seeds', '1.5'], '--seeds is "1.5", but must be a whole number'],
    [['--budget', '-1'], '--budget is "-1", but must be a number of seconds above 0'],
    [['--json'], '--json needs a value'],
    [['report'], 'report needs one or more result files'],
    [['pack'], 'pack --out DIR'],
  ])('%j is refused', (args, message) => expect(() => parseOptions(args)).toThrow(message));

  it('is read', () => {
    expect(parseOptions(['latency', '--shapes', '1x56x56x256,2x8x4', '--blocks=se, gc', '--budget', '1.5'])).toMatchObject({
      command: 'latency',
      backend: 'auto',
      blocks: ['se', 'gc'],
      shapes: [
        [1, 56, 56, 256],
        [2, 8, 4],
      ],
      budgetSeconds: 1.5,
    });
    expect(parseOptions([])).toMatchObject({ command: 'compare', data: 'subset', place: 'node' });
    expect(parseOptions(['--backend', 'webgl'])).toMatchObject({ backend: 'webgl', place: 'chrome' });
    expect(parseOptions(['serve', '--open', '--host', '0.0.0.0'])).toMatchObject({ command: 'serve', open: true, host: '0.0.0.0', port: 8080 });
  });

  it('ends with 2 for the name of no block, naming those there are', async () => {
    const { code, stderr } = await bench(['--blocks', 'Rihgt']);
    expect(code).toBe(2);
    expect(stderr).toContain('Unknown block "Rihgt". Did you mean "Right"? There are Right, scaled, Wrong');
  });
});

describe('discovery', () => {
  it('finds the packages that name a bench file, and only these', async () => {
    expect(discover(FIXTURE).map(({ name, version }) => [name, version])).toEqual([
      ['@fixture/broken', '1.0.0'],
      ['@fixture/scaled', '1.2.3'],
    ]);
    const own = discover(join(import.meta.dirname, '../../..'));
    expect(own.map(({ name }) => name)).toContain('@saccade/se');
    expect(() => entriesOf('@fixture/x', { default: [{ block: 'X' }] })).toThrow('@fixture/x: its bench file must default-export a list of entries');
  });
});

describe('a run', () => {
  it('measures what is right, gives a row with the reason to what is not, and writes it all down', async () => {
    const json = join(temporary(), 'run.json');
    const { code, stdout } = await bench(['latency', '--backend', 'cpu', '--budget', '1', '--blocks', 'Right,Wrong,Vast', '--json', json]);
    expect(code).toBe(1);
    const { environment, results } = readRun(json);
    expect(environment).toMatchObject({ backend: 'cpu', software: false, interrupted: false, budgetSeconds: 1 });
    expect(environment.versions).toMatchObject({ node: process.versions.node, '@tensorflow/tfjs-core': '4.22.0', '@fixture/scaled': '1.2.3' });
    const [right, wrong, vast] = results;
    expect(right).toMatchObject({
      kind: 'latency',
      block: 'Right',
      package: '@fixture/scaled',
      backend: 'cpu',
      shape: [1, 4, 4, 8],
      kernels: 2,
      params: 16,
    });
    expect(right).toHaveProperty('peakBytes', expect.any(Number));
    expect(wrong).toEqual({
      kind: 'latency',
      block: 'Wrong',
      package: '@fixture/scaled',
      backend: 'cpu',
      shape: [1, 4, 4, 8],
      error: expect.stringContaining('wrong output'),
    });
    expect(vast).toMatchObject({ medianMs: expect.any(Number), baselineRefused: expect.stringContaining('16.0 GiB') });
    expect(stdout).toMatch(/Wrong +wrong output/);
  });

  it('keeps what was measured when it is interrupted, and lists packages that cannot be loaded', async () => {
    const dir = temporary();
    const json = join(dir, 'run.json');
    const { code, stdout } = await bench(['latency', '--backend', 'cpu', '--budget', '2', '--json', json], { interruptAt: join(dir, 'reached') });
    expect(code).toBe(130);
    const { environment, results } = readRun(json);
    expect(environment.interrupted).toBe(true);
    expect(results.map(({ block }) => block)).toEqual(['@fixture/broken', 'Right', 'Wrong', 'Vast']);
    expect(results[0].error).toBe('its bench file cannot be loaded: this file cannot be loaded');
    expect(stdout).toMatch(/^Right /m);
  });

  it('prints the results where they cannot be written', async () => {
    // By a link: a mistake here must replace the link, not the device.
    const full = join(temporary(), 'full.json');
    symlinkSync('/dev/full', full);
    const { code, stdout, stderr } = await bench(['latency', '--backend', 'cpu', '--budget', '1', '--blocks', 'Right', '--json', full]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Right /m);
    expect(stderr).toContain(`could not be written to ${full}: the disk is full`);
  });
});

describe.skipIf(findChromium() === null)('in headless Chrome', () => {
  const program = [process.execPath, join(import.meta.dirname, '../src/main.ts')];

  it('a run gives the same file as in Node, with the GPU and the browser that it was measured on', async () => {
    const json = join(temporary(), 'run.json');
    const args = ['latency', '--backend', 'webgl', '--blocks', 'SqueezeExcite', '--shapes', '1x4x4x16', '--budget', '1', '--json', json];
    expect(await bench(args, { program })).toMatchObject({ code: 0 });
    const { environment, results } = readRun(json);
    expect(environment).toMatchObject({ backend: 'webgl', browser: expect.stringMatching(/\w+ \d+/), copyBytesPerSecond: expect.any(Number) });
    expect(environment.versions).not.toHaveProperty('node');
    expect(results).toMatchObject([{ block: 'SqueezeExcite', backend: 'webgl', difference: expect.any(Number), samples: expect.any(Array) }]);
  });

  it('a run ends with the reason where the browser is none', async () => {
    const { code, stderr } = await bench(['latency', '--chrome', '/bin/false', '--blocks', 'se'], { program });
    expect(code).toBe(1);
    expect(stderr).toContain('/bin/false does not start');
    expect(stderr).toContain('Name another browser with --chrome PATH.');
  });
});

describe('the page', () => {
  it('is served until Ctrl-C', async () => {
    const child = spawn(process.execPath, [join(FIXTURE, 'main.ts'), 'serve', '--port', '0']);
    const address = await new Promise<string>((resolve) =>
      child.stdout.on('data', (chunk: Buffer) => resolve(/http:\/\/127\.0\.0\.1:\d+/.exec(chunk.toString())![0])),
    );
    expect(await (await fetch(address)).text()).toContain('<title>');
    expect(await (await fetch(`${address}/about.json`)).json()).toMatchObject({ versions: { '@fixture/scaled': '1.2.3' } });
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
  });
});

describe('a packed benchmark', () => {
  it('runs without Node and without this repository', async () => {
    const out = join(temporary(), 'packed');
    expect(await bench(['pack', '--out', out])).toMatchObject({ code: 0, stderr: '' });
    const packed = { program: [join(out, 'saccade-bench')], env: { PATH: '/usr/bin:/bin' } };
    for (const backend of inject('webgpu') ? ['wasm', 'webgpu'] : ['wasm']) {
      const json = join(temporary(), 'run.json');
      expect(await bench(['latency', '--backend', backend, '--budget', '1', '--blocks', 'Right', '--json', json], packed)).toMatchObject({ code: 0 });
      expect(readRun(json).environment).toMatchObject({ backend, versions: { '@fixture/scaled': '1.2.3' } });
    }
    expect(await bench(['pack', '--out', out])).toMatchObject({ code: 2, stderr: expect.stringContaining('is not empty') });
  });
});
