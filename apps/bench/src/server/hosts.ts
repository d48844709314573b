import { isIP, isIPv6 } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';

/**
 * Refuses requests that come under a name that is not this machine's: a page elsewhere could make its own name point here, and then read
 * everything as its own origin (DNS rebinding). Addresses cannot be made to point elsewhere.
 *
 * @param host what the server listens on: a name that its user gave is known, too
 */
export function knownHostOnly(host: string): MiddlewareHandler {
  const own = hostname().toLowerCase();
  const names = new Set(['localhost', own, `${own.split('.')[0]}.local`, host.toLowerCase()]);
  return async (c, next) => {
    const received = c.req.header('host') ?? '';
    const name = received.toLowerCase().replace(/:\d+$/, '');
    const address = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name;
    if (!isIP(address) && !names.has(name) && !name.endsWith('.localhost'))
      throw new HTTPException(403, {
        message: `This server is not "${received}". Open it by its IP address, as localhost, or by its machine's own name.`,
      });
    await next();
  };
}

/** Refuses what a page of another origin sends. Programs that are no browsers send no origin. */
export const sameOriginOnly: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header('origin');
  if (c.req.method === 'POST' && origin !== undefined && origin !== URL.parse(`http://${c.req.header('host')}`)?.origin)
    throw new HTTPException(403, { message: `A page of ${origin} may not send anything here. Send it from this server's own page.` });
  await next();
};

/** The addresses of a server, the one to open on this machine first. */
export function urlsOf(host: string, port: number): string[] {
  return addressesOf(host).map((address) => `http://${isIPv6(address) ? `[${address}]` : address}:${port}`);
}

function addressesOf(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // A link-local address needs the name of the interface, which a URL cannot hold.
    .filter(({ internal, family, address }) => !internal && (family === 'IPv4' || (host === '::' && !address.startsWith('fe80:'))))
    .map(({ address }) => address);
  return [host === '::' ? '::1' : '127.0.0.1', ...others];
}
