import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { useBackend } from '@saccade/backends';
import { mul } from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseOptions } from '../src/cli/options.ts';
import { agreementOf } from '../src/engine/agreement.ts';
import { measureLatency } from '../src/engine/latency.ts';
import { matchOf } from '../src/engine/match.ts';
import { readRun } from '../src/node/results.ts';
import { workspace } from '../src/node/workspace.ts';
import { checkPeers } from '../src/peers/check.ts';
import { ortWeb } from '../src/peers/ort-web.ts';
import { torch } from '../src/peers/torch.ts';
import entries from './fixture/packages/scaled/bench/index.ts';

beforeAll(() => useBackend('wasm', { training: false }));
afterEach(() => vi.unstubAllEnvs());

const [right] = entries;
const loaded = await Promise.all(workspace('').packages.map(({ load }) => load()));
const withGraphs = loaded.flat().filter(({ onnx }) => onnx);
const temporary = () => mkdtempSync(join(tmpdir(), 'saccade-peers-'));

/** Puts a `python3` on the path that runs JavaScript. */
function fakePython(source: string): void {
  const folder = temporary();
  writeFileSync(join(folder, 'python3'), `#!${process.execPath}\n${source}`, { mode: 0o755 });
  vi.stubEnv('PATH', folder + delimiter + process.env['PATH']);
}

/** Finds torch, and gives a graph's input back as its output. */
const ECHO = `
if (process.argv[2] === '-c') console.log('False');
else require('node:readline').createInterface(process.stdin).on('line', (line) => {
  const request = JSON.parse(line);
  const answer = (message) => console.log(JSON.stringify(message));
  if (request === 'output') answer(globalThis.input);
  else if (typeof request === 'number') answer({ ms: 2 * request });
  else (globalThis.input = request.tensors[0]), answer({ version: 'torch 0.0.0' });
});`;

describe('a block as an ONNX graph', () => {
  it('is there for the blocks that most use', () => {
    const first = ['SqueezeExcite', 'CBAM', 'CoordinateAttention', 'GlobalContext', 'NonLocal', 'CrissCrossAttention'];
    expect(withGraphs.map(({ block }) => block)).toEqual(expect.arrayContaining(first));
  });

  it.each(withGraphs.map((entry) => [entry.block, entry] as const))('gives what %s gives', async (_, entry) => {
    const { input, subject, graph, tolerance } = await matchOf(entry, [2, 8, 16, 64]);
    const peer = await ortWeb(await graph!(), input);
    await expect(agreementOf(subject(input), await peer.output(), tolerance)).resolves.toBeLessThan(1e-3);
    await peer.close();
  });
});

describe('a peer', () => {
  it('is timed in turns with the block, alone and two of the block in a row', async () => {
    const match = await matchOf(right, [1, 8, 8, 8]);
    const { samples, peers } = await measureLatency(match, {
      timeMs: 1,
      gauge: { start: () => undefined, peakBytes: () => null },
      peers: { 'ort-web': async () => ortWeb(await match.graph!(), match.input) },
    });
    expect(peers).toMatchObject({
      'ort-web': { version: expect.stringMatching(/^onnxruntime-web 1\./), ratio: expect.any(Number), addedMs: expect.any(Number) },
    });
    expect(peers!['ort-web']).toHaveProperty('samples.length', samples.length);
  });

  it('whose output is another one gives the reason, not a ratio', async () => {
    const match = await matchOf(right, [1, 8, 8, 8]);
    const peers = { 'ort-web': async () => ortWeb(await match.graph!(), mul(match.input, 2)) };
    const measured = await measureLatency(match, { timeMs: 1, gauge: { start: () => undefined, peakBytes: () => null }, peers });
    expect(measured.peers).toEqual({ 'ort-web': { error: expect.stringContaining("wrong output: it differs from ort-web's by up to") } });
    expect(measured.baseline).toHaveProperty('ratio');
  });

  it('in Python gets the graph and its input, and says how long so many forwards took', async () => {
    fakePython(ECHO);
    const match = await matchOf(right, [2, 3, 5, 8]);
    const peer = await torch(await match.graph!(), match.input, 'cpu');
    expect(peer.version).toBe('torch 0.0.0');
    expect(await agreementOf(match.input, await peer.output())).toBe(0);
    expect(await peer.time(5)).toBe(10);
    await peer.close();
  });

  it('in a Python that ends gives its last words', async () => {
    fakePython("console.error('no memory'); process.exitCode = 1;");
    const match = await matchOf(right, [1, 8, 8, 8]);
    await expect(torch(await match.graph!(), match.input, 'cpu')).rejects.toThrow('python3 ended early: no memory');
  });
});

describe('--peer', () => {
  it('is refused where there is no such library, or not here', () => {
    expect(() => parseOptions(['latency', '--peer', 'ort-wb'])).toThrow('Unknown peer "ort-wb". Did you mean "ort-web"? There are ort-web, torch.');
    expect(() => parseOptions(['latency', '--peer', 'torch', '--in', 'chrome'])).toThrow('--peer compares in Node');
    expect(() => checkPeers(['ort-web'], 'cpu')).toThrow('the backend is cpu. Add --backend wasm.');
    fakePython("console.error(`ModuleNotFoundError: No module named 'torch'`); process.exitCode = 1;");
    expect(() => checkPeers(['torch'], 'wasm')).toThrow("has torch, but: ModuleNotFoundError: No module named 'torch'. Install it there");
    fakePython(ECHO);
    expect(() => checkPeers(['torch'], 'wasm')).not.toThrow();
    expect(() => checkPeers(['torch'], 'webgpu')).toThrow('CUDA, which torch does not find here');
  });

  it('adds what each library took to rows and tables, and a library that is wrong fails the run', () => {
    fakePython(ECHO);
    const json = join(temporary(), 'run.json');
    const args = ['latency', '--peer', 'ort-web,torch', '--backend', 'wasm', '--blocks', 'Right', '--budget', '1', '--json', json];
    const { status, stdout } = spawnSync(process.execPath, [join(import.meta.dirname, 'fixture/main.ts'), ...args], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(readRun(json).results).toMatchObject([
      { peers: { 'ort-web': { medianMs: expect.any(Number), difference: expect.any(Number) }, torch: { error: expect.any(String) } } },
    ]);
    expect(stdout).toMatch(/×plain +95 % +×ort-web +95 % +added +×torch +95 % +kernels/);
    expect(stdout).toContain("torch with Right: wrong output: it differs from torch's by up to");
  });
});
