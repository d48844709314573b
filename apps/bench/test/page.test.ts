import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findChromium, softwareGpuFlags } from '@saccade/backends/chromium';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { environmentOf } from '../src/compare/environment.ts';
import { machine } from '../src/node/environment.ts';
import { loadData } from '../src/node/load-data.ts';
import { workspace } from '../src/node/workspace.ts';
import { checkRun, type Result } from '../src/report/schema.ts';
import { startServer, type RunningServer } from '../src/server/server.ts';

const executablePath = findChromium();
const resultsDir = mkdtempSync(join(tmpdir(), 'saccade-page-'));
const QUICK = 'measure=latency&blocks=se,eca&backend=wasm&shapes=1x8x8x16,1x16x16x16&budget=5';

describe.skipIf(executablePath === null)('the page', () => {
  let server: RunningServer;
  let browser: Browser;

  beforeAll(async () => {
    const { pageDir, networksDir, subsetDir, versions } = workspace(import.meta.filename);
    const about = () => ({ versions: versions(), commit: null });
    server = await startServer({ pageDir, networksDir, resultsDir, about, images: () => loadData(subsetDir), host: '127.0.0.1', port: 0 });
    browser = await chromium.launch({ executablePath: executablePath!, args: softwareGpuFlags() });
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Opens the page; whatever it complains of fails the test. */
  async function open(search: string): Promise<Page> {
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => expect.unreachable(error.message));
    page.on('console', (message) => expect(message.type(), message.text()).not.toBe('error'));
    await page.goto(`${server.url}/${search}`);
    return page;
  }

  async function run(page: Page): Promise<void> {
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('columnheader', { name: '×plain' }).waitFor();
  }

  it('measures what is chosen, and shows, saves, loads, compares and sends it', async () => {
    const page = await open('?measure=latency&budget=5&backend=wasm&shapes=1x8x8x16,1x16x16x16');
    await page.getByRole('button', { name: 'None', exact: true }).click();
    await page.getByLabel('SqueezeExcite').check();
    await page.getByLabel('EfficientChannelAttention').check();
    await run(page);
    const names = () => page.locator('table').first().locator('tbody th').allTextContents();
    expect((await names()).toSorted()).toEqual(['EfficientChannelAttention', 'SqueezeExcite']);
    await page.getByRole('columnheader', { name: 'block' }).first().getByRole('button').click();
    expect(await names()).toEqual(['EfficientChannelAttention', 'SqueezeExcite']);
    expect(await page.locator('figure svg').count()).toBeGreaterThanOrEqual(3);
    // A run is a link.
    expect(page.url()).toContain('blocks=eca,se');

    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save' }).click();
    const file = await (await saved).path();
    const first = checkRun(JSON.parse(readFileSync(file, 'utf8')), file);
    expect(first.results).toHaveLength(4);
    expect(first.environment).toMatchObject({ backend: 'wasm', software: false, browser: expect.stringContaining('Chrom'), interrupted: false });

    await page.getByRole('button', { name: 'Send to this server' }).click();
    await page.getByText('1 run on this server').waitFor();
    expect(readdirSync(resultsDir)).toHaveLength(1);

    // What was sent is in the address now: shown again, and compared with the next run.
    await page.reload();
    await page.getByRole('columnheader', { name: '×plain' }).waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('region', { name: /^Latency: \d of 4 beyond the noise/ }).waitFor();
    await page.locator('input[type=file]').setInputFiles(file);
    await expect.poll(() => page.getByLabel('Run A').locator('option').count()).toBe(3);
    await page.close();
  });

  it('shows what a trained block attends to, for the position under the pointer', async () => {
    const page = await open('#look');
    await page.getByLabel('Trained with').selectOption('scenes-NonLocal');
    await page.getByRole('heading', { name: 'NonLocal attends to' }).waitFor();
    await page.getByText('Query: row').waitFor();
    const told = () => page.getByText('Query: row').textContent();
    const before = await told();
    await page
      .getByRole('heading', { name: 'NonLocal attends to' })
      .locator('xpath=ancestor::section')
      .locator('canvas')
      .first()
      .hover({ position: { x: 20, y: 20 } });
    await expect.poll(told).not.toBe(before);
    await page.getByText(/^Right on \d/).waitFor();
    await page.close();
  });

  it('shows how time grows with the map, of results that hold a scaling', async () => {
    const page = await open('');
    const points = [8, 16, 32].map((side) => ({
      shape: [1, side, side, 4],
      medianMs: side ** 3,
      macs: side ** 4,
      bytesMoved: 1,
      peakBytes: null,
      samples: [side ** 3],
    }));
    const scaling: Result = {
      kind: 'scaling',
      block: 'NonLocal',
      package: '@saccade/nonlocal',
      backend: 'wasm',
      points,
      timeExponent: 1.5,
      timeExponentCi95: [1.5, 1.5],
      macsExponent: 2,
      bytesMovedExponent: 0,
      peakBytesExponent: null,
    };
    const probe = { name: 'wasm' as const, device: 'CPU', software: false, threads: 1, copyBytesPerSecond: 1e9 };
    const course = { startedAt: new Date(), command: ['scaling'], budgetMs: 1, data: null, interrupted: false };
    const environment = environmentOf(probe, course, machine(), { versions: {}, commit: null });
    const json = JSON.stringify({ environment, results: [scaling] });
    await page.locator('input[type=file]').setInputFiles({ name: 'scaling.json', mimeType: 'application/json', buffer: Buffer.from(json) });
    const figure = page.locator('figure', { hasText: 'NonLocal N^1.50 (1.50–1.50; multiply-adds N^2.00)' });
    await figure.locator('svg').first().waitFor();
    expect(await page.getByRole('region', { name: /^Growth with N/ }).count()).toBe(1);
    await page.close();
  });

  it('refuses a file that is no run, and keeps what it has', async () => {
    const page = await open('');
    const hostile = { environment: {}, results: '<img src=x onerror=alert(1)>' };
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(hostile)) });
    await page.getByText('x.json is not a result of this benchmark').first().waitFor();
    expect(await page.getByText('No run yet.').count()).toBe(1);
    await page.close();
  });

  it('pauses while its tab lies hidden, and goes on', async () => {
    const page = await open(`?${QUICK}`);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('heading', { name: 'Measuring' }).waitFor();
    await hide(page, true);
    await page.getByRole('heading', { name: 'Paused' }).waitFor();
    await hide(page, false);
    await page.getByRole('columnheader', { name: '×plain' }).waitFor();
    await page.close();
  });

  it('tells of a lost GPU, and goes on when told to', async () => {
    const page = await open('?measure=latency&blocks=se&backend=webgl&shapes=1x8x8x16&budget=20');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('heading', { name: /[1-9]\d? %/ }).waitFor();
    const session = await browser.newBrowserCDPSession();
    await session.send('Browser.crashGpuProcess').catch(() => undefined);
    await page.getByRole('heading', { name: 'The GPU was lost' }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('columnheader', { name: '×plain' }).waitFor();
    await page.close();
  });

  it('is cancelled, and keeps what it measured', async () => {
    const page = await open(`?${QUICK.replace('budget=5', 'budget=60')}`);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByText('Measured until now').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Ended early').waitFor();
    await page.close();
  });
});

async function hide(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((now) => {
    Object.defineProperty(document, 'hidden', { value: now, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}
