import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { request, type IncomingHttpHeaders } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ImageSet } from '../src/data/images.ts';
import { BenchError } from '../src/errors.ts';
import { writeRun } from '../src/node/results.ts';
import { checkRun } from '../src/report/schema.ts';
import { startServer, type RunningServer } from '../src/server/server.ts';

const SECRET = 'of no business to others';
const temporary = () => mkdtempSync(join(tmpdir(), 'saccade-server-'));
const about = () => ({ versions: { '@saccade/x': '1.0.0' }, commit: 'abc' });

const images = (count: number): ImageSet => ({
  count,
  height: 2,
  width: 3,
  channels: 1,
  pixels: Uint8Array.from({ length: count * 6 }, (_, i) => i),
  labels: Uint8Array.from({ length: count }, (_, i) => i),
});

const runOf = (device: string, startedAt = '2026-01-02T03:04:05.678Z') =>
  checkRun(
    {
      environment: {
        startedAt,
        durationSeconds: 61,
        command: ['--backend', 'webgl'],
        backend: 'webgl',
        device,
        software: false,
        threads: 1,
        copyBytesPerSecond: 1e10,
        browser: 'Chrome 156',
        cpu: null,
        cores: 8,
        memoryBytes: null,
        platform: 'android',
        versions: { page: '1.0.0' },
        commit: null,
        budgetSeconds: 60,
        data: null,
        interrupted: false,
      },
      results: [
        { kind: 'latency', block: 'X', package: '@saccade/x', backend: 'webgl', shape: [1, 8, 8, 8], medianMs: 1.25, samples: [1, 1.25, 1.5] },
      ],
    },
    'The test',
  );

/** A folder of a page and, around and within it, what must not be served. */
function pageFolder(): string {
  const around = temporary();
  const page = join(around, 'page');
  mkdirSync(join(page, 'assets'), { recursive: true });
  mkdirSync(join(page, '.git'));
  writeFileSync(join(around, 'package.json'), SECRET);
  writeFileSync(join(page, '.env'), SECRET);
  writeFileSync(join(page, '.git/config'), SECRET);
  symlinkSync(join(around, 'package.json'), join(page, 'link.json'));
  symlinkSync(around, join(page, 'up'));
  symlinkSync(join(around, 'package.json'), join(page, 'assets/index.html'));
  writeFileSync(join(page, 'index.html'), '<!doctype html>');
  writeFileSync(join(page, 'assets/main-B2c4D6_8.js'), 'export {};');
  writeFileSync(join(page, 'assets/tfjs-backend-wasm.wasm'), 'wasm');
  return page;
}

function networksFolder(): string {
  const dir = temporary();
  writeFileSync(join(dir, 'se.safetensors'), 'weights');
  writeFileSync(join(dir, 'notes.txt'), SECRET);
  symlinkSync(join(dir, 'notes.txt'), join(dir, 'link.safetensors'));
  return dir;
}

const start = (resultsDir: string | null = null) =>
  startServer({
    pageDir: pageFolder(),
    resultsDir,
    images: () => ({ name: 'Clothes', classes: 3, train: images(3), test: images(2) }),
    networksDir: networksFolder(),
    about,
    host: '127.0.0.1',
    port: 0,
  });

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Asks by bare HTTP: fetch would tidy paths and hold back headers. Without a length, the body goes in chunks. */
function ask(
  { url }: RunningServer,
  path: string,
  { method = 'GET', headers = {}, body = '' }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, method, headers }, async (answer) => {
      const text = Buffer.concat(await answer.toArray()).toString();
      resolve({ status: answer.statusCode!, headers: answer.headers, text });
    });
    asked.on('error', reject).end(body);
  });
}

const post = (server: RunningServer, body: string, headers: Record<string, string> = {}) =>
  ask(server, '/api/runs', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers },
  });

const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': expect.stringContaining("default-src 'none'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:;"),
  'permissions-policy': expect.stringContaining('camera=(self)'),
};

