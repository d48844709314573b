import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { Measured } from '../compare/environment.ts';
import type { Dataset } from '../data/images.ts';
import { BenchError } from '../errors.ts';
import { dataRoutes } from './data.ts';
import { isolated } from './headers.ts';
import { knownHostOnly, sameOriginOnly, urlsOf } from './hosts.ts';
import { networkRoutes } from './networks.ts';
import { runRoutes } from './runs.ts';
import { pageFiles } from './static.ts';

/** Ten devices at home have them all; what strangers can make the server hold in memory is bounded. */
const MAX_CONNECTIONS = 64;

export interface ServerOptions {
  /** The built page: `index.html`, `assets/` and so on. */
  readonly pageDir: string;
  /** Where runs lie as JSON files, and uploads are written; it need not exist yet. Null: runs are neither shown nor taken. */
  readonly resultsDir: string | null;
  /** Versions and commit of what the page measures. */
  readonly about: () => Measured;
  /** What networks are trained on; called when a page first asks for it. */
  readonly images: () => Dataset;
  /** Where saved networks lie, as `.safetensors` files. Null: there are none. */
  readonly networksDir: string | null;
  /** An address or a name of this machine; `0.0.0.0` or `::` for all of its networks. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

export interface RunningServer {
  /** Where this machine finds the page, without a slash at its end. */
  readonly url: string;
  /** `url`, and for a server that listens on all networks every other address that it is reached by. */
  readonly urls: readonly string[];
  /** Ends the server and the connections that are open. */
  close(): Promise<void>;
}

/**
 * Serves the benchmark's page, what it works on, and the runs there are: nothing else. Other devices are strangers: what they send is
 * checked, bounded, and never more than data.
 *
 * @throws {@link BenchError} where the page is not built, or the address cannot be had
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { pageDir, host, port } = options;
  if (!existsSync(join(pageDir, 'index.html')))
    throw new BenchError(`The page is not built: ${pageDir} has no index.html. Run "npm run build" in the repository.`);
  // Its own Request and Response would replace the process's.
  const server = createAdaptorServer({ fetch: appOf(options).fetch, overrideGlobalObjects: false }) as Server;
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, host, port);
  const urls = urlsOf(host, (server.address() as AddressInfo).port);
  return { url: urls[0], urls, close: () => close(server) };
}

function appOf({ pageDir, resultsDir, about, images, networksDir, host }: ServerOptions): Hono {
  const app = new Hono();
  app.use(isolated, knownHostOnly(host), sameOriginOnly);
  if (resultsDir !== null) app.route('/api/runs', runRoutes(resultsDir));
  app.get('/about.json', (c) => c.json(about()));
  app.route('/data', dataRoutes(images));
  app.route('/networks', networkRoutes(networksDir));
  app.get('*', pageFiles(pageDir));
  app.notFound((c) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return c.json({ error: `There is no ${c.req.path} here.` }, 404);
    return c.json({ error: `${c.req.path} cannot be asked by ${c.req.method}.` }, 405, { Allow: 'GET, HEAD' });
  });
  app.onError((error, c) => {
    if (error instanceof HTTPException) return c.json({ error: error.message }, error.status);
    // What went wrong may name folders of this machine, which are no business of other devices.
    process.stderr.write(`saccade-bench: ${error instanceof BenchError ? error.message : error.stack}\n`);
    return c.json({ error: 'The server failed; the terminal that it runs in says why.' }, 500);
  });
  return app;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw new BenchError(listenFailure(error as NodeJS.ErrnoException, host, port));
  }
}

function listenFailure({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === 'EADDRINUSE')
    return `Port ${port} of ${host} is in use by another program. Give another one with --port N, or any free one with --port 0.`;
  if (code === 'EACCES') return `Port ${port} of ${host} is not open to this user. Give one of 1024 or more with --port N.`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `--host ${host} is no address of this machine. Give 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its networks.`;
  return `The server cannot listen on port ${port} of ${host}: ${message}. Give another --port or --host.`;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}
