import { findChromium, hardwareGpuFlags, softwareGpuFlags } from '@saccade/backends/chromium';
import type { Browser, Page } from 'playwright-core';
import { setDeadline } from '../compare/deadline.ts';
import type { Machine } from '../compare/environment.ts';
import type { BackendChoice, Crew, Job, JobOptions, JobOutcome } from '../compare/jobs.ts';
import { BenchError, JobFailure } from '../errors.ts';

/** A browser that does jobs. */
export interface Chrome {
  readonly crew: Crew;
  /** What the browser tells of itself and of its machine. */
  readonly machine: Pick<Machine, 'browser'>;
  close(): Promise<void>;
}

export interface ChromeOptions {
  /** The browser's binary. Default: null, the first Chrome, Chromium or Edge that is found. */
  readonly path: string | null;
  /** The address of the page that does the jobs. */
  readonly url: string;
  /** A software renderer may stand in for the GPU where this one is asked for by name. */
  readonly backend: BackendChoice;
}

/** What the page offers, see src/browser/headless.ts. */
interface Worker {
  readonly saccade: {
    perform(job: Job): Promise<JobOutcome[Job['job']]>;
    end(): void;
    machine(): Promise<Machine>;
    hasGpu(api: 'webgpu' | 'webgl'): Promise<boolean>;
  };
}

/**
 * Starts a headless browser. Each job gets a Web Worker of its own.
 *
 * @throws BenchError where there is no browser, or it does not start
 */
export async function startChrome({ path, url, backend }: ChromeOptions): Promise<Chrome> {
  const executablePath = path ?? findChromium();
  if (!executablePath) throw new BenchError('No Chrome or Chromium was found. Install one, or name its binary with --chrome PATH.', 2);
  const launch = async (args: string[]) => open(executablePath, args, url);
  let tab = await launch(hardwareGpuFlags());
  if (backend === 'webgpu' || backend === 'webgl') {
    const hasGpu = await tab.page.evaluate((api) => (globalThis as unknown as Worker).saccade.hasGpu(api), backend);
    if (!hasGpu) {
      await tab.browser.close();
      tab = await launch(softwareGpuFlags());
    }
  }
  const { browser } = await tab.page.evaluate(() => (globalThis as unknown as Worker).saccade.machine());
  return { crew: (job, options) => performInChrome(tab, job, options), machine: { browser }, close: () => tab.browser.close() };
}

/** The page of a browser, and who listens to it. */
interface Tab {
  readonly browser: Browser;
  readonly page: Page;
  onProgress: (fraction: number) => void;
}

async function open(executablePath: string, args: string[], url: string): Promise<Tab> {
  const { chromium } = await import('playwright-core').catch(() => {
    throw new BenchError('A packed benchmark cannot drive a browser. Run "saccade-bench serve", and open its page in one.', 2);
  });
  // Signals are for the command line to handle: it writes what was measured.
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  const browser = await chromium.launch({ executablePath, args, ...signals }).catch((error: Error) => {
    throw new BenchError(`${executablePath} does not start: ${error.message.split('\n')[0]}. Name another browser with --chrome PATH.`);
  });
  const page = await browser.newPage();
  const tab: Tab = { browser, page, onProgress: () => undefined };
  await page.exposeFunction('saccadeProgress', (fraction: number) => tab.onProgress(fraction));
  // Its scripts have run when it is loaded.
  await page.goto(url);
  return tab;
}

async function performInChrome<J extends Job>(tab: Tab, job: J, options: JobOptions): Promise<JobOutcome[J['job']]> {
  options.signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<JobOutcome[J['job']]>();
  const letGo = setDeadline(options, (reason) => {
    reject(reason);
    // The browser may be closed before it has ended the job, which ends it as well.
    tab.page.evaluate(() => (globalThis as unknown as Worker).saccade.end()).catch(() => undefined);
  });
  const onCrash = () => {
    reject(new JobFailure('the browser page crashed, most likely for want of memory'));
    // A new document is a new process.
    void tab.page.reload();
  };
  tab.page.once('crash', onCrash);
  tab.onProgress = options.onProgress ?? (() => undefined);
  tab.page
    .evaluate((given) => (globalThis as unknown as Worker).saccade.perform(given), job)
    .then(
      (outcome) => resolve(outcome as JobOutcome[J['job']]),
      (error: Error) => reject(new JobFailure(plain(error))),
    );
  return promise.finally(() => {
    letGo();
    tab.page.off('crash', onCrash);
  });
}

/** The message of an error that was thrown in a page, without what the driver puts around it. */
function plain({ message }: Error): string {
  return message.replace(/^page\.evaluate: (\w+: )?/, '').split('\n')[0];
}
