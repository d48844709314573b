import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Measured } from '../compare/environment.ts';
import type { Installation } from '../node/installation.ts';
import { dataDirOf, loadData } from '../node/load-data.ts';
import { startServer, type RunningServer, type ServerOptions } from '../server/server.ts';
import type { Options } from './options.ts';

/** The command that opens an address in the user's browser. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly string[]>> = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] };

/** Serves the page until Ctrl-C. */
export async function servePage({ host, port, data, open }: Options, installation: Installation): Promise<void> {
  const folder = dataDirOf(data, installation.subsetDir);
  const { resultsDir } = installation;
  const server = await startServer({ ...served(folder, installation), resultsDir, host, port });
  const [first, ...others] = server.urls;
  process.stdout.write(`The benchmark's page: ${[first, ...others].join('  ')}\nResults sent to it: ${resultsDir}. Ctrl-C ends it.\n`);
  if (others.length > 0) {
    process.stdout.write(
      'Other devices have no WebGPU and no WASM threads over plain HTTP, which is no secure context: there the page offers WebGL and WASM.\n',
    );
  }
  if (open) openInBrowser(first);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await server.close();
}

/** Serves what a headless browser needs, on a free loopback port. */
export function serveForChrome(folder: string, installation: Installation): Promise<RunningServer> {
  return startServer({ ...served(folder, installation), resultsDir: null, host: '127.0.0.1', port: 0 });
}

function served(folder: string, installation: Installation): Omit<ServerOptions, 'resultsDir' | 'host' | 'port'> {
  const { pageDir, networksDir } = installation;
  return { pageDir, networksDir, about: () => aboutPage(installation), images: () => loadData(folder) };
}

/** What is measured in a page: without what Node runs on. */
export function aboutPage({ versions, commit }: Installation): Measured {
  const { node: _node, webgpu: _webgpu, ...inBrowsers } = versions();
  return { versions: inBrowsers, commit: commit() };
}

function openInBrowser(url: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const opener = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  opener.on('error', () => process.stderr.write(`saccade-bench: ${command} is not there to open a browser. Open ${url} yourself.\n`));
  opener.unref();
}
