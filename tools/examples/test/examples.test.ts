import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findChromium, softwareGpuFlags } from '@saccade/backends/chromium';
import { chromium } from 'playwright-core';
import { preview } from 'vite';
import { afterAll, expect, it } from 'vitest';
import { installExample, run } from '../src/install.ts';

const folder = mkdtempSync(join(tmpdir(), 'saccade-examples-'));
// Two projects with all that they installed.
afterAll(() => rm(folder, { recursive: true }), 60_000);

it('the Node example gives the logits of PyTorch', () => {
  const example = installExample('node-checkpoint', folder);
  const expected = JSON.parse(readFileSync(join(example, 'expected.json'), 'utf8')) as Record<string, number[]>;
  const results = JSON.parse(run(process.execPath, ['classify.js', '--json'], example)) as { file: string; name: string; logits: number[] }[];
  expect(results).toHaveLength(Object.keys(expected).length);
  for (const { file, name, logits } of results) {
    const torch = expected[file.replace(/^images./, '')];
    expect(Math.max(...logits.map((logit, i) => Math.abs(logit - torch[i]))), file).toBeLessThan(1e-4);
    expect(file).toContain(name);
  }
});

const executablePath = findChromium();

it.skipIf(executablePath === null && process.env['CI'] !== 'true')(
  'the page learns to tell bundled pictures and those of a camera',
  async () => {
    const example = installExample('browser-classifier', folder);
    run('npm', ['run', 'build'], example);
    const server = await preview({ root: example, configFile: false, logLevel: 'silent', preview: { host: '127.0.0.1', port: 0 } });
    const camera = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
    const browser = await chromium.launch({ executablePath: executablePath ?? 'chromium', args: [...softwareGpuFlags(), ...camera] });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(60_000);
      page.on('pageerror', (error) => expect.unreachable(error.message));
      page.on('console', (message) => expect(message.type(), message.text()).not.toBe('error'));
      const alarm = page.getByRole('alert').filter({ hasText: /\S/ });
      /** The text that the page shows, unless it shows an error. */
      const shown = async (text: string) => {
        const found = page.getByText(text);
        await found.or(alarm).waitFor();
        expect(await alarm.allInnerTexts()).toEqual([]);
        return found.innerText();
      };
      await page.goto(server.resolvedUrls!.local[0]);
      await shown('Computes on WebAssembly');

      const right = async (when: string) => {
        const [, right, all] = /: (\d+) of (\d+)/.exec(await shown(`${when} fine-tuning`))!;
        return Number(right) / Number(all);
      };
      const learn = async () => {
        await page.getByRole('button', { name: 'Fine-tune' }).click();
        const [, last, first] = /loss (\d+\.\d+), at first (\d+\.\d+)/.exec(await shown('Epoch 12 of 12'))!;
        return Number(last) / Number(first);
      };
      const before = await right('Before');
      expect(await learn()).toBeLessThan(0.5);
      await shown('3 coordinate attentions');
      // Of pictures that it did not learn from; a third would be chance.
      const after = await right('After');
      expect(after).toBeGreaterThan(2 / 3);
      expect(after).toBeGreaterThan(before);

      // Chromium's own camera shows a moving test picture.
      await page.getByRole('radio', { name: 'the webcam' }).check();
      const take = page.getByRole('button', { name: 'Take 8 pictures' });
      await take.nth(0).click();
      await page.getByLabel('Name of the class').nth(1).fill('Later');
      await take.nth(1).click();
      await learn();
      await page.getByRole('meter', { name: 'Later' }).waitFor();
      await expect.poll(() => page.getByText(/^\d+\s%$/).count()).toBe(2);
    } finally {
      await browser.close();
      await server.close();
    }
  },
  240_000,
);