describe('the page', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  it.each([
    ['/', '<!doctype html>', 'text/html; charset=utf-8', 'no-cache'],
    ['/index.html', '<!doctype html>', 'text/html; charset=utf-8', 'no-cache'],
    ['/assets/main-B2c4D6_8.js', 'export {};', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    ['/assets/tfjs-backend-wasm.wasm', 'wasm', 'application/wasm', 'no-cache'],
    ['/networks/se.safetensors', 'weights', 'application/octet-stream', 'no-cache'],
    ['/networks/index.json', '["se.safetensors"]', 'application/json', 'no-cache'],
  ])('%s is served, isolated from other origins', async (path, text, type, cache) => {
    const answer = await ask(server, path);
    expect(answer).toMatchObject({ status: 200, text, headers: { ...ISOLATION, 'content-type': type, 'cache-control': cache } });
  });

  it('gets the images as bytes', async () => {
    const size = { height: 2, width: 3, channels: 1 };
    expect(JSON.parse((await ask(server, '/data/images.json')).text)).toEqual({
      name: 'Clothes',
      classes: 3,
      train: { count: 3, ...size },
      test: { count: 2, ...size },
    });
    for (const [name, bytes] of [
      ['train-pixels', images(3).pixels],
      ['train-labels', images(3).labels],
      ['test-pixels', images(2).pixels],
      ['test-labels', images(2).labels],
    ] as const) {
      const { headers, text } = await ask(server, `/data/${name}.bin`);
      expect([headers['content-type'], headers['content-length'], text]).toEqual([
        'application/octet-stream',
        String(bytes.length),
        Buffer.from(bytes).toString(),
      ]);
    }
  });

  it.each([
    '/../package.json',
    '/assets/../../package.json',
    '/%2e%2e/package.json',
    '/..%2fpackage.json',
    '/..%5cpackage.json',
    '/%252e%252e%252fpackage.json',
    '//package.json',
    '/up/package.json',
    '/link.json',
    '/link.json%00.js',
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/assets',
    '/assets/',
    '/assets/index.html',
    '/networks/notes.txt',
    '/networks/link.safetensors',
    '/networks/..%2fnetworks%2fse.safetensors',
    '/networks',
    '/data',
    '/api/runs',
    '/api/runs/x',
  ])('is all there is: %s is not found', async (path) => {
    const { status, headers, text } = await ask(server, path);
    expect({ status, headers, error: JSON.parse(text).error }).toMatchObject({ status: 404, headers: ISOLATION, error: expect.any(String) });
  });

  it('is only read', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect(await ask(server, '/', { method })).toMatchObject({ status: 405, text: expect.stringContaining('"error"') });
    expect(await ask(server, '/', { method: 'HEAD' })).toMatchObject({ status: 200, text: '', headers: ISOLATION });
  });

  it.each(['evil.example', 'evil.example:80', 'localhost.evil.example', '127.0.0.1.evil.example', 'evil-localhost'])(
    'is refused under the name %s',
    async (host) => {
      const { status, text } = await ask(server, '/', { headers: { host } });
      expect([status, JSON.parse(text).error]).toEqual([403, expect.stringContaining(`This server is not "${host}". Open it by its IP address`)]);
    },
  );

  it.each(['localhost:80', 'bench.localhost', '192.168.1.2:8000', '[::1]:8000', hostname()])('is served under the name %s', async (host) => {
    expect(await ask(server, '/', { headers: { host } })).toMatchObject({ status: 200 });
  });
});

