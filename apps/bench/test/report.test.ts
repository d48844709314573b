import { mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRun, writeRun } from '../src/node/results.ts';
import { markdownReport, textReport } from '../src/report/report.ts';
import type { LatencyResult, Result, Run } from '../src/report/schema.ts';

const latency = (block: string, medianMs: number): LatencyResult => ({
  kind: 'latency',
  block,
  package: '@saccade/x',
  backend: 'webgpu',
  shape: [1, 56, 56, 256],
  medianMs,
  p95Ms: medianMs * 1.1,
  firstRunMs: 90,
  kernels: 7,
  dispatches: 5,
  bytesMoved: 9_680_000,
  peakBytes: 1_500_000,
  params: 8464,
  macs: 8192,
  samples: [medianMs],
  baselineMedianMs: 2,
  baselineP95Ms: 3,
  baselineKernels: 8,
  baselineDispatches: 12,
  baselineBytesMoved: 9_000_000,
  baselineSamples: [2],
  ratio: 2 / medianMs,
  ratioCi95: [1.5, 2.5],
  difference: 1e-7,
});
const run: Run = {
  environment: {
    startedAt: '2026-01-02T03:04:05.678Z',
    durationSeconds: 61,
    command: ['--backend', 'webgpu'],
    backend: 'webgpu',
    device: 'swiftshader',
    software: true,
    threads: 1,
    copyBytesPerSecond: 4e10,
    browser: null,
    cpu: 'A CPU',
    cores: 2,
    memoryBytes: 2 ** 34,
    platform: 'linux x64',
    versions: { node: '24.0.0' },
    commit: 'abc',
    budgetSeconds: 300,
    data: 'Fashion-MNIST',
    interrupted: false,
  },
  results: [
    latency('Slow', 4),
    { kind: 'latency', block: 'Bad', package: '@saccade/y', backend: 'webgpu', shape: [1, 56, 56, 256], error: 'wrong output' },
    latency('Quick', 0.25),
    {
      kind: 'accuracy',
      block: 'none',
      package: null,
      backend: 'webgpu',
      task: 'clothes',
      epochs: 3,
      accuracyMean: 0.8,
      accuracyCi95: 0.01,
      stepMs: 40,
      params: 77754,
      samples: [],
    },
    {
      kind: 'accuracy',
      block: 'Quick',
      package: '@saccade/x',
      backend: 'webgpu',
      task: 'clothes',
      epochs: 3,
      accuracyMean: 0.825,
      accuracyCi95: null,
      stepMs: 41,
      params: 78000,
      samples: [],
    },
  ],
};

describe('a report', () => {
  it('lists the fastest and the most accurate first, failures last with their reason', () => {
    const names = textReport(run)
      .split('\n')
      .flatMap((line) => /^(Slow|Bad|Quick|none)\b/.exec(line)?.[1] ?? []);
    expect(names).toEqual(['Quick', 'Slow', 'Bad', 'Quick', 'none']);
    expect(textReport(run)).toMatch(/Bad +wrong output/);
    expect(textReport(run)).toMatch(
      /Quick +0\.250 +0\.275 +90\.0 +2\.00 +8\.00 +1\.50–2\.50 +7 \(8\) +5 \(12\) +9\.68 \(9\.00\) +97 +1\.50 +8,464 +0\.00819/,
    );
    expect(textReport(run)).toMatch(/Quick +82\.5 +– +\+2\.5 +0 +41\.0 +78,000 +246/);
  });

  it('lists what grows least first, with its maps', () => {
    const points = [16, 32].map((side) => ({ shape: [1, side, side, 8], medianMs: side, macs: 1, bytesMoved: 1, peakBytes: 2e6, samples: [side] }));
    const exponents = { macsExponent: 1.97, bytesMovedExponent: 1, peakBytesExponent: null };
    const grown = (block: string, timeExponent: number): Result => ({
      kind: 'scaling',
      block,
      package: '@saccade/x',
      backend: 'webgpu',
      points,
      timeExponent,
      timeExponentCi95: [0.9, 1.1],
      ...exponents,
    });
    const text = textReport({ ...run, results: [grown('Square', 2), grown('Line', 1)] });
    expect(text).toMatch(
      /1×16×16×8 ms \(MB\) +1×32×32×8 ms \(MB\)\nLine +1\.00 +0\.90–1\.10 +1\.97 +1\.00 +– +16\.0 \(2\.00\) +32\.0 \(2\.00\)\nSquare/,
    );
  });

  it('says everywhere that an adapter is software', () => {
    for (const table of textReport(run)
      .split('\n\n')
      .filter((text) => text.trim()))
      expect(table.split('\n')[0]).toContain('SOFTWARE adapter');
    expect(markdownReport([run])).toContain('## webgpu on swiftshader – SOFTWARE adapter');
  });

  it('is Markdown, with several runs side by side', () => {
    const other: Run = {
      environment: { ...run.environment, backend: 'wasm', device: 'A CPU', software: false },
      results: [{ ...latency('Quick', 0.5), backend: 'wasm' }],
    };
    const report = markdownReport([run, other]);
    expect(report).toContain('| Quick 1×56×56×256 | 0.250 (8.00) | 0.500 (4.00) |');
    expect(report).toContain('| Slow 1×56×56×256 | 4.00 (0.50) | – |');
    const tables = report.split('\n').filter((line) => line.startsWith('|'));
    expect(tables.every((line) => line.endsWith('|'))).toBe(true);
  });
});

describe('a results file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'saccade-results-'));
  const file = join(dir, 'new/run.json');

  it('is read back as it was written, and leaves nothing else behind', () => {
    writeRun(file, run);
    expect(readRun(file)).toEqual(run);
    expect(readdirSync(join(dir, 'new'))).toEqual(['run.json']);
  });

  it('is checked', () => {
    writeFileSync(file, JSON.stringify({ ...run, results: [{ ...run.results[0], medianMs: 'fast' }] }));
    expect(() => readRun(file)).toThrow(/run\.json is not a result of this benchmark: at results\.0\.medianMs, .*expected number.* Give a file that/);
    writeFileSync(file, JSON.stringify({ ...run, results: [{ ...run.results[0], speed: 1 }] }));
    expect(() => readRun(file)).toThrow('speed');
    writeFileSync(file, '{"environ');
    expect(() => readRun(file)).toThrow('is no JSON');
    expect(() => readRun('/nowhere')).toThrow('/nowhere cannot be read');
  });

  it('that finds the disk full gives an error that says so', () => {
    // By a link: a mistake here must replace the link, not the device.
    const full = join(dir, 'full.json');
    symlinkSync('/dev/full', full);
    expect(() => writeRun(full, run)).toThrow(
      `The results could not be written to ${full}: the disk is full. Free some space, or name another file with --json FILE.`,
    );
  });
});
