import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import type { Tarball } from './tarballs.ts';

/** A registry on this machine that packages can be installed from, and none published to. */
export interface Registry {
  readonly url: string;
  close(): void;
}

/**
 * Serves tarballs to npm under the packages' names.
 *
 * People install by name, and npm then looks for `@saccade/core` in the block's own range. Given as files, block and core would
 * both have to be named, and a block that forgot to depend on core would pass.
 */
export async function serveRegistry(tarballs: readonly Tarball[]): Promise<Registry> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  server.on('request', (request, response) => {
    const asked = decodeURIComponent(request.url!.slice(1));
    const file = tarballs.map((tarball) => tarball.file).find((file) => path.basename(file) === asked);
    const versions = tarballs.filter(({ manifest }) => manifest.name === asked);
    // Another run may serve other packages from the same port: npm must not remember these.
    response.setHeader('cache-control', 'no-store');
    if (file !== undefined) createReadStream(file).pipe(response);
    else if (versions.length > 0) response.end(JSON.stringify(packument(asked, versions, url)));
    else response.writeHead(404).end();
  });
  return { url, close: () => void server.close() };
}

/** What a registry tells of a package; its latest version is the last of those given. */
function packument(name: string, versions: readonly Tarball[], url: string): object {
  const published = versions.map(({ manifest, file, integrity, shasum }) => {
    const dist = { tarball: url + path.basename(file), integrity, shasum };
    return [manifest.version, { ...manifest, dist }] as const;
  });
  return { name, 'dist-tags': { latest: published.at(-1)![0] }, versions: Object.fromEntries(published) };
}