describe('the runs', () => {
  let server: RunningServer;
  let dir: string;
  const script = runOf('<script>alert(1)</script>');
  const valid = JSON.stringify(script);
  beforeAll(async () => {
    dir = join(temporary(), 'results');
    server = await start(dir);
  });
  afterAll(() => server.close());

  const altered = (change: Record<string, unknown>) => JSON.stringify({ ...script, environment: { ...script.environment, ...change } });

  it.each([
    ['HTML', '<script>alert(1)</script>', {}, 400, 'JSON'],
    ['HTML by its type', valid, { 'content-type': 'text/html' }, 415, 'Send a run as application/json'],
    ['a form of a page elsewhere', valid, { 'content-type': 'text/plain' }, 415, 'Send a run as application/json'],
    ['another schema', '{"environment":{}}', {}, 400, 'The upload is not a result of this benchmark: at environment.startedAt'],
    ['an unknown field', altered({ path: '../../x' }), {}, 400, 'Unrecognized key: "path"'],
    ['a backend that is a path', altered({ backend: '../../x' }), {}, 400, 'at environment.backend'],
    ['a text too long', altered({ device: 'x'.repeat(301) }), {}, 400, 'at environment.device'],
    ['names without end', altered({ ['x'.repeat(1e6)]: 1 }), {}, 400, 'Unrecognized key'],
    ['9 MiB', ' '.repeat(9 * 2 ** 20), {}, 413, 'larger than 8 MiB'],
    ['a page elsewhere', valid, { origin: 'http://evil.example' }, 403, 'A page of http://evil.example may not'],
    ['a page of another port', valid, { origin: 'http://127.0.0.1:1' }, 403, 'A page of http://127.0.0.1:1 may not'],
    ['a page in a sandbox', valid, { origin: 'null' }, 403, 'A page of null may not'],
  ])('are not taken from %s', async (_, body, headers, status, error) => {
    const answer = await post(server, body, headers);
    expect([answer.status, JSON.parse(answer.text).error]).toEqual([status, expect.stringContaining(error)]);
    expect(answer.text.length).toBeLessThan(1100);
    expect(readdirSync(join(dir, '..'))).toEqual([]);
  });

  it('are not taken in chunks, which may have no end', async () => {
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const { status, text } = await ask(server, '/api/runs', { method: 'POST', body: valid, headers });
    expect([status, text]).toEqual([411, expect.stringContaining('Send it with Content-Length')]);
    expect(readdirSync(join(dir, '..'))).toEqual([]);
  });

  it('land beside the others, and come back as they were, as nothing but JSON', async () => {
    const { status, headers, text } = await post(server, valid, { origin: server.url });
    const { id } = JSON.parse(text);
    expect([status, id]).toEqual([201, expect.stringMatching(/^[\dT-]+-webgl-[\da-f]{12}$/)]);
    expect(headers).toMatchObject(ISOLATION);

    const newer = runOf('newer', '2026-02-03T04:05:06Z');
    writeRun(join(dir, 'by hand.json'), newer);
    writeFileSync(join(dir, 'broken.json'), '{');
    writeFileSync(join(dir, 'other.json'), '{"name":"x"}');
    expect(JSON.parse((await ask(server, '/api/runs')).text)).toEqual({
      runs: [
        { id: 'by hand', environment: newer.environment, results: 1 },
        { id, environment: script.environment, results: 1 },
      ],
    });
    writeRun(join(dir, 'by hand.json'), runOf('older', '2025-02-03T04:05:06Z'));
    expect(JSON.parse((await ask(server, '/api/runs')).text).runs.map((run: { id: string }) => run.id)).toEqual([id, 'by hand']);

    const read = await ask(server, `/api/runs/${id}`);
    expect(JSON.parse(read.text)).toEqual(script);
    expect(read.headers).toMatchObject({ ...ISOLATION, 'content-type': 'application/json' });
    expect(JSON.parse((await ask(server, '/api/runs/by%20hand')).text).environment.device).toBe('older');
    expect(JSON.parse(readFileSync(join(dir, `${id}.json`), 'utf8'))).toEqual(script);
  });

  it('are found by the names there are, never by a path', async () => {
    writeRun(join(dir, '../package.json'), script);
    symlinkSync(join(dir, '../package.json'), join(dir, 'link.json'));
    for (const id of [
      '..%2fpackage',
      '..%2f..%2fpackage',
      '../package',
      '%2e%2e%2fpackage',
      '..%5cpackage',
      'link',
      'link%00',
      'broken',
      '%00',
      '.',
      '',
    ])
      expect([id, (await ask(server, `/api/runs/${id}`)).status]).toEqual([id, 404]);
  });

  it('are taken 500 times and no more', async () => {
    const other = await start(join(temporary(), 'results'));
    for (let i = 0; i < 500; i++) expect((await post(other, valid)).status).toBe(201);
    expect(await post(other, valid)).toMatchObject({ status: 429, text: expect.stringContaining('takes no more') });
    await other.close();
  });
});

describe('the server', () => {
  it('names every address where it listens on all networks', async () => {
    const options = { pageDir: pageFolder(), resultsDir: null, images: () => expect.fail('asked for no images'), about, networksDir: null, port: 0 };
    const server = await startServer({ ...options, host: '0.0.0.0' });
    expect(server.urls[0]).toBe(server.url);
    for (const url of server.urls) expect((await fetch(`${url}/networks/index.json`)).status).toBe(200);
    await server.close();
    await expect(fetch(server.url)).rejects.toThrow('fetch failed');
  });

  it('tells its own terminal what went wrong, and others only that it did', async () => {
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const images = () => {
      throw new BenchError('/home/somebody/images is missing');
    };
    const server = await startServer({ pageDir: pageFolder(), resultsDir: null, images, about, networksDir: null, host: '127.0.0.1', port: 0 });
    const { status, headers, text } = await ask(server, '/data/images.json');
    expect({ status, headers, text }).toMatchObject({ status: 500, headers: ISOLATION, text: expect.not.stringContaining('somebody') });
    expect(told).toHaveBeenCalledWith('saccade-bench: /home/somebody/images is missing\n');
    told.mockRestore();
    await server.close();
  });

  it('says how to help it where it cannot start', async () => {
    const server = await start();
    const options = { pageDir: pageFolder(), resultsDir: null, images: () => expect.fail('asked for no images'), about, networksDir: null };
    const port = Number(new URL(server.url).port);
    await expect(startServer({ ...options, host: '127.0.0.1', port })).rejects.toThrow(
      `Port ${port} of 127.0.0.1 is in use by another program. Give another one`,
    );
    await expect(startServer({ ...options, host: '203.0.113.1', port: 0 })).rejects.toThrow('--host 203.0.113.1 is no address of this machine');
    await expect(startServer({ ...options, host: '127.0.0.1', port: 70_000 })).rejects.toThrow(BenchError);
    await expect(startServer({ ...options, pageDir: temporary(), host: '127.0.0.1', port: 0 })).rejects.toThrow(
      'has no index.html. Run "npm run build"',
    );
    await server.close();
  });
});
